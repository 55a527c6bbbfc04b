// What a stream can be told, as a table: a row says how a setting is called in stream.create, stream.set and
// the stream's row, and how it is read and shown. A new setting is one row here and one field of
// records::stream_settings.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "devices/spool/record_payload.hpp"
#include "ferry/message.hpp"

namespace ferry {

struct stream_setting {
    std::string_view name;
    std::string_view expects;  ///< in words, for who gave something else
    bool (*read)(const header_value& from, records::stream_settings& into);
    header_value (*show)(const records::stream_settings& from);
};

std::span<const stream_setting> stream_setting_table();

/// Changes what the arguments name (`stream` aside) and leaves the rest. False with the problem in words for
/// a value that cannot be and for a name that is no setting: nothing that was asked for is ignored.
bool read_settings(const header_map& arguments, std::uint64_t message_bytes_max,
                   records::stream_settings& into, std::string& problem);

/// Adds all settings to the stream's row.
void show_settings(const records::stream_settings& from, header_map& row);

}  // namespace ferry
