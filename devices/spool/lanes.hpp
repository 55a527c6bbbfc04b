// Lanes: where the messages of a stream stand apart from plain arrival order.
//
// A message with a priority above 0 stands in the lane of that priority, one that was put with a delay in the
// late lane; all others in lane 0. Within a lane a group goes by offset, so it needs one cursor for each
// priority, and nothing is searched: what is next in a lane is asked of a set of offsets. Late messages
// become due in any order; those that are due stand by priority too. A mark goes ahead: what is marked may be
// given out as soon as its time has come, without waiting for a disk then; until that it is due soon. When
// they are due, and when messages expire, stands in two calendars, which keep by the millisecond only what is
// near.
//
// Plain durable state of a stream, changed by `spool_state` only. That late messages became due is a record
// of its own (a mark), so that a clock that jumps cannot hide that somebody may have seen them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/offset_set.hpp"
#include "core/run_set.hpp"
#include "devices/spool/calendar.hpp"
#include "devices/spool/wishes.hpp"

namespace ferry {

class lanes {
  public:
    using run = protocol::run;
    static constexpr unsigned priorities = 10;
    static constexpr unsigned late_lane = priorities;

    run_set gaps;  ///< offsets that hold no message (any more), above the stream's first

    /// Messages of the record that holds the offsets `record` ask for something. Times before `near_ms` are
    /// kept by the millisecond at once.
    void place(run record, const wishes& asked, std::uint64_t near_ms);
    /// These messages are gone, or never were.
    void remove(run gone);
    /// Everything below is removed.
    void forget_below(std::uint64_t first);
    /// All late messages whose time is near and not after this are due soon.
    void mark_due(std::uint64_t until_ms);
    /// Of these, whose time has come is due; true if there were any. The same again after a restart, so this
    /// is no durable change.
    bool come_due(std::uint64_t now_ms);
    /// A bucket was read: these records stand in it no longer, and here is what they hold. False when the
    /// bytes are no calendar.
    bool opened(bool of_waiting, const calendar::bucket_key& which, const offset_set& records,
                const calendar::saved& found);

    /// No message stands apart: everything is in lane 0.
    bool plain() const noexcept { return apart_.empty(); }
    unsigned lane_of(std::uint64_t offset) const;
    /// Up to where, at most `end`, offsets from `from` on stand in the same lane as it.
    std::uint64_t same_lane_until(unsigned lane, std::uint64_t from, std::uint64_t end) const;
    /// Of a message in that lane; of a late one that is not due, 0.
    unsigned priority_of(unsigned lane, std::uint64_t offset) const;
    /// The first run of the lane at or above `from`, below `end`; of the late lane, due or not.
    std::optional<run> next(unsigned lane, std::uint64_t from, std::uint64_t end) const;
    /// How many messages of the lane are in `from` .. `end - 1`.
    std::uint64_t count(unsigned lane, std::uint64_t from, std::uint64_t end) const;
    /// Calls `take(lane, part)` for the parts of `whole` by lane, gaps with lane 0, from low to high.
    template <typename Take>
    void split(run whole, Take take) const {
        for (std::uint64_t at = whole.first; at < whole.end();) {
            const unsigned lane = lane_of(at);
            const std::uint64_t end = same_lane_until(lane, at, whole.end());
            take(lane, run{at, end - at});
            at = end;
        }
    }

    const offset_set& late() const noexcept { return late_; }
    const offset_set& due(unsigned priority) const { return due_.at(priority); }
    const offset_set& due_soon(unsigned priority) const { return soon_.at(priority); }
    std::uint64_t due_count() const;

    /// When late messages are due, and when messages expire.
    const calendar& waiting() const noexcept { return waiting_; }
    std::uint64_t next_soon_ms() const { return soon_times_.next_ms(); }
    std::uint64_t due_mark_ms() const noexcept { return due_mark_ms_; }
    const calendar& expiring() const noexcept { return expiring_; }
    /// Takes out what expired until then, so many messages or a few more; some may be gone already.
    offset_set take_expired(std::uint64_t until_ms, std::uint64_t messages_max);
    /// Bytes kept for messages that ask for something: what the memory bound is about.
    std::size_t bytes_kept() const noexcept;

    struct saved {
        std::vector<run> gaps;
        std::vector<std::string> raised;  ///< offset sets, priority 1 to 9; none when all are empty
        std::vector<std::string> due;     ///< priority 0 to 9; none when all are empty
        std::string late;                 ///< an offset set
        calendar::saved waiting, expiring, soon;
        std::uint64_t due_mark_ms = 0;
        static auto fields(auto& m) {
            return std::tie(m.gaps, m.raised, m.due, m.late, m.waiting, m.expiring, m.soon, m.due_mark_ms);
        }
    };
    saved save() const;
    bool load(const saved& from);

  private:
    std::array<offset_set, priorities - 1> raised_;  // by priority - 1
    offset_set late_;                                // due or not
    std::array<offset_set, priorities> due_;
    std::array<offset_set, priorities> soon_;  // marked as due, and their time has not come
    offset_set apart_;                         // all that is not in lane 0
    calendar soon_times_;
    std::uint64_t due_mark_ms_ = 0;
    calendar waiting_;
    calendar expiring_;
};

}  // namespace ferry
