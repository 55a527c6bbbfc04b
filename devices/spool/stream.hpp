// A stream: its messages' offsets, its groups and its producers. Plain durable state, changed by `state`
// only.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/protocol.hpp"
#include "devices/spool/byte_marks.hpp"
#include "devices/spool/group.hpp"
#include "devices/spool/record_payload.hpp"

namespace ferry {

/// A batch of a producer that may be sent again, and where it went.
struct stored_batch {
    std::uint64_t first = 0;  ///< sequence
    std::uint64_t count = 0;
    std::uint64_t offset = 0;
    std::vector<records::known_items> known;  ///< of these, what was elsewhere already
    static auto fields(auto& m) { return std::tie(m.first, m.count, m.offset, m.known); }
    /// What STORED says of it: all duplicates when it is `resent`.
    std::vector<protocol::stored_run> runs(bool resent) const;
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

    /// Nothing below `end` is given to another message: what was there, and is not known any more, is a gap.
    void use_up(std::uint64_t end);

    group* find_group(std::string_view group_name);
    producer_state* find_producer(const std::string& user, const std::string& id);
    producer_state* find_named_producer(const std::string& user, const std::string& producer_name);

    /// The group goes. What it and all others were through with does not come back when none is left.
    void remove_group(std::uint32_t group_number);

    /// Raises `first` to what the groups still need; without a group everything is kept.
    void settle_first();

    /// Acks remove nothing: it has no group, or was told to keep more than what is not acked.
    bool keeps_acked() const noexcept { return groups.empty() || settings.retain != 0; }

    /// What is kept: what some group still needs, or everything. It never grows by an offset that is stored:
    /// what all are through with may be gone from the log at any time.
    offset_set kept() const { return kept({first, next - first}).offsets; }
    /// The same, of one part of the stream, and in how many pieces it came: what the finding of it cost.
    struct kept_part {
        offset_set offsets;
        std::size_t pieces = 0;
    };
    kept_part kept(run within) const;
    /// What is kept and is no dead letter anywhere: what may be let go to make room.
    offset_set removable() const;
    /// These are settled for every group, and hold no message any more.
    void remove(run gone);
    /// What is not kept now is gone for good, whatever is told to be kept from now on.
    void let_go();
    /// Whether the message is a dead letter of any group.
    bool dead_somewhere(std::uint64_t offset) const;

    /// Messages stored and not removed.
    std::uint64_t messages() const;
    /// Their bytes: exact for each batch of a small stream, to one part in 128 of a large one.
    std::uint64_t bytes() const { return bytes_of(kept(), first); }
    ferry::byte_marks byte_marks;
    std::uint64_t bytes_of(const offset_set& some, std::uint64_t from) const;
    /// A bound for `messages` and `bytes` from above that costs nothing.
    std::uint64_t messages_most() const noexcept { return next - first; }
    std::uint64_t bytes_most() const { return byte_marks.bytes({first, next - first}); }
};

}  // namespace ferry
