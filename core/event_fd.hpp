// A file descriptor that becomes readable when somebody sets it: the way threads wake each other in a poll.
//
// Threads: all calls from any thread; `set` also from a signal handler.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace ferry {

class event_fd {
  public:
    event_fd() : fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
        if (fd_ < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
    }
    ~event_fd() { ::close(fd_); }
    event_fd(const event_fd&) = delete;
    event_fd& operator=(const event_fd&) = delete;

    int fd() const noexcept { return fd_; }

    void set() noexcept {
        const std::uint64_t one = 1;
        // The only failure is a counter at its maximum, which is readable all the same.
        [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
    }

    /// Takes the signal; true if it was set.
    bool clear() noexcept {
        std::uint64_t count = 0;
        return ::read(fd_, &count, sizeof count) == sizeof count;
    }

  private:
    int fd_;
};

}  // namespace ferry
