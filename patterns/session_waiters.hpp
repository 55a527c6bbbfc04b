// How the threads that use a producer or consumer wait for what its session brings.
//
// One of them stands in for the loop and reads the socket itself, which spares it a hop between threads; the
// others are told by whoever ran the step.
//
// Threads: all calls under the lock that guards the session.
#pragma once

#include <condition_variable>
#include <mutex>

#include "core/clock.hpp"
#include "core/event_fd.hpp"
#include "core/loop.hpp"

namespace ferry {

class session_waiters {
  public:
    /// Waits until the session was told of, or the time has come; sooner at times. The lock is released
    /// meanwhile. Without a `session` nobody runs steps any more: then there is only the time.
    void wait(std::unique_lock<std::mutex>& lock, loop& of, const loop::member* session, steady_time until);

    /// Something may have changed: all look again.
    void tell() noexcept;

  private:
    class standing;
    std::condition_variable changed_;
    event_fd* bell_ = nullptr;  // of the thread that stands in, lent by the loop until it leaves `wait`
};

}  // namespace ferry
