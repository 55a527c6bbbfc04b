#include "devices/spool/lost_leases.hpp"

namespace ferry {

void lost_leases::add(std::uint64_t lease, run lost) {
    const auto [at, fresh] = by_lease_.try_emplace(lease);
    if (fresh) order_.push_back(lease);
    runs_ -= at->second.runs().size();
    at->second.add(lost);
    runs_ += at->second.runs().size();
    while (runs_ > runs_max && order_.size() > 1) {
        const auto oldest = by_lease_.find(order_.front());
        runs_ -= oldest->second.runs().size();
        by_lease_.erase(oldest);
        order_.pop_front();
    }
}

void lost_leases::regained(std::uint64_t lease, run back) {
    const auto found = by_lease_.find(lease);
    if (found == by_lease_.end()) return;
    runs_ -= found->second.runs().size();
    found->second.remove(back);
    runs_ += found->second.runs().size();
}

std::optional<protocol::run> lost_leases::next(std::uint64_t lease, std::uint64_t at) const {
    const auto found = by_lease_.find(lease);
    return found == by_lease_.end() ? std::nullopt : found->second.next_run(at);
}

}  // namespace ferry
