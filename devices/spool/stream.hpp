// A stream: its messages' offsets, its groups and its producers. Plain durable state, changed by `state`
// only.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/protocol.hpp"
#include "devices/spool/group.hpp"
#include "devices/spool/record_payload.hpp"

namespace ferry {

/// A batch of a producer that may be sent again, and where it went.
struct stored_batch {
    std::uint64_t first = 0;  ///< sequence
    std::uint64_t count = 0;
    std::uint64_t offset = 0;
    static auto fields(auto& m) { return std::tie(m.first, m.count, m.offset); }
};

/// What is known of one producer on one stream. The user is part of who it is.
struct producer_state {
    std::string user;
    std::string id;
    std::optional<std::string> name;
    std::uint64_t epoch = 0;
    std::uint64_t last_sequence = 0;
    std::uint64_t last_used_wall_ns = 0;
    std::vector<stored_batch> recent;  ///< the last `protocol::window_batches`, oldest first
    static auto fields(auto& m) {
        return std::tie(m.user, m.id, m.name, m.epoch, m.last_sequence, m.last_used_wall_ns, m.recent);
    }
};

struct stream {
    using producer_key = std::pair<std::string, std::string>;  // user, id

    std::uint32_t number = 0;
    std::string name;
    records::stream_settings settings;

    std::uint64_t next = 0;       ///< offset the next message gets
    std::uint64_t first = 0;      ///< all below is removed: every group is through with it
    std::uint64_t told_mark = 0;  ///< below grade synced: no offset at or above it was told to anybody
    ferry::lanes lanes;           ///< the order above `first`, and which offsets hold no message

    std::map<std::uint32_t, group> groups;
    std::map<producer_key, producer_state> producers;

    /// Messages and dead letters removed so far, by `records::removal_reason`.
    std::vector<std::uint64_t> removed = std::vector<std::uint64_t>(records::removal_reasons);

    group* find_group(std::string_view group_name);
    producer_state* find_producer(const std::string& user, const std::string& id);
    producer_state* find_named_producer(const std::string& user, const std::string& producer_name);

    /// The group goes. What it and all others were through with does not come back when none is left.
    void remove_group(std::uint32_t group_number);

    /// Raises `first` to what the groups still need; without a group everything is kept.
    void settle_first();

    /// What some group still needs, everything without a group. It never grows by an offset that is stored:
    /// what all are through with may be gone from the log at any time.
    offset_set kept() const { return kept({first, next - first}).offsets; }
    /// The same, of one part of the stream, and in how many pieces it came: what the finding of it cost.
    struct kept_part {
        offset_set offsets;
        std::size_t pieces = 0;
    };
    kept_part kept(run within) const;

    /// Messages stored and not removed.
    std::uint64_t messages() const;
    /// Their bytes, exact to about 256 KiB.
    std::uint64_t bytes() const;
    void count_bytes(std::uint64_t first_offset, std::uint64_t bytes);

    struct byte_mark {
        std::uint64_t offset = 0;        ///< from here
        std::uint64_t bytes_before = 0;  ///< so many bytes were stored below
        static auto fields(auto& m) { return std::tie(m.offset, m.bytes_before); }
    };
    std::vector<byte_mark> byte_marks;  ///< one per `byte_mark_spacing` of stored bytes
    std::uint64_t bytes_stored = 0;
};

}  // namespace ferry
