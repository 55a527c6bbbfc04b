#include "devices/spool/lanes.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace ferry {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void lanes::place(run record, const wishes& asked, std::uint64_t near_ms) {
    const run what{record.first + asked.index, asked.count};
    if (asked.due_ms > 0) {
        late_.add(what);
        waiting_.add({asked.due_ms, what.first, what.count, asked.priority}, record, near_ms);
    } else if (asked.priority > 0) {
        raised_.at(asked.priority - 1).add(what);
    }
    if (asked.due_ms > 0 || asked.priority > 0) apart_.add(what);
    if (asked.expires_ms > 0) expiring_.add({asked.expires_ms, what.first, what.count, 0}, record, near_ms);
}

void lanes::remove(run gone) {
    gaps.add(gone);
    if (apart_.empty()) return;
    for (offset_set& each : raised_) each.remove(gone);
    for (offset_set& each : due_) each.remove(gone);
    for (offset_set& each : soon_) each.remove(gone);
    late_.remove(gone);  // of its calendar it is left out when its time comes
    apart_.remove(gone);
}

void lanes::forget_below(std::uint64_t first) {
    const run gone{0, first};
    gaps.remove(gone);
    waiting_.forget_below(first);
    expiring_.forget_below(first);
    if (apart_.empty()) return;
    for (offset_set& each : raised_) each.remove(gone);
    for (offset_set& each : due_) each.remove(gone);
    for (offset_set& each : soon_) each.remove(gone);
    late_.remove(gone);
    apart_.remove(gone);
}

void lanes::mark_due(std::uint64_t until_ms) {
    due_mark_ms_ = std::max(due_mark_ms_, until_ms);
    while (waiting_.has_by(until_ms)) {
        const appointment next = waiting_.pop();
        for (auto still = late_.next_run(next.offset, next.end()); still;
             still = late_.next_run(still->end(), next.end())) {
            soon_.at(next.priority).add(*still);
            soon_times_.add({next.ms, still->first, still->count, next.priority}, {}, never);
        }
    }
}

bool lanes::come_due(std::uint64_t now_ms) {
    bool any = false;
    while (soon_times_.has_by(now_ms)) {
        const appointment next = soon_times_.pop();
        offset_set& from = soon_.at(next.priority);
        for (auto still = from.next_run(next.offset, next.end()); still;
             still = from.next_run(next.offset, next.end())) {
            from.remove(*still);
            due_.at(next.priority).add(*still);
            any = true;
        }
    }
    return any;
}

bool lanes::opened(bool of_waiting, const calendar::bucket_key& which, const offset_set& records,
                   const calendar::saved& found) {
    return (of_waiting ? waiting_ : expiring_).opened(which, records, found);
}

unsigned lanes::lane_of(std::uint64_t offset) const {
    if (!apart_.contains(offset)) return 0;
    if (late_.contains(offset)) return late_lane;
    for (unsigned priority = 1; priority < priorities; ++priority)
        if (raised_[priority - 1].contains(offset)) return priority;
    return 0;
}

unsigned lanes::priority_of(unsigned lane, std::uint64_t offset) const {
    if (lane != late_lane) return lane;
    for (unsigned priority = priorities; priority-- > 1;)
        if (due_[priority].contains(offset) || soon_[priority].contains(offset)) return priority;
    return 0;
}

std::uint64_t lanes::same_lane_until(unsigned lane, std::uint64_t from, std::uint64_t end) const {
    if (lane == 0) return std::min(end, apart_.next(from).value_or(end));
    const offset_set& of = lane == late_lane ? late_ : raised_.at(lane - 1);
    return std::min(end, of.next_absent(from));
}

std::optional<lanes::run> lanes::next(unsigned lane, std::uint64_t from, std::uint64_t end) const {
    if (lane == late_lane) return late_.next_run(from, end);
    if (lane > 0) return raised_.at(lane - 1).next_run(from, end);
    // Lane 0 is what is neither apart nor a gap.
    std::uint64_t first = gaps.first_absent(from);
    while (!apart_.empty() && first < end) {
        const std::uint64_t here = gaps.first_absent(apart_.next_absent(first));
        if (here == first) break;
        first = here;
    }
    if (first >= end) return std::nullopt;
    if (const auto gap = gaps.next_run(first)) end = std::min(end, gap->first);
    if (!apart_.empty()) end = std::min(end, apart_.next(first).value_or(end));
    return run{first, end - first};
}

std::uint64_t lanes::count(unsigned lane, std::uint64_t from, std::uint64_t end) const {
    if (from >= end) return 0;
    const run within{from, end - from};
    if (lane == late_lane) return late_.count(within);
    if (lane > 0) return raised_.at(lane - 1).count(within);
    return within.count - gaps.count(within) - apart_.count(within);
}

std::uint64_t lanes::due_count() const {
    std::uint64_t sum = 0;
    for (const offset_set& each : due_) sum += each.count();
    return sum;
}

offset_set lanes::take_expired(std::uint64_t until_ms, std::uint64_t messages_max) {
    offset_set expired;
    while (expiring_.has_by(until_ms) && expired.count() < messages_max) {
        const appointment next = expiring_.pop();
        expired.add(run{next.offset, next.count});
    }
    return expired;
}

std::size_t lanes::bytes_kept() const noexcept {
    std::size_t sum = waiting_.bytes() + expiring_.bytes() + late_.bytes() + apart_.bytes();
    for (const offset_set& each : raised_) sum += each.bytes();
    for (const offset_set& each : due_) sum += each.bytes();
    for (const offset_set& each : soon_) sum += each.bytes();
    return sum + soon_times_.bytes();
}

lanes::saved lanes::save() const {
    saved into;
    for (const auto& [gap, end] : gaps.runs()) into.gaps.push_back({gap, end - gap});
    if (!apart_.empty()) {
        for (const offset_set& each : raised_) into.raised.push_back(each.save());
        for (const offset_set& each : due_) into.due.push_back(each.save());
    }
    into.late = late_.save();
    into.waiting = waiting_.save();
    into.expiring = expiring_.save();
    into.soon = soon_times_.save();
    into.due_mark_ms = due_mark_ms_;
    return into;
}

bool lanes::load(const saved& from) {
    *this = {};
    for (const run& gap : from.gaps) gaps.add(gap);
    due_mark_ms_ = from.due_mark_ms;
    if (!late_.load(from.late) || !waiting_.merge(from.waiting) || !expiring_.merge(from.expiring) ||
        !soon_times_.merge(from.soon))
        return false;
    soon_times_.each_near([&](const appointment& each) {
        for (auto still = late_.next_run(each.offset, each.end()); still;
             still = late_.next_run(still->end(), each.end()))
            soon_.at(each.priority).add(*still);
    });
    if (from.raised.empty() && from.due.empty()) return late_.empty();
    if (from.raised.size() != raised_.size() || from.due.size() != due_.size()) return false;
    const auto add_all = [](const offset_set& of, offset_set& into) {
        for (auto at = of.next_run(0, never); at; at = of.next_run(at->end(), never)) into.add(*at);
    };
    for (std::size_t i = 0; i < due_.size(); ++i)
        if (!due_[i].load(from.due[i])) return false;
    if (!apart_.load(from.late)) return false;
    for (std::size_t i = 0; i < raised_.size(); ++i) {
        if (!raised_[i].load(from.raised[i])) return false;
        add_all(raised_[i], apart_);
    }
    return true;
}

}  // namespace ferry
