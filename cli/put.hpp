// The run that stores messages: read, put, wait for the confirms, sum up. `put` and `stream import` are this.
//
//     put_flags flags;
//     flags.producer.stream = "jobs";
//     flags.shared.in.format = in_format::json;
//     return put_messages(std::move(flags), where, "-", "stream import");
//
// Failure: as the exit codes of put say; throws usage_error for input that cannot be begun.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cli/flags.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/producer.hpp"

namespace ferry::cli {

enum class confirm_lines : std::uint8_t { none, text, json };

struct put_flags {
    shared_flags shared;
    confirm_lines lines = confirm_lines::none;
    bool json = false;  ///< the confirms as JSON
    producer_options producer;
    header_map wishes{};  ///< headers the spool itself obeys
};

/// Puts `argument`, or what stdin and the files hold, and gives the exit code. `command` is who complains.
int put_messages(put_flags flags, const endpoints& where, std::optional<std::string> argument,
                 std::string_view command);

}  // namespace ferry::cli
