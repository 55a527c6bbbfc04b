// The loop: the one thread of a context on which everything lives that must act while the application does
// not call (producer and consumer sessions, batch linger, a binding subscriber's handshakes).
//
// A member is a step function. It is called when its descriptor becomes readable, when its time has come and
// when it was woken; it does all it can without blocking (a ZeroMQ descriptor is edge-triggered: it must
// read until nothing is left) and says what to wait for next. Steps never run at the same time.
//
// Threads: `add`, `wake` and the destruction of a member from any thread. A member's destruction returns
// when its step is not running and will not run again; from within its own step it is not allowed.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/event_fd.hpp"

namespace ferry {

class loop {
  public:
    /// What a step waits for next, besides being woken.
    struct next {
        steady_time due = steady_time::max();
        int fd = -1;         ///< readable means call again; -1 = none
        int second_fd = -1;  ///< the same
    };
    using step = std::function<next()>;

    class member {
      public:
        ~member();
        member(const member&) = delete;
        member& operator=(const member&) = delete;

        /// Has the step called soon. From any thread.
        void wake() noexcept;

      private:
        friend class loop;
        struct slot;
        member(loop& owner, std::shared_ptr<slot> own) : owner_{owner}, slot_{std::move(own)} {}
        loop& owner_;
        std::shared_ptr<slot> slot_;
    };

    /// Starts the thread. It runs until the loop is destroyed, after its last member.
    /// When `stop_fd` becomes readable every member is called once, so that it can let its waiters go.
    explicit loop(int stop_fd = -1);
    ~loop();
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    std::unique_ptr<member> add(step call);

  private:
    void run();

    std::mutex mutex_;  // guards slots_ and ending_
    std::vector<std::shared_ptr<member::slot>> slots_;
    std::mutex running_;  // held while steps run
    bool ending_ = false;
    int stop_fd_;
    event_fd changed_;
    std::thread thread_;
};

}  // namespace ferry
