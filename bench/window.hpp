// What a role does counts within a window, after a warm-up that does not.
//
//     measure([&] { jobs.put(body.next()); }, [&] { return jobs.stats().confirmed; });
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/latencies.hpp"

namespace ferry::bench {

inline constexpr std::chrono::milliseconds hop_warm_up{300};
inline constexpr std::chrono::milliseconds hop_window{1000};

/// A role's result: "COUNT SECONDS LOST P50 P99" on stdout, the last two in microseconds.
inline void report(std::uint64_t count, std::chrono::nanoseconds lasted, std::uint64_t lost,
                   const latencies& took = {}) {
    std::printf("%llu %.6f %llu %.3f %.3f\n", static_cast<unsigned long long>(count),
                std::chrono::duration<double>(lasted).count(), static_cast<unsigned long long>(lost),
                took.microseconds(0.5), took.microseconds(0.99));
    std::fflush(stdout);
}

/// How long a role goes on, where it was told, which is its `at`-th word.
inline std::chrono::milliseconds hop_window_of(const std::vector<std::string>& told, std::size_t at) {
    return told.size() > at ? std::chrono::milliseconds{std::stoll(told[at])} : hop_window;
}

/// After so many steps of a size the clock is read: few of the large ones, each of which takes a while.
inline int steps_of(std::size_t size) {
    return static_cast<int>(std::clamp<std::size_t>((1 << 20) / size, 1, 64));
}

/// Reports what `total` grows by in the window, with `step` done all the time.
template <typename Step, typename Total>
void measure(Step step, Total total, std::chrono::milliseconds lasts = hop_window, int steps = 64) {
    using clock = std::chrono::steady_clock;
    const auto run_until = [&](clock::time_point end) {
        do {
            for (int i = 0; i < steps; ++i) step();
        } while (clock::now() < end);
    };
    const auto begin = clock::now();
    run_until(begin + hop_warm_up);
    const std::uint64_t before = total();
    const auto from = clock::now();
    run_until(from + lasts);
    const std::uint64_t after = total();
    report(after - before, clock::now() - from, 0);
}

/// The same, and goes on until the process is killed: whoever takes is not done yet.
template <typename Step, typename Total>
[[noreturn]] void measure_and_go_on(Step step, Total total, std::chrono::milliseconds lasts = hop_window,
                                    int steps = 64) {
    measure(step, total, lasts, steps);
    for (;;) step();
}

}  // namespace ferry::bench
