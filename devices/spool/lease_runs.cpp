#include "devices/spool/lease_runs.hpp"

#include <algorithm>

namespace ferry {

void lease_runs::forget(entries::iterator which) {
    by_lease_.erase(which->lease);
    entries_.erase(which);
}

void lease_runs::add(std::uint64_t lease, run more) {
    if (more.count == 0) return;
    const auto [known, fresh] = by_lease_.try_emplace(lease);
    if (fresh) known->second = entries_.insert(entries_.end(), {lease, {}});
    run_set& runs = known->second->runs;
    runs_ -= runs.runs().size();
    runs.add(more);
    runs_ += runs.runs().size();
    while (runs_ > runs_max_ && entries_.size() > 1) {
        runs_ -= entries_.front().runs.runs().size();
        forget(entries_.begin());
    }
}

void lease_runs::remove(std::uint64_t lease, run less) {
    const auto known = by_lease_.find(lease);
    if (known == by_lease_.end()) return;
    run_set& runs = known->second->runs;
    runs_ -= runs.runs().size();
    runs.remove(less);
    runs_ += runs.runs().size();
    if (runs.empty()) forget(known->second);
}

std::optional<protocol::run> lease_runs::next(std::uint64_t lease, std::uint64_t at) const {
    const auto known = by_lease_.find(lease);
    return known == by_lease_.end() ? std::nullopt : known->second->runs.next_run(at);
}

bool lease_runs::covers(std::uint64_t lease, const std::vector<run>& some) const {
    const auto known = by_lease_.find(lease);
    return known != by_lease_.end() && std::ranges::all_of(some, [&](const run& each) {
               return known->second->runs.count(each) == each.count;
           });
}

std::vector<lease_runs::saved> lease_runs::save() const {
    std::vector<saved> into;
    for (const entry& each : entries_) {
        saved& one = into.emplace_back(saved{each.lease, {}});
        for (const auto& [first, end] : each.runs.runs()) one.runs.push_back({first, end - first});
    }
    return into;
}

void lease_runs::load(const std::vector<saved>& from) {
    by_lease_.clear();
    entries_.clear();
    runs_ = 0;
    for (const saved& each : from)
        for (const run& one : each.runs) add(each.lease, one);
}

}  // namespace ferry
