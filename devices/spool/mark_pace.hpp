// How far ahead of use a group's delivered mark is raised.
//
// Nothing at or above the mark goes out before a higher one is synced, and after a crash what lies below it
// and was never given out comes flagged all the same. So a step is small where little is delivered, and as
// large as it takes where deliveries come to the mark before its next step is on the disk: twice as large
// when they had to wait for it, half as large when they had not to for some steps, or it lasted for long.
//
// The mark is up to one and a half steps ahead. Where each message is a piece of its own, as with mixed
// priorities, a crash makes so many pieces in memory: the largest step keeps them to what groups may have
// (brain_options::runs_max).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace ferry {

class mark_pace {
  public:
    static constexpr std::uint64_t step_least = 8192;
    static constexpr std::uint64_t step_most = 1 << 17;

    std::uint64_t step() const noexcept { return step_; }
    /// The mark is raised when use has come as near to it as this.
    std::uint64_t margin() const noexcept { return step_ / 2; }

    /// A delivery waits for the mark.
    void waited() noexcept { waited_ = true; }
    /// A higher mark is synced.
    void raised(std::uint64_t now_ns) noexcept {
        const bool lasted = now_ns >= raised_ns_ + long_ns;
        raised_ns_ = now_ns;
        if (std::exchange(waited_, false)) {
            step_ = std::min(step_most, step_ * 2);
            calm_ = 0;
        } else if (++calm_ >= calm_enough || lasted) {
            step_ = std::max(step_least, step_ / 2);
            calm_ = 0;
        }
    }

  private:
    static constexpr int calm_enough = 16;
    static constexpr std::uint64_t long_ns = 1'000'000'000;

    std::uint64_t step_ = step_least;
    bool waited_ = false;
    std::uint64_t raised_ns_ = 0;
    int calm_ = 0;  // steps in a row that nothing waited for
};

}  // namespace ferry
