#include "core/dead_queue.hpp"

#include <algorithm>

namespace ferry {
namespace {

constexpr std::uint64_t resend_after_ns = 5'000'000'000;

}  // namespace

void dead_queue::add(std::uint64_t lease, std::uint64_t offset, std::string reason) {
    waiting_.insert_or_assign({lease, offset}, given_up{std::move(reason)});
}

void dead_queue::send(std::uint64_t channel, instant now, std::vector<outgoing_message>& out) {
    for (auto& [place, each] : waiting_) {
        if (now.monotonic_ns < each.due_ns) continue;
        const auto& [lease, offset] = place;
        out.push_back({encode(protocol::dead{channel, lease, {{offset, 1}}, each.reason}), std::nullopt});
        each.due_ns = now.monotonic_ns + resend_after_ns;
    }
}

void dead_queue::unsend() {
    for (auto& [place, each] : waiting_) each.due_ns = 0;
}

std::vector<protocol::run> dead_queue::answered(std::uint64_t lease, const std::vector<protocol::run>& runs) {
    std::vector<protocol::run> taken;
    for (const protocol::run& each : runs) {
        auto at = waiting_.lower_bound({lease, each.first});
        for (; at != waiting_.end() && at->first < std::pair{lease, each.end()}; at = waiting_.erase(at))
            taken.push_back({at->first.second, 1});
    }
    return taken;
}

run_set dead_queue::under(std::uint64_t lease) const {
    run_set offsets;
    for (auto at = waiting_.lower_bound({lease, 0}); at != waiting_.end() && at->first.first == lease; ++at)
        offsets.add({at->first.second, 1});
    return offsets;
}

std::uint64_t dead_queue::next_due_ns() const {
    std::uint64_t due = ~std::uint64_t{0};
    for (const auto& [place, each] : waiting_) due = std::min(due, each.due_ns);
    return due;
}

}  // namespace ferry
