// Time as an argument. State machines are handed an instant; only the outermost layer reads these clocks.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

#include "ferry/wait.hpp"

namespace ferry {

using steady_time = std::chrono::steady_clock::time_point;
/// One reading of both clocks: `monotonic` for deadlines and leases, `wall` for what people and disks see.
struct instant {
    std::uint64_t monotonic_ns = 0;
    std::uint64_t wall_ns = 0;  ///< since 1970
};

inline instant read_clocks() {
    using namespace std::chrono;
    const auto count = [](auto since) {
        return static_cast<std::uint64_t>(duration_cast<nanoseconds>(since).count());
    };
    return {count(steady_clock::now().time_since_epoch()), count(system_clock::now().time_since_epoch())};
}

inline std::uint64_t read_wall_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// The monotonic clock as of the last tick of the kernel, some milliseconds old at most: five times cheaper.
inline std::uint64_t coarse_monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace ferry
