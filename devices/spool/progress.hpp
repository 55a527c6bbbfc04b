// Progress: how far a group has looked at its stream, lane by lane.
//
// In the lane of each priority everything below a cursor has been looked at (given out, or settled
// otherwise); late messages become due in any order, so of these a set is kept. What a message that was
// looked at is now, the group knows; one that was not is ready for its first attempt, once it is due.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/offset_set.hpp"
#include "devices/spool/lanes.hpp"

namespace ferry {

class progress {
  public:
    using run = protocol::run;

    explicit progress(std::uint64_t start) { cursors_.fill(start); }

    /// Everything below `start` counts as looked at, nothing above.
    void restart(std::uint64_t start, const lanes& of);

    /// The next messages that nobody looked at, below `visible`: the highest priority first, then by offset.
    std::optional<run> next(std::uint64_t visible, const lanes& of) const;

    /// The same by offset alone, with what is due. Of an ordered group, as the next two.
    std::optional<run> next_in_order(std::uint64_t visible, const lanes& of) const;
    /// Goes past these without looking at them: they stay to be looked at.
    void leave(run what, const lanes& of) {
        look(what, of, true, [this](run over) { left_.add(over); });
    }
    /// These were looked at before, and are to be again.
    void leave_behind(run what) { left_.add(what); }
    /// What was left.
    const offset_set& left() const noexcept { return left_; }

    /// Looks at `what`. Messages of its lanes that are passed over and were not looked at are given to
    /// `passed`; with `itself` those of `what` too.
    template <typename Passed>
    void look(run what, const lanes& of, bool itself, Passed passed) {
        of.split(what, [&](unsigned lane, run part) {
            const std::uint64_t end = itself ? part.end() : part.first;
            if (!left_.empty()) {
                for (auto at = left_.next_run(part.first, part.end()); itself && at;
                     at = left_.next_run(at->end(), part.end()))
                    passed(*at);
                left_.remove(part);
            }
            if (lane == lanes::late_lane) {
                if (itself) each_untaken(of.late(), part, passed);
                taken_.add(part);
                return;
            }
            std::uint64_t& cursor = cursors_.at(lane);
            for (auto over = of.next(lane, cursor, end); over; over = of.next(lane, cursor, end)) {
                passed(*over);
                cursor = over->end();
            }
            cursor = std::max(cursor, part.end());
        });
    }

    /// Whether the message at `at` was looked at, and up to where (at most `end`) that is so.
    bool looked_at(std::uint64_t at, std::uint64_t& end, const lanes& of) const;

    /// Calls `take` for all that was not looked at below `end`: of the late ones those that are due, or
    /// marked as due.
    template <typename Take>
    void each_new(std::uint64_t end, const lanes& of, Take take) const {
        each_in_order({0, end}, of, take);
        for (unsigned priority = 0; priority < lanes::priorities && !of.plain(); ++priority) {
            each_untaken(of.due(priority), {0, end}, take);
            each_untaken(of.due_soon(priority), {0, end}, take);
        }
        each_left({0, end}, take);
    }
    /// The same for what lies in `within`, with those that are not due.
    template <typename Take>
    void each_needed(run within, const lanes& of, Take take) const {
        each_in_order(within, of, take);
        each_untaken(of.late(), within, take);
        each_left(within, take);
    }

    /// The lowest offset that may not have been looked at; `end` and above when all below was.
    std::uint64_t lowest(const lanes& of) const;
    /// How many messages below `end` wait for their first attempt, and how many are not due yet.
    std::uint64_t ready_count(std::uint64_t end, const lanes& of) const;
    std::uint64_t late_count(const lanes& of) const;

    /// Everything below is removed: it will not be known any more.
    void forget_below(std::uint64_t first);
    /// These are removed.
    void forget(run gone) { taken_.remove(gone); }

    /// Of lane 0: what a plain stream needs to know.
    std::uint64_t cursor() const noexcept { return cursors_[0]; }

    struct saved {
        std::vector<std::uint64_t> cursors;  // one, or one a lane when they differ
        std::string taken, left;
        static auto fields(auto& m) { return std::tie(m.cursors, m.taken, m.left); }
    };
    saved save() const;
    bool load(const saved& from);

  private:
    std::uint64_t ready_late_count(const lanes& of) const;
    template <typename Take>
    void each_left(run within, Take take) const {
        for (auto at = left_.next_run(within.first, within.end()); at;
             at = left_.next_run(at->end(), within.end()))
            take(*at);
    }
    // What stands in the lanes of priorities.
    template <typename Take>
    void each_in_order(run within, const lanes& of, Take take) const {
        const std::uint64_t end = within.end();
        for (unsigned lane = 0; lane < lanes::priorities && (lane == 0 || !of.plain()); ++lane) {
            std::uint64_t at = std::max(cursors_[lane], within.first);
            for (auto part = of.next(lane, at, end); part; part = of.next(lane, at, end)) {
                take(*part);
                at = part->end();
            }
        }
    }
    template <typename Take>
    void each_untaken(const offset_set& of, run within, Take take) const {
        for (auto at = of.next_not_in(taken_, within.first); at && *at < within.end();) {
            const std::uint64_t end =
                std::min({within.end(), of.next_absent(*at), taken_.next(*at).value_or(within.end())});
            take(run{*at, end - *at});
            at = of.next_not_in(taken_, end);
        }
    }

    std::array<std::uint64_t, lanes::priorities> cursors_{};
    offset_set taken_;  // late messages that were looked at
    offset_set left_;   // below the cursors, or taken, and yet to be looked at
};

}  // namespace ferry
