// What a role does counts within a window, after a warm-up that does not.
//
//     measure([&] { jobs.put(body.next()); }, [&] { return jobs.stats().confirmed; });
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>

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

/// Reports what `total` grows by in the window, with `step` done all the time. The clock is read once in 64
/// steps.
template <typename Step, typename Total>
void measure(Step step, Total total, std::chrono::milliseconds lasts = hop_window) {
    using clock = std::chrono::steady_clock;
    const auto run_until = [&](clock::time_point end) {
        do {
            for (int i = 0; i < 64; ++i) step();
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
[[noreturn]] void measure_and_go_on(Step step, Total total) {
    measure(step, total);
    for (;;) step();
}

}  // namespace ferry::bench
