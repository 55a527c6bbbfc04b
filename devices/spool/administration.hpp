// Administration: making, listing, looking at and removing streams and groups (ADMIN ... RESULT), and the way
// to those who do the rest: upkeep and the dead letter office.
//
// A command is a row in a table: name, verb it needs, function. A result is rows of named values;
// `stream.info` gives the stream's row, then one for each group.
#pragma once

#include <span>

#include "devices/spool/admin_reply.hpp"
#include "devices/spool/dead_letter_office.hpp"
#include "devices/spool/settlement.hpp"
#include "devices/spool/upkeep.hpp"
#include "ferry/spool.hpp"

namespace ferry {

class administration {
  public:
    administration(brain_parts& parts, settlement& groups, dead_letter_office& dead)
        : parts_{parts}, groups_{groups}, dead_{dead}, upkeep_{parts} {}

    void handle(session& from, const protocol::admin& request);

    /// What `spool.stats` tells, but for what the log's writer and the ports know.
    spool_stats figures() const;

  private:
    using reply = admin_reply;
    struct command {
        std::string_view name;
        verb needs;
        std::string_view takes;  ///< names of arguments
        reply (*run)(administration&, session&, const header_map&);
    };
    static std::span<const command> commands();
    static std::string_view unknown_argument(const command& what, const header_map& arguments);
    reply stream_list(session& from, const header_map& arguments);
    reply stream_info(session& from, const header_map& arguments);
    reply stream_create(session& from, const header_map& arguments);
    reply stream_remove(session& from, const header_map& arguments);
    reply group_list(session& from, const header_map& arguments);
    reply group_info(session& from, const header_map& arguments);
    reply group_create(session& from, const header_map& arguments);
    reply group_remove(session& from, const header_map& arguments);
    reply spool_stats_row(session& from, const header_map& arguments);

    std::uint64_t dedup_span_ms() const;
    header_map row_of(const stream& of) const;
    header_map row_of(const stream& of, const group& whose) const;
    void drop_channels(std::uint32_t stream_number, std::optional<std::uint32_t> group,
                       const std::string& text);

    brain_parts& parts_;
    settlement& groups_;
    dead_letter_office& dead_;
    upkeep upkeep_;
};

}  // namespace ferry
