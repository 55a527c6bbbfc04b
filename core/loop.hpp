// The loop: the one thread of a context on which everything lives that must act while the application does
// not call (producer and consumer sessions, batch linger, a binding subscriber's handshakes).
//
// A member is a step function. It is called when its descriptor becomes readable, when its time has come and
// when it was woken; it does all it can without blocking (a ZeroMQ descriptor is edge-triggered: it must
// read until nothing is left) and says what to wait for next. Steps never run at the same time.
//
// A thread of the application that has nothing better to do can run a step itself: `member::run` for what it
// has just made possible, a `stand_in` while it waits for what the step will bring. That spares a hop between
// threads, which costs some 20 to 40 us each way.
//
// Threads: `add`, `wake`, `run` and the destruction of a member from any thread. A member's destruction
// returns when its step is not running and will not run again; from within a step it is not allowed.
#pragma once

#include <atomic>
#include <cstdint>
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
        int fd = -1;         ///< readable means call again; -1 = none. Open until the step has named another
        int second_fd = -1;  ///< the same
    };
    using step = std::function<next()>;

    class member {
      public:
        ~member();
        member(const member&) = delete;
        member& operator=(const member&) = delete;

        /// Has the step called soon.
        void wake() noexcept;
        /// Calls the step in this thread, or has it called soon when another step is running.
        void run();

        struct slot;
        /// For who stands in for it: may outlive it.
        std::shared_ptr<slot> place() const noexcept { return slot_; }

      private:
        friend class loop;
        member(loop& owner, std::shared_ptr<slot> own) : owner_{owner}, slot_{std::move(own)} {}
        loop& owner_;
        std::shared_ptr<slot> slot_;
    };

    /// A thread that waits for what a member brings, in the loop's place: it watches the member's `fd` and
    /// runs the step when that becomes readable. All else (timers, wakes, the other descriptor) stays the
    /// loop's. One at a time for a member, and never on a thread that runs a step. It never waits for a step
    /// that runs elsewhere, which may be held up by a callback: then it does not stand in, or leaves the step
    /// to the loop.
    class stand_in {
      public:
        /// `where` is `member::place`.
        stand_in(loop& of, std::shared_ptr<member::slot> where);
        ~stand_in();
        stand_in(const stand_in&) = delete;
        stand_in& operator=(const stand_in&) = delete;

        /// False: it does not stand in, as steps run now.
        explicit operator bool() const noexcept { return fd_ >= 0; }
        /// Sleeps until the step has run here or was left to the loop, the bell was rung or the time has
        /// come.
        void wait(const event_fd& bell, steady_time until);

      private:
        loop& of_;
        const std::shared_ptr<member::slot> where_;
        int fd_ = -1;
    };

    /// Sleeps until the bell was rung or the time has come.
    static void sleep(const event_fd& bell, steady_time until);

    /// What rings for a thread that stands in: lent while it does, so that there are few. Null when the
    /// process has no descriptor left.
    std::unique_ptr<event_fd> lend_bell();
    void take_back(std::unique_ptr<event_fd> bell);

    /// Starts the thread. It runs until the loop is destroyed, after its last member.
    /// When `stop_fd` becomes readable every member is called once, so that it can let its waiters go.
    explicit loop(int stop_fd = -1);
    ~loop();
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    std::unique_ptr<member> add(step call);

    /// Whether this thread is the loop's own; whether it runs a step, as the loop's or in its place.
    bool on_own_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }
    bool in_step() const noexcept { return stepping_.load() == std::this_thread::get_id(); }

  private:
    void run();
    bool ending();
    steady_time call_those_ready();
    void call(member::slot& which);
    void watch(int fd, int& watched, std::uint32_t events, void* of) const;

    void wake(member::slot& which) noexcept;

    std::mutex mutex_;  // guards all up to ending_
    std::vector<std::shared_ptr<member::slot>> slots_;
    std::vector<std::unique_ptr<event_fd>> bells_;  // that nobody has
    bool ending_ = false;

    std::mutex running_;  // held while steps run, taken before `mutex_`; guards due_ and what is watched
    std::atomic<std::thread::id> stepping_{};
    steady_time due_ = steady_time::min();  // until then the thread sleeps

    int stop_fd_ = -1;
    event_fd changed_;
    int watched_;  // an epoll descriptor: whoever stands in takes a descriptor out of it and wakes nobody
    std::thread thread_;
};

}  // namespace ferry
