#include "core/flight.hpp"

#include <algorithm>

namespace ferry {
namespace {

// 64 KiB are under way for two seconds at 256 kbit/s: a third of the time after which a peer counts as gone.
constexpr std::uint64_t start_bytes = 64 << 10;
constexpr std::uint64_t least_bytes = 8 << 10;
constexpr std::uint64_t quick_ns = 200'000'000;
constexpr std::uint64_t slow_ns = 1'500'000'000;
constexpr std::uint64_t ours = std::uint64_t{1}
                               << 63;  // no PING of the link, which may leave at the same time

}  // namespace

flight::flight(std::uint64_t most) : most_{most}, start_{start_bytes}, limit_{start_bytes} {}

void flight::restart() {
    start_ = token_ == 0 ? start_bytes : std::max(least_bytes, std::min(start_, limit_) / 2);
    limit_ = start_;
    sent_ = arrived_ = token_ = 0;
}

void flight::arrived(std::uint64_t count) noexcept {
    arrived_ = std::clamp(count, arrived_, sent_);
}

std::uint64_t flight::pinged(std::uint64_t now_ns) noexcept {
    sent_then_ = sent_;
    return token_ = ours | now_ns;
}

bool flight::ponged(std::uint64_t token, std::uint64_t now_ns) {
    if (token_ == 0 || token != token_) return false;
    const std::uint64_t took_ns = now_ns - (token_ & ~ours);
    token_ = 0;
    if (took_ns < quick_ns) limit_ *= 2;
    if (took_ns > slow_ns) limit_ = std::max(least_bytes, limit_ / 2);
    arrived(sent_then_);
    return true;
}

}  // namespace ferry
