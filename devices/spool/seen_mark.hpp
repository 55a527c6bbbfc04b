// What an ordered group may have shown to somebody before it was cut off, of all it has not looked at again.
//
// A restart cannot say for each message that was left for its key whether it was out; so what lies below the
// mark comes flagged, with as many attempts as there were restarts - but for what was redriven since, which
// begins anew.
//
//     seen_mark seen;
//     seen.raise(1000, floor);                  // cut off: below 1000 all may have been seen
//     seen.first_attempt({990, 20});            // 10 of them, attempt 2
//     seen.redriven({995, 1});
//     seen.first_attempt({995, 20});            // 1 of them, attempt 1
#pragma once

#include <cstdint>
#include <vector>

#include "core/run_set.hpp"

namespace ferry {

class seen_mark {
  public:
    using run = protocol::run;
    struct saved {
        std::uint64_t below = 0, attempt = 1;
        std::vector<run> anew;
    };

    std::uint64_t below() const noexcept { return below_; }
    /// How many of `fresh`, from its first on, are given out as which attempt.
    struct part {
        std::uint64_t count = 0, attempt = 1;
    };
    part first_attempt(run fresh) const;

    /// The group was cut off; `floor` is the first of its messages that is open.
    void raise(std::uint64_t below, std::uint64_t floor);
    void redriven(run back) { anew_.add(back); }
    void settled(run which) { anew_.remove(which); }

    saved save() const;
    void load(const saved& from);

  private:
    std::uint64_t below_ = 0;
    std::uint64_t attempt_ = 1;
    run_set anew_;  // below the mark
};

}  // namespace ferry
