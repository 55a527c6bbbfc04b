// Memory that clients left behind goes back to the system.
//
// What libzmq frees for a connection that ended stays with the C library, in the arena of an I/O thread where
// nothing else asks for it: after 5,000 clients had come and gone a spool kept 160 MB, after three times as
// many 430 MB, of which 2 MB were in use. So when many sessions have ended, it is asked to let go.
#pragma once

#include <cstdint>

#include "core/clock.hpp"

namespace ferry {

class slack {
  public:
    /// So many sessions ended.
    void left(std::uint64_t sessions, instant now);

    /// Gives back what is due to be given back; takes some milliseconds then.
    void tick(instant now);
    std::uint64_t next_due_ns() const noexcept;

    std::uint64_t times_given_back() const noexcept { return times_; }

  private:
    std::uint64_t left_ = 0;
    std::uint64_t soon_ns_ = ~std::uint64_t{0};
    std::uint64_t late_ns_ = ~std::uint64_t{0};
    std::uint64_t times_ = 0;
};

}  // namespace ferry
