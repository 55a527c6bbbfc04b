#include "devices/spool/slack.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>

namespace ferry {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr std::uint64_t crowd = 100;  // sessions; fewer leave 3 MB at most
constexpr std::uint64_t soon = 1'000'000'000;
// libzmq gives up a peer that vanished without a word after its heartbeat and that one's timeout (10 and 30
// s).
constexpr std::uint64_t late = 45'000'000'000;

}  // namespace

void slack::left(std::uint64_t sessions, instant now) {
    left_ += sessions;
    if (left_ < crowd) return;
    left_ = 0;
    soon_ns_ = std::min(soon_ns_, now.monotonic_ns + soon);
    late_ns_ = now.monotonic_ns + late;
}

void slack::tick(instant now) {
    if (now.monotonic_ns < next_due_ns()) return;
    for (std::uint64_t* due : {&soon_ns_, &late_ns_})
        if (now.monotonic_ns >= *due) *due = never;
    ++times_;
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
}

std::uint64_t slack::next_due_ns() const noexcept {
    return std::min(soon_ns_, late_ns_);
}

}  // namespace ferry
