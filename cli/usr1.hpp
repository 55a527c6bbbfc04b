// SIGUSR1: a device prints its counters.
//
//     const usr1_signal usr1;   // before any thread
//     ...
//     const usr1_listener reporter{usr1, [&] { talk.announce(describe(device.stats())); }};
#pragma once

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <system_error>
#include <thread>

#include "core/event_fd.hpp"

namespace ferry::cli {

// SIGUSR1 as something to wait for. Made before any other thread, so that all of them have it blocked.
class usr1_signal {
  public:
    usr1_signal() {
        sigset_t set{};
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &set, nullptr);
        fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd_ < 0) throw std::system_error{errno, std::generic_category(), "signalfd"};
    }
    ~usr1_signal() { ::close(fd_); }
    usr1_signal(const usr1_signal&) = delete;
    usr1_signal& operator=(const usr1_signal&) = delete;

    int fd() const noexcept { return fd_; }

  private:
    int fd_ = -1;
};

// Calls `report` for each of these signals, in a thread of its own that ends with this: made after what it
// reports of, it is gone before it.
class usr1_listener {
  public:
    template <typename Report>
    usr1_listener(const usr1_signal& signal, Report report)
        : thread_{[this, fd = signal.fd(), report] {
              std::array<pollfd, 2> watched{{{fd, POLLIN, 0}, {end_.fd(), POLLIN, 0}}};
              while (true) {
                  if (::poll(watched.data(), watched.size(), -1) < 0) continue;
                  if (watched[1].revents != 0) return;
                  signalfd_siginfo info{};
                  if (::read(fd, &info, sizeof info) == sizeof info) report();
              }
          }} {}
    ~usr1_listener() {
        end_.set();
        thread_.join();
    }
    usr1_listener(const usr1_listener&) = delete;
    usr1_listener& operator=(const usr1_listener&) = delete;

  private:
    event_fd end_;
    std::thread thread_;
};

}  // namespace ferry::cli
