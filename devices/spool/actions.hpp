// What the brain asks the world to do. The device does it with sockets and a disk, the simulator without.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/log/record.hpp"
#include "core/shared_bytes.hpp"

namespace ferry {

/// A record on its way to the log.
struct outgoing_record {
    log::record_type type{};
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
    std::uint64_t first_offset = 0;
    std::uint32_t count = 0;
    std::uint64_t wall_ns = 0;
    std::string head;
    shared_bytes body;
};

/// The same as the log takes them; heads and bodies stay where they are.
inline std::vector<log::record> as_records(const std::vector<outgoing_record>& outgoing) {
    std::vector<log::record> records;
    records.reserve(outgoing.size());
    for (const outgoing_record& each : outgoing)
        records.push_back({each.type, each.flags, each.stream, each.first_offset, each.count, each.wall_ns,
                           each.head, each.body.view});
    return records;
}

/// One write turn: append the records, then save the snapshot, then sync, as far as they are there. The
/// answers are `appended(ticket)` and, once all up to it is on disk, `durable(ticket)`.
struct append_action {
    std::uint64_t ticket = 0;
    std::vector<outgoing_record> records;
    std::optional<std::string> snapshot;
    bool sync = false;
};

/// Answered by `read_done(cookie, ...)` or `read_failed`.
struct read_action {
    std::uint64_t cookie = 0;
    std::uint32_t stream = 0;
    std::uint64_t offset = 0;
    std::size_t bytes_max = 0;
};

struct send_action {
    std::uint64_t session = 0;
    std::string head;
    std::optional<shared_bytes> body;
};

/// No message of `stream` below `offset` is needed any more.
struct release_action {
    std::uint32_t stream = 0;
    std::uint64_t offset = 0;
};

/// One step of moving messages out of segments that are nearly empty, in the order given and after every
/// append that was handed out before. Answered by `moved`.
struct move_action {
    enum class step : std::uint8_t { copy, adopt, abandon };
    step what = step::copy;
    std::vector<outgoing_record> records;  ///< to copy: by stream, then by offset
    std::vector<log::position> sources;    ///< the segments they come from, sorted
};

struct actions {
    std::vector<append_action> appends;
    std::vector<read_action> reads;
    std::vector<send_action> sends;
    std::vector<release_action> releases;
    std::vector<move_action> moves;
    bool look = false;                  ///< at what the log holds: answered by `held`
    std::vector<std::uint64_t> closed;  ///< sessions that are over: nothing more will be sent to them

    bool empty() const {
        return appends.empty() && reads.empty() && sends.empty() && releases.empty() && moves.empty() &&
               !look && closed.empty();
    }
};

}  // namespace ferry
