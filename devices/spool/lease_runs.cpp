#include "devices/spool/lease_runs.hpp"

#include <algorithm>

namespace ferry {

void lease_runs::add(std::uint64_t lease, run more) {
    const auto [at, fresh] = by_lease_.try_emplace(lease);
    if (fresh) order_.push_back(lease);
    runs_ -= at->second.runs().size();
    at->second.add(more);
    runs_ += at->second.runs().size();
    while (runs_ > runs_max_ && order_.size() > 1) {
        const auto oldest = by_lease_.find(order_.front());
        runs_ -= oldest->second.runs().size();
        by_lease_.erase(oldest);
        order_.pop_front();
    }
}

void lease_runs::remove(std::uint64_t lease, run less) {
    const auto found = by_lease_.find(lease);
    if (found == by_lease_.end()) return;
    runs_ -= found->second.runs().size();
    found->second.remove(less);
    runs_ += found->second.runs().size();
}

std::optional<protocol::run> lease_runs::next(std::uint64_t lease, std::uint64_t at) const {
    const auto found = by_lease_.find(lease);
    return found == by_lease_.end() ? std::nullopt : found->second.next_run(at);
}

bool lease_runs::covers(std::uint64_t lease, const std::vector<run>& some) const {
    const auto found = by_lease_.find(lease);
    return found != by_lease_.end() && std::ranges::all_of(some, [&](const run& each) {
               return found->second.count(each) == each.count;
           });
}

std::vector<lease_runs::saved> lease_runs::save() const {
    std::vector<saved> into;
    for (const std::uint64_t lease : order_) {
        saved& one = into.emplace_back(saved{lease, {}});
        for (const auto& [first, end] : by_lease_.at(lease).runs()) one.runs.push_back({first, end - first});
    }
    return into;
}

void lease_runs::load(const std::vector<saved>& from) {
    by_lease_.clear();
    order_.clear();
    runs_ = 0;
    for (const saved& each : from)
        for (const run& one : each.runs) add(each.lease, one);
}

}  // namespace ferry
