#include "devices/spool/lanes.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace ferry {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void lanes::push(std::vector<appointment>& onto, timed what) {
    for (std::uint64_t left = what.count; left > 0; left -= what.count, what.offset += what.count) {
        what.count = std::min<std::uint64_t>(left, (1U << 20) - 1);
        onto.emplace_back(what);
        std::push_heap(onto.begin(), onto.end(), std::greater<>{});
    }
}

lanes::timed lanes::pop(std::vector<appointment>& from) {
    std::pop_heap(from.begin(), from.end(), std::greater<>{});
    const timed first = from.back().what();
    from.pop_back();
    return first;
}

void lanes::place(std::uint64_t offset, const wishes& asked) {
    const run what{offset, asked.count};
    if (asked.due_ms > 0) {
        late_.add(what);
        push(waiting_, {asked.due_ms, offset, asked.count, asked.priority});
    } else if (asked.priority > 0) {
        raised_.at(asked.priority - 1).add(what);
    }
    if (asked.due_ms > 0 || asked.priority > 0) apart_.add(what);
    if (asked.expires_ms > 0) push(expiring_, {asked.expires_ms, offset, asked.count, 0});
}

void lanes::remove(run gone) {
    gaps.add(gone);
    if (apart_.empty()) return;
    for (offset_set& each : raised_) each.remove(gone);
    for (offset_set& each : due_) each.remove(gone);
    late_.remove(gone);  // of `waiting_` it is left out when its time comes
    apart_.remove(gone);
}

void lanes::forget_below(std::uint64_t first) {
    const run gone{0, first};
    gaps.remove(gone);
    if (apart_.empty()) return;
    for (offset_set& each : raised_) each.remove(gone);
    for (offset_set& each : due_) each.remove(gone);
    late_.remove(gone);
    apart_.remove(gone);
}

void lanes::become_due(std::uint64_t until_ms) {
    while (next_due_ms() <= until_ms) {
        const timed next = pop(waiting_);
        const std::uint64_t end = next.offset + next.count;
        for (auto still = late_.next_run(next.offset, end); still; still = late_.next_run(still->end(), end))
            due_.at(next.priority).add(*still);
    }
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
        if (due_[priority].contains(offset)) return priority;
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

std::uint64_t lanes::next_due_ms() const {
    return waiting_.empty() ? never : waiting_.front().ms();
}

std::uint64_t lanes::next_expiry_ms() const {
    return expiring_.empty() ? never : expiring_.front().ms();
}

offset_set lanes::take_expired(std::uint64_t until_ms) {
    offset_set expired;
    while (next_expiry_ms() <= until_ms) {
        const timed next = pop(expiring_);
        expired.add(run{next.offset, next.count});
    }
    return expired;
}

std::size_t lanes::bytes_kept() const noexcept {
    return (waiting_.size() + expiring_.size()) * sizeof(appointment) + apart_.count() / 2;
}

lanes::saved lanes::save() const {
    saved into;
    for (const auto& [gap, end] : gaps.runs()) into.gaps.push_back({gap, end - gap});
    if (!apart_.empty()) {
        for (const offset_set& each : raised_) into.raised.push_back(each.save());
        for (const offset_set& each : due_) into.due.push_back(each.save());
    }
    for (const appointment& each : waiting_) {
        const timed next = each.what();
        const std::uint64_t end = next.offset + next.count;
        for (auto still = late_.next_run(next.offset, end); still; still = late_.next_run(still->end(), end))
            into.waiting.push_back({next.ms, still->first, still->count, next.priority});
    }
    for (const appointment& each : expiring_) into.expiring.push_back(each.what());
    return into;
}

bool lanes::load(const saved& from) {
    *this = {};
    for (const run& gap : from.gaps) gaps.add(gap);
    for (const timed& each : from.expiring) push(expiring_, each);
    if (from.raised.empty() && from.due.empty() && from.waiting.empty()) return true;
    if (from.raised.size() != raised_.size() || from.due.size() != due_.size()) return false;
    const auto add_all = [](const offset_set& of, offset_set& into) {
        for (auto at = of.next_run(0, never); at; at = of.next_run(at->end(), never)) into.add(*at);
    };
    for (std::size_t i = 0; i < due_.size(); ++i) {
        if (!due_[i].load(from.due[i])) return false;
        add_all(due_[i], late_);
    }
    for (const timed& each : from.waiting) {
        late_.add(run{each.offset, each.count});
        push(waiting_, each);
    }
    add_all(late_, apart_);
    for (std::size_t i = 0; i < raised_.size(); ++i) {
        if (!raised_[i].load(from.raised[i])) return false;
        add_all(raised_[i], apart_);
    }
    return true;
}

}  // namespace ferry
