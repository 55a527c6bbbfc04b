// Lanes: where the messages of a stream stand apart from plain arrival order.
//
// A message with a priority above 0 stands in the lane of that priority, one that was put with a delay in the
// late lane; all others in lane 0. Within a lane a group goes by offset, so it needs one cursor for each
// priority, and nothing is searched: what is next in a lane is asked of a set of offsets. Late messages
// become due in any order; those that are due stand by priority too.
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
#include "devices/spool/wishes.hpp"

namespace ferry {

class lanes {
  public:
    using run = protocol::run;
    static constexpr unsigned priorities = 10;
    static constexpr unsigned late_lane = priorities;

    run_set gaps;  ///< offsets that hold no message (any more), above the stream's first

    /// Messages from `offset` on that ask for something were stored.
    void place(std::uint64_t offset, const wishes& asked);
    /// These messages are gone, or never were.
    void remove(run gone);
    /// Everything below is removed.
    void forget_below(std::uint64_t first);
    /// All late messages with a time up to this are due.
    void become_due(std::uint64_t until_ms);

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
    std::uint64_t due_count() const;

    /// When the next late message is due, and when the next message expires (wall ms); max when none does.
    std::uint64_t next_due_ms() const;
    std::uint64_t next_expiry_ms() const;
    /// Takes out what expired until then; some may be gone already.
    offset_set take_expired(std::uint64_t until_ms);
    /// Bytes kept for messages that stand apart: what the memory bound is about.
    std::size_t bytes_kept() const noexcept;

    /// Messages that have a time in common.
    struct timed {
        std::uint64_t ms = 0, offset = 0, count = 0, priority = 0;
        bool valid() const noexcept {
            return ms >> 44 == 0 && offset >> 60 == 0 && count > 0 && count < (1U << 20) &&
                   priority < priorities;
        }
        static auto fields(auto& m) { return std::tie(m.ms, m.offset, m.count, m.priority); }
    };
    struct saved {
        std::vector<run> gaps;
        std::vector<std::string> raised;  ///< offset sets, priority 1 to 9; none when all are empty
        std::vector<std::string> due;     ///< priority 0 to 9; none when all are empty
        std::vector<timed> waiting, expiring;
        static auto fields(auto& m) { return std::tie(m.gaps, m.raised, m.due, m.waiting, m.expiring); }
    };
    saved save() const;
    bool load(const saved& from);

  private:
    // A `timed` in 16 bytes, for there may be a million; sorted by time.
    struct appointment {
        explicit appointment(const timed& from)
            : ms_and_count{from.ms << 20 | from.count},
              offset_and_priority{from.offset << 4 | from.priority} {}
        timed what() const {
            return {ms_and_count >> 20, offset_and_priority >> 4, ms_and_count & ((1U << 20) - 1),
                    offset_and_priority & 15};
        }
        std::uint64_t ms() const { return ms_and_count >> 20; }
        friend auto operator<=>(const appointment&, const appointment&) = default;

        std::uint64_t ms_and_count = 0;
        std::uint64_t offset_and_priority = 0;
    };
    static void push(std::vector<appointment>& onto, timed what);
    static timed pop(std::vector<appointment>& from);

    std::array<offset_set, priorities - 1> raised_;  // by priority - 1
    offset_set late_;                                // due or not
    std::array<offset_set, priorities> due_;
    offset_set apart_;                  // all that is not in lane 0
    std::vector<appointment> waiting_;  // heaps, the soonest first
    std::vector<appointment> expiring_;
};

}  // namespace ferry
