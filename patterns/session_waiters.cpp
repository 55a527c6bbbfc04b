#include "patterns/session_waiters.hpp"

#include <utility>

namespace ferry {

// While there is one a thread stands in, or tries to, without the lock.
class session_waiters::standing {
  public:
    standing(session_waiters& of, std::unique_lock<std::mutex>& lock, loop& lender,
             std::unique_ptr<event_fd> bell)
        : of_{of}, lock_{lock}, lender_{lender}, bell_{std::move(bell)} {
        of_.bell_ = bell_.get();
        lock_.unlock();
    }
    ~standing() {
        lock_.lock();
        of_.bell_ = nullptr;
        lender_.take_back(std::move(bell_));
    }
    standing(const standing&) = delete;
    standing& operator=(const standing&) = delete;
    const event_fd& bell() const noexcept { return *bell_; }

  private:
    session_waiters& of_;
    std::unique_lock<std::mutex>& lock_;
    loop& lender_;
    std::unique_ptr<event_fd> bell_;
};

void session_waiters::wait(std::unique_lock<std::mutex>& lock, loop& of, const loop::member* session,
                           steady_time until) {
    const bool may_stand_in = session != nullptr && bell_ == nullptr && !of.in_step();
    if (std::unique_ptr<event_fd> bell = may_stand_in ? of.lend_bell() : nullptr) {
        const auto place = session->place();
        const standing now{*this, lock, of, std::move(bell)};
        if (loop::stand_in here{of, place}; here) return here.wait(now.bell(), until);
        // Steps run just now, this session's among them, perhaps: what they tell rings, too.
        return loop::sleep(now.bell(), until);
    }
    if (until == steady_time::max())
        changed_.wait(lock);
    else
        changed_.wait_until(lock, until);
}

void session_waiters::tell() noexcept {
    changed_.notify_all();
    if (bell_ != nullptr) bell_->set();
}

}  // namespace ferry
