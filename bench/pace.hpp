// When messages are to be sent: at a rate that waits for nobody, so that who stalls is told late by all that
// was due meanwhile.
//
//     pace by{10'000};                 // a second; 0: as fast as it goes
//     const std::uint64_t due_ns = by.next();
#pragma once

#include <sys/prctl.h>
#include <time.h>

#include <cstdint>

#include "core/clock.hpp"

namespace ferry::bench {

class pace {
  public:
    explicit pace(double a_second) : step_ns_{a_second > 0 ? 1e9 / a_second : 0} {
        ::prctl(PR_SET_TIMERSLACK, 1);
    }

    /// Waits until the next one is due: when that is on the monotonic clock; 0 as fast as it goes.
    std::uint64_t next() {
        if (step_ns_ == 0) return 0;
        if (count_ == 0) from_ns_ = read_clocks().monotonic_ns;
        const std::uint64_t due_ns =
            from_ns_ + static_cast<std::uint64_t>(step_ns_ * static_cast<double>(count_++));
        if (due_ns <= read_clocks().monotonic_ns) return due_ns;
        const timespec until{static_cast<time_t>(due_ns / 1'000'000'000),
                             static_cast<long>(due_ns % 1'000'000'000)};
        while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {}
        return due_ns;
    }

  private:
    double step_ns_;
    std::uint64_t from_ns_ = 0;
    std::uint64_t count_ = 0;
};

}  // namespace ferry::bench
