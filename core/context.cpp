#include "ferry/context.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

#include <array>
#include <csignal>

#include "core/context_parts.hpp"
#include "core/loop.hpp"
#include "core/thread_name.hpp"

namespace ferry {
namespace {

constexpr int max_sockets = 65535;

sigset_t stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

}  // namespace

context::parts::parts() {
    zmq.set(zmq::ctxopt::max_sockets, max_sockets);
}

context::parts::~parts() {
    loop_thread.reset();
    if (signal_thread.joinable()) {
        signal_thread_end.set();
        signal_thread.join();
    }
}

loop& context::parts::shared_loop() {
    const std::lock_guard lock{loop_mutex};
    if (!loop_thread) loop_thread = std::make_unique<loop>(stop.fd());
    return *loop_thread;
}

context::context() : parts_{std::make_unique<parts>()} {}
context::~context() = default;

void context::request_stop() noexcept {
    parts_->stop_requested.store(true);
    parts_->stop.set();
}

bool context::stopped() const noexcept {
    return parts_->stop_requested.load();
}

int context::signal() const noexcept {
    return parts_->signal.load();
}

// A thread that reads a signalfd, not a handler: a handler would interrupt calls inside libzmq, some of
// which assert on EINTR.
void context::stop_on_signals() {
    const sigset_t set = stop_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) throw std::system_error{errno, std::generic_category(), "signalfd"};
    parts_->signal_thread = std::thread{[this, fd] {
        std::array<pollfd, 2> watched{{{fd, POLLIN, 0}, {parts_->signal_thread_end.fd(), POLLIN, 0}}};
        while (true) {
            if (::poll(watched.data(), watched.size(), -1) < 0) continue;
            if (watched[1].revents != 0) break;
            signalfd_siginfo info{};
            if (::read(fd, &info, sizeof info) != sizeof info) continue;
            parts_->signal.store(static_cast<int>(info.ssi_signo));
            request_stop();
        }
        ::close(fd);
    }};
    name_thread(parts_->signal_thread, "ferry signals");
}

}  // namespace ferry
