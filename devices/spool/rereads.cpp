#include "devices/spool/rereads.hpp"

namespace ferry {
namespace {

constexpr unsigned attempts_max = 5;
constexpr std::uint64_t first_pause_ns = 100'000'000;

}  // namespace

void rereads::asked(const std::vector<read_action>& reads) {
    for (const read_action& each : reads) under_way_.try_emplace(each.cookie, attempt{each});
}

bool rereads::again(std::uint64_t cookie, std::uint64_t now_ns) {
    const auto found = under_way_.find(cookie);
    if (found == under_way_.end() || ++found->second.failures >= attempts_max) return false;
    due_.file(cookie, now_ns + (first_pause_ns << (2 * (found->second.failures - 1))));
    return true;
}

void rereads::tick(std::uint64_t now_ns, std::vector<read_action>& into) {
    for (const std::uint64_t each : due_.take(now_ns)) into.push_back(under_way_.at(each).what);
}

}  // namespace ferry
