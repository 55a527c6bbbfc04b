// What stands inside each type of record (docs/spool_format.md, "Record payloads").
//
// Payloads are msgpack arrays in field order, as on the wire, so that any language can read a spool and a
// newer version can append fields. A messages record is the array of `messages_head` followed by the batch as
// it was received.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/record.hpp"
#include "core/pack_fields.hpp"
#include "devices/spool/group.hpp"
#include "devices/spool/id_window.hpp"
#include "devices/spool/wishes.hpp"

namespace ferry::records {

/// Flags of a messages record: the grade it was confirmed with stands in the lowest two bits.
inline constexpr std::uint8_t grade_bits = 0x03;
/// At least one item has headers.
inline constexpr std::uint8_t has_headers = 0x04;
/// It counts when a commit names it: the records of one commit stand behind each other, the commit last.
inline constexpr std::uint8_t of_commit = 0x08;

/// Items of a batch that were stored before, by their message id: they take an offset and hold nothing.
struct known_items {
    std::uint64_t index = 0, count = 0;
    std::uint64_t offset = 0;  ///< where the first of them is
    bool valid() const noexcept {
        return count > 0 && count < (1U << 24) && index < (1U << 24) && offset + count >= offset;
    }
    static auto fields(auto& m) { return std::tie(m.index, m.count, m.offset); }
    friend bool operator==(const known_items&, const known_items&) = default;
};

struct messages_head {
    std::string user;
    std::string producer_id;
    std::uint64_t epoch = 0;
    std::uint64_t first_sequence = 0;
    std::uint64_t time_ns = 0;  ///< at the producer
    std::uint64_t checksum_kind = 0;
    std::uint64_t checksum = 0;
    std::vector<known_items> known;     ///< void items, by index; when all are, the batch is left out
    std::vector<ferry::wishes> wishes;  ///< of the items that ask for something, by index
    std::uint64_t near_ms = 0;          ///< their times before this are kept by the millisecond (wall ms)
    std::optional<run> cut_from;        ///< the offsets of the batch of which this is a part, if it is one
    std::string ids;                    ///< 16 bytes for each item with a message id: see `append_id`
    static auto fields(auto& m) {
        return std::tie(m.user, m.producer_id, m.epoch, m.first_sequence, m.time_ns, m.checksum_kind,
                        m.checksum, m.known, m.wishes, m.near_ms, m.cut_from, m.ids);
    }
    /// The offsets of the batch that was stored, of which this may be a part.
    run origin(const log::record_header& header) const {
        return cut_from.value_or(run{header.first_offset, header.count});
    }
};

/// The ids of a batch as a record keeps them: index (32 bits), then the hash (64 and 32), little-endian.
void append_id(std::string& ids, std::uint32_t index, const id_hash& id);
/// Calls `take(index, hash)` for each; false when the bytes are none.
bool each_id(std::string_view ids, const std::function<void(std::uint32_t, const id_hash&)>& take);

/// Splits the payload of a messages record; false when it is malformed.
bool split_messages(std::string_view payload, messages_head& head, std::string_view& batch);

struct group_acks {
    std::uint64_t stream = 0, group = 0;
    std::vector<run> runs;
    static auto fields(auto& m) { return std::tie(m.stream, m.group, m.runs); }
};
struct acks {
    std::vector<group_acks> groups;
    static auto fields(auto& m) { return std::tie(m.groups); }
};

enum class attempt_reason : std::uint64_t { nacked = 1, expired = 2, restarted = 3, left = 4 };
struct attempt {
    std::uint64_t stream = 0, group = 0, reason = 0;
    std::vector<tried_run> runs;
    static auto fields(auto& m) { return std::tie(m.stream, m.group, m.reason, m.runs); }
};

struct dead {
    std::uint64_t stream = 0, group = 0;
    std::vector<dead_run> runs;
    static auto fields(auto& m) { return std::tie(m.stream, m.group, m.runs); }
};

struct redrive {
    std::uint64_t stream = 0, group = 0;
    std::vector<run> runs;
    static auto fields(auto& m) { return std::tie(m.stream, m.group, m.runs); }
};

/// `due`: the late messages of a stream with a time up to `offset` (wall ms) are due.
/// `expired`: what expires up to there has done so, and is not looked at again.
/// `seen`: what an ordered group did not look at below `offset` may have been given out before a crash.
enum class mark_kind : std::uint64_t { delivered = 1, told = 2, due = 3, expired = 4, seen = 5 };
struct mark {
    std::uint64_t kind = 0, stream = 0, group = 0, offset = 0;
    static auto fields(auto& m) { return std::tie(m.kind, m.stream, m.group, m.offset); }
};

/// A messages record with the flag `of_commit`.
struct output {
    std::uint64_t stream = 0, first_offset = 0, count = 0;
    bool valid() const noexcept { return first_offset + count >= first_offset; }
    static auto fields(auto& m) { return std::tie(m.stream, m.first_offset, m.count); }
};
/// Acks, the lease they were made under, and what came of them. The outputs stand right before it, and count
/// with it only.
struct commit {
    std::vector<group_acks> settled;
    std::vector<output> outputs;
    std::uint64_t lease = 0;
    static auto fields(auto& m) { return std::tie(m.settled, m.outputs, m.lease); }
};

/// `seek` is for groups only: from `start` on everything that is kept is new to the group.
enum class retain_kind : std::uint64_t { acked = 0, all = 1, age = 2 };
enum class when_full : std::uint64_t { reject = 0, block = 1, drop_oldest = 2 };
enum class when_expired : std::uint64_t { drop = 0, dead_letter = 1 };

enum class settings_change : std::uint64_t { set = 1, removed = 2, seek = 3 };
struct stream_settings {
    std::uint64_t grade = 0;              ///< default grade of confirms: 0 synced, 1 written, 2 queued
    std::uint64_t dead_messages_max = 0;  ///< dead letters kept of each group; 0 = all
    std::uint64_t dead_age_ms_max = 0;    ///< how long they are kept; 0 = for good
    std::uint64_t retain = 0;             ///< what is kept: 0 what is not acked, 1 all, 2 all of an age
    std::uint64_t retain_ms = 0;          ///< that age
    std::uint64_t bytes_max = 0;          ///< 0 = no limit
    std::uint64_t messages_max = 0;       ///< 0 = no limit
    std::uint64_t when_full = 0;          ///< 0 reject, 1 block, 2 drop the oldest
    std::uint64_t ttl_ms = 0;             ///< of messages that name none; 0 = they do not expire
    std::uint64_t expired = 0;            ///< what becomes of them: 0 dropped, 1 dead letters
    std::uint64_t message_bytes_max = 0;  ///< payload of one message; 0 = what the spool takes
    std::uint64_t dedup_ms = 600'000;     ///< how long a message id is remembered; 0 = it is not looked at
    static auto fields(auto& m) {
        return std::tie(m.grade, m.dead_messages_max, m.dead_age_ms_max, m.retain, m.retain_ms, m.bytes_max,
                        m.messages_max, m.when_full, m.ttl_ms, m.expired, m.message_bytes_max, m.dedup_ms);
    }
    friend bool operator==(const stream_settings&, const stream_settings&) = default;
};
struct stream_change {
    std::uint64_t change = 0, number = 0;
    std::string name;
    stream_settings settings;
    static auto fields(auto& m) { return std::tie(m.change, m.number, m.name, m.settings); }
};
struct group_change {
    std::uint64_t change = 0, stream = 0, number = 0;
    std::string name;
    group_settings settings;
    std::uint64_t start = 0, delivered_mark = 0;
    static auto fields(auto& m) {
        return std::tie(m.change, m.stream, m.number, m.name, m.settings, m.start, m.delivered_mark);
    }
};

enum class producer_change_kind : std::uint64_t { epoch_issued = 1, expired = 2 };
struct producer_change {
    std::uint64_t change = 0, stream = 0;
    std::string user, id;
    std::optional<std::string> name;
    std::uint64_t epoch = 0;
    static auto fields(auto& m) { return std::tie(m.change, m.stream, m.user, m.id, m.name, m.epoch); }
};

enum class removal_reason : std::uint64_t {
    damage = 1,
    purge = 2,
    retention = 3,
    drop_oldest = 4,
    expiry = 5,
    dropped = 6  ///< dead letters that somebody dropped
};
inline constexpr std::size_t removal_reasons = 7;

/// Messages that no group will get any more; with a group, dead letters that this group is done with.
struct removed {
    std::uint64_t stream = 0, reason = 0;
    std::vector<run> runs;
    std::uint64_t group = 0;     ///< 0 = for all groups
    std::uint64_t messages = 0;  ///< how many there were in the runs
    static auto fields(auto& m) { return std::tie(m.stream, m.reason, m.runs, m.group, m.messages); }
};

/// What was read in the log of records that stand in a bucket of a calendar of the stream.
struct appointments {
    std::uint64_t stream = 0;
    bool waiting = true;                       ///< of late messages; else of messages that expire
    std::uint64_t start_ms = 0, width_ms = 0;  ///< of the bucket
    std::string records;                       ///< an offset set: those read, by their first offset
    calendar::saved found;
    bool valid() const noexcept { return width_ms > 0 && start_ms >= width_ms && start_ms >> 45 == 0; }
    static auto fields(auto& m) {
        return std::tie(m.stream, m.waiting, m.start_ms, m.width_ms, m.records, m.found);
    }
};

}  // namespace ferry::records
