#include "devices/spool/seen_mark.hpp"

#include <algorithm>

namespace ferry {

seen_mark::part seen_mark::first_attempt(run fresh) const {
    if (fresh.first >= below_) return {fresh.count, 1};
    if (anew_.contains(fresh.first))
        return {std::min(fresh.count, anew_.first_absent(fresh.first) - fresh.first), 1};
    const auto anew = anew_.next_run(fresh.first);
    const std::uint64_t end = anew ? std::min(anew->first, below_) : below_;
    return {std::min(fresh.count, end - fresh.first), attempt_};
}

void seen_mark::raise(std::uint64_t below, std::uint64_t floor) {
    if (floor >= below_) attempt_ = 1;
    below_ = std::max(below_, below);
    ++attempt_;
    anew_.remove(run{0, below});
}

seen_mark::saved seen_mark::save() const {
    saved into{below_, attempt_, {}};
    for (const auto& [first, end] : anew_.runs()) into.anew.push_back({first, end - first});
    return into;
}

void seen_mark::load(const saved& from) {
    below_ = from.below;
    attempt_ = from.attempt;
    for (const run& each : from.anew) anew_.add(each);
}

}  // namespace ferry
