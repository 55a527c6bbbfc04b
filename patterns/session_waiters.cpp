#include "patterns/session_waiters.hpp"

namespace ferry {

void session_waiters::wait(std::unique_lock<std::mutex>& lock, loop& of, loop::member& session,
                           steady_time until) {
    if (bell_ != nullptr || of.in_step()) {
        if (until == steady_time::max())
            changed_.wait(lock);
        else
            changed_.wait_until(lock, until);
        return;
    }
    thread_local event_fd bell;
    bell_ = &bell;
    lock.unlock();
    {
        loop::stand_in here{session};
        here.wait(bell, until);
    }
    lock.lock();
    bell_ = nullptr;
    bell.clear();
}

void session_waiters::tell() noexcept {
    changed_.notify_all();
    if (bell_ != nullptr) bell_->set();
}

}  // namespace ferry
