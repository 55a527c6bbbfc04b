// Administration: making, listing, looking at and removing streams and groups (ADMIN ... RESULT).
//
// A command is a row in a table: name, verb it needs, function. A result is rows of named values;
// `stream.info` gives the stream's row, then one for each group.
#pragma once

#include "devices/spool/brain_parts.hpp"
#include "devices/spool/settlement.hpp"

namespace ferry {

class administration {
  public:
    administration(brain_parts& parts, settlement& groups) : parts_{parts}, groups_{groups} {}

    void handle(session& from, const protocol::admin& request);

  private:
    struct reply {
        std::string_view code;
        std::string text;
        std::vector<header_map> rows;
        bool wait = false;  // until what was done is synced
    };
    reply stream_list(session& from, const header_map& arguments);
    reply stream_info(session& from, const header_map& arguments);
    reply stream_create(session& from, const header_map& arguments);
    reply stream_remove(session& from, const header_map& arguments);
    reply group_list(session& from, const header_map& arguments);
    reply group_info(session& from, const header_map& arguments);
    reply group_create(session& from, const header_map& arguments);
    reply group_remove(session& from, const header_map& arguments);
    reply spool_stats(session& from, const header_map& arguments);

    stream* find_stream(const header_map& arguments, reply& problem);
    header_map row_of(const stream& of) const;
    header_map row_of(const stream& of, const group& whose) const;
    void drop_channels(std::uint32_t stream_number, std::optional<std::uint32_t> group,
                       const std::string& text);

    brain_parts& parts_;
    settlement& groups_;
};

}  // namespace ferry
