// A calendar: which messages of a stream have an appointment, and when.
//
// What is near is kept by the millisecond, 16 bytes an appointment. What is later stands in buckets of a
// minute, an hour, a day or a year, and a bucket knows only which records of the log hold messages for it:
// two bytes a record at most. The times themselves stand in the log, in the heads of those records, so a
// bucket is read there when it opens - a quarter of its width before it begins - and what is found becomes
// near, or goes to finer buckets. A message is put into the coarsest bucket that begins at least its own
// width from where "near" ends, so what comes out of a bucket always fits a finer one.
//
// Plain durable state of a stream, changed by `spool_state` only; the reading is the timetable's.
// Appointments of messages that are gone stay until their time or until they are swept: whoever takes one out
// looks.
//
//     calendar of;
//     of.add({.ms = due, .offset = 7, .count = 1}, {0, 100}, now_ms + 3'600'000);
//     while (of.has_by(now_ms)) wake(of.pop());
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "core/offset_set.hpp"

namespace ferry {

/// Messages that have a time in common.
struct appointment {
    std::uint64_t ms = 0, offset = 0, count = 1, priority = 0;
    std::uint64_t end() const noexcept { return offset + count; }
};

class calendar {
  public:
    using run = protocol::run;

    /// Which bucket: in the order in which they open.
    struct bucket_key {
        std::uint64_t opens_ms = 0, start_ms = 0, width_ms = 0;
        std::uint64_t end_ms() const noexcept { return start_ms + width_ms; }
        friend auto operator<=>(const bucket_key&, const bucket_key&) = default;
    };
    struct bucket {
        std::uint64_t messages = 0;  ///< at most so many
        offset_set records;          ///< the first offsets of those with messages for it
    };
    static bucket_key key_of(std::uint64_t start_ms, std::uint64_t width_ms) noexcept {
        return {start_ms - width_ms / 4, start_ms, width_ms};
    }

    /// An appointment of messages in the record that holds the offsets `record`. What is before `near_ms` is
    /// kept by the millisecond.
    void add(const appointment& made, run record, std::uint64_t near_ms);

    /// When the first of the near ones is; max when there is none.
    std::uint64_t next_ms() const;
    /// Whether there is a near one at that time or before; of no time there is when there is none.
    bool has_by(std::uint64_t ms) const { return !near_.empty() && near_.front().ms() <= ms; }
    appointment pop();
    std::size_t near_count() const noexcept { return near_.size(); }
    /// Calls `see` with each near appointment, in no order.
    template <typename See>
    void each_near(See see) const {
        for (const near_one& each : near_) see(each.what());
    }

    const std::map<bucket_key, bucket>& buckets() const noexcept { return buckets_; }
    /// When the first bucket opens; max when there is none.
    std::uint64_t next_opening_ms() const;

    /// Records below are gone.
    void forget_below(std::uint64_t first);
    /// What the calendar takes in memory, nearly.
    std::size_t bytes() const noexcept;

    struct saved_bucket {
        std::uint64_t start_ms = 0, width_ms = 0, messages = 0;
        std::string records;  ///< an offset set
        bool valid() const noexcept { return width_ms > 0 && start_ms >= width_ms && start_ms >> 45 == 0; }
        static auto fields(auto& m) { return std::tie(m.start_ms, m.width_ms, m.messages, m.records); }
    };
    struct saved {
        std::string near;  ///< see `save`
        std::vector<saved_bucket> later;
        std::uint64_t record_messages_max = 0;  ///< of the records in the buckets
        static auto fields(auto& m) { return std::tie(m.near, m.later, m.record_messages_max); }
    };
    /// For a snapshot. An appointment is four varints: how far its time and its offset are from those of the
    /// one before (zigzagged), its count and its priority.
    saved save() const;
    /// Adds all of it; false, with some of it added, when the bytes are no calendar.
    bool merge(const saved& more);

    /// What was read of a bucket: these records stand in it no longer, and here is what they hold.
    bool opened(const bucket_key& which, const offset_set& records, const saved& found);

  private:
    // An appointment in 16 bytes, for there may be a million; sorted by time.
    struct near_one {
        explicit near_one(const appointment& from)
            : ms_and_count{from.ms << count_bits | from.count},
              offset_and_priority{from.offset << 4 | from.priority} {}
        appointment what() const {
            return {ms(), offset(), ms_and_count & count_max, offset_and_priority & 15};
        }
        std::uint64_t ms() const { return ms_and_count >> count_bits; }
        std::uint64_t offset() const { return offset_and_priority >> 4; }
        friend auto operator<=>(const near_one&, const near_one&) = default;

        std::uint64_t ms_and_count = 0;
        std::uint64_t offset_and_priority = 0;
    };
    static constexpr unsigned count_bits = 20;
    static constexpr std::uint64_t count_max = (1U << count_bits) - 1;

    void add_near(appointment made);
    void sweep(std::uint64_t first);
    template <typename Change>
    void change_bucket(const bucket_key& which, Change change);

    std::vector<near_one> near_;  // a heap, the soonest first
    std::map<bucket_key, bucket> buckets_;
    std::size_t bucket_bytes_ = 0;
    std::uint64_t record_messages_max_ = 0;
    std::uint64_t swept_below_ = 0;
};

}  // namespace ferry
