#include "devices/spool/progress.hpp"

#include <algorithm>

namespace ferry {

void progress::restart(std::uint64_t start, const lanes& of) {
    cursors_.fill(start);
    taken_.clear();
    left_.clear();
    for (auto late = of.late().next_run(0, start); late; late = of.late().next_run(late->end(), start))
        taken_.add(*late);
}

std::optional<progress::run> progress::next(std::uint64_t visible, const lanes& of) const {
    if (of.plain()) return of.next(0, cursors_[0], visible);
    for (unsigned lane = lanes::priorities; lane-- > 0;) {
        const auto fresh = of.next(lane, cursors_[lane], visible);
        const auto due = of.due(lane).next_not_in(taken_, 0);
        if (due && *due < visible && (!fresh || *due < fresh->first)) return run{*due, 1};
        if (fresh) return fresh;
    }
    return std::nullopt;
}

std::optional<progress::run> progress::next_in_order(std::uint64_t visible, const lanes& of) const {
    if (of.plain()) return of.next(0, cursors_[0], visible);
    std::optional<run> lowest;
    std::uint64_t end = visible;  // where the next of another lane stands
    const auto consider = [&](run next) {
        if (!lowest || next.first < lowest->first) {
            if (lowest) end = std::min(end, lowest->first);
            lowest = next;
        } else {
            end = std::min(end, next.first);
        }
    };
    for (unsigned lane = 0; lane < lanes::priorities; ++lane) {
        if (const auto fresh = of.next(lane, cursors_[lane], visible)) consider(*fresh);
        const auto due = of.due(lane).next_not_in(taken_, 0);
        if (due && *due < visible) consider({*due, 1});
    }
    if (lowest) lowest->count = std::min(lowest->count, end - lowest->first);
    return lowest;
}

bool progress::looked_at(std::uint64_t at, std::uint64_t& end, const lanes& of) const {
    const unsigned lane = of.lane_of(at);
    end = of.same_lane_until(lane, at, end);
    if (left_.contains(at)) {
        end = std::min(end, left_.next_absent(at));
        return false;
    }
    end = std::min(end, left_.next(at).value_or(end));
    if (lane == lanes::late_lane) {
        const bool looked = taken_.contains(at);
        end = std::min(end, looked ? taken_.next_absent(at) : taken_.next(at).value_or(end));
        return looked;
    }
    const bool looked = at < cursors_.at(lane);
    if (looked) end = std::min(end, cursors_.at(lane));
    return looked;
}

std::uint64_t progress::lowest(const lanes& of) const {
    std::uint64_t lowest = of.gaps.first_absent(cursors_[0]);
    constexpr std::uint64_t never = ~std::uint64_t{0};
    if (of.plain()) return std::min(lowest, left_.next(0).value_or(never));
    if (const auto plain = of.next(0, cursors_[0], never)) lowest = plain->first;
    lowest = std::min(lowest, left_.next(0).value_or(never));
    for (unsigned lane = 1; lane < lanes::priorities; ++lane)
        if (const auto fresh = of.next(lane, cursors_[lane], never)) lowest = std::min(lowest, fresh->first);
    if (const auto late = of.late().next_not_in(taken_, 0)) lowest = std::min(lowest, *late);
    return lowest;
}

std::uint64_t progress::ready_count(std::uint64_t end, const lanes& of) const {
    if (of.plain()) return of.count(0, cursors_[0], end) + left_.count();
    std::uint64_t sum = ready_late_count(of) + left_.count();
    for (unsigned lane = 0; lane < lanes::priorities; ++lane) sum += of.count(lane, cursors_[lane], end);
    return sum;
}

// Late ones may be settled before they are due, by a group that was sent elsewhere.
std::uint64_t progress::ready_late_count(const lanes& of) const {
    std::uint64_t sum = 0;
    for (unsigned priority = 0; priority < lanes::priorities; ++priority)
        sum += of.due(priority).count() - of.due(priority).count_common(taken_);
    return sum;
}

std::uint64_t progress::late_count(const lanes& of) const {
    return of.late().count() - taken_.count() - ready_late_count(of);
}

void progress::forget_below(std::uint64_t first) {
    for (std::uint64_t& each : cursors_) each = std::max(each, first);
    taken_.remove(run{0, first});
    left_.remove(run{0, first});
}

progress::saved progress::save() const {
    saved into{{cursors_[0]}, taken_.save(), left_.save()};
    for (const std::uint64_t each : cursors_)
        if (each != cursors_[0]) into.cursors.assign(cursors_.begin(), cursors_.end());
    return into;
}

bool progress::load(const saved& from) {
    if (from.cursors.size() != 1 && from.cursors.size() != cursors_.size()) return false;
    for (std::size_t i = 0; i < cursors_.size(); ++i)
        cursors_[i] = from.cursors[from.cursors.size() == 1 ? 0 : i];
    return taken_.load(from.taken) && left_.load(from.left);
}

}  // namespace ferry
