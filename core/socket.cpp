#include "core/socket.hpp"

#include <poll.h>

#include <algorithm>
#include <array>

#include "core/context_parts.hpp"
#include "ferry/error.hpp"

namespace ferry {

// One blocked call. Its event is the thread's own, so that a wait costs no system call to set up.
struct socket::waiter {
    short events;
    event_fd& woken;
};

namespace {

using std::chrono::steady_clock;

event_fd& event_of_this_thread() {
    thread_local event_fd event;
    return event;
}

int milliseconds(std::chrono::milliseconds time) { return static_cast<int>(time.count()); }

void set_raw(zmq::socket_t& socket, const raw_socket_option& option) {
    const auto set = [&](const void* data, std::size_t size) {
        if (zmq_setsockopt(socket.handle(), option.option, data, size) != 0)
            throw error{errc::bad_argument, "socket option " + std::to_string(option.option) + ": " +
                                                zmq_strerror(zmq_errno())};
    };
    if (const auto* text = std::get_if<std::string>(&option.value)) set(text->data(), text->size());
    else if (const auto* number = std::get_if<int>(&option.value)) set(number, sizeof *number);
    else set(&std::get<std::int64_t>(option.value), sizeof(std::int64_t));
}

[[noreturn]] void cannot(const endpoint& where, const zmq::error_t& failure) {
    const std::string verb = where.at == side::bind ? "cannot bind " : "cannot connect ";
    const int code = failure.num();
    if (code == EADDRINUSE) throw error{errc::address_in_use, verb + where.address + ": the address is in use"};
    const bool wrong = code == EINVAL || code == EPROTONOSUPPORT || code == ENOCOMPATPROTO || code == ENODEV;
    throw error{wrong ? errc::bad_argument : errc::failed, verb + where.address + ": " + failure.what()};
}

}  // namespace

void apply(zmq::socket_t& socket, const socket_options& options) {
    socket.set(zmq::sockopt::linger, milliseconds(options.linger));
    socket.set(zmq::sockopt::maxmsgsize, options.message_bytes_max);
    socket.set(zmq::sockopt::sndhwm, options.high_water_mark);
    socket.set(zmq::sockopt::rcvhwm, options.high_water_mark);
    socket.set(zmq::sockopt::immediate, options.immediate ? 1 : 0);
    socket.set(zmq::sockopt::heartbeat_ivl, milliseconds(options.heartbeat));
    socket.set(zmq::sockopt::heartbeat_timeout, milliseconds(options.heartbeat_timeout));
    socket.set(zmq::sockopt::handshake_ivl, milliseconds(options.handshake));
    for (const raw_socket_option& each : options.raw) set_raw(socket, each);
}

std::vector<std::string> attach(zmq::socket_t& socket, const endpoints& where) {
    std::vector<std::string> bound;
    for (const endpoint& each : where) try {
            if (each.at == side::bind) {
                socket.bind(each.address);
                bound.push_back(socket.get(zmq::sockopt::last_endpoint));
            } else {
                socket.connect(each.address);
            }
        } catch (const zmq::error_t& failure) {
            cannot(each, failure);
        }
    return bound;
}

socket::socket(context& context, zmq::socket_type type, const endpoints& where, const socket_options& options,
               const std::function<void(zmq::socket_t&)>& before)
    : context_{context}, where_{where.describe()}, socket_{context.internals().zmq, type} {
    if (where.size() == 0) throw error{errc::bad_argument, "no endpoint given"};
    apply(socket_, options);
    if (before) before(socket_);
    bound_ = attach(socket_, where);
    descriptor_ = socket_.get(zmq::sockopt::fd);
}

bool socket::try_send(std::vector<frame>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const bool last = i + 1 == frames.size();
        const int flags = ZMQ_DONTWAIT | (last ? 0 : ZMQ_SNDMORE);
        int sent = -1;
        do sent = zmq_msg_send(static_cast<zmq_msg_t*>(frames[i].native()), socket_.handle(), flags);
        while (sent < 0 && zmq_errno() == EINTR);
        if (sent >= 0) continue;
        // A message is taken whole or not at all: only its first frame can meet a full pipe.
        if (zmq_errno() == EAGAIN && i == 0) return false;
        throw error{errc::failed, "cannot send to " + where_ + ": " + zmq_strerror(zmq_errno())};
    }
    return true;
}

bool socket::try_receive(std::vector<frame>& frames) {
    std::size_t used = 0;
    bool more = true;
    while (more) {
        if (used == frames.size()) frames.emplace_back();
        auto* m = static_cast<zmq_msg_t*>(frames[used].native());
        int received = -1;
        do received = zmq_msg_recv(m, socket_.handle(), ZMQ_DONTWAIT);
        while (received < 0 && zmq_errno() == EINTR);
        if (received < 0) {
            if (zmq_errno() == EAGAIN && used == 0) return false;
            throw error{errc::failed, "cannot receive from " + where_ + ": " + zmq_strerror(zmq_errno())};
        }
        more = zmq_msg_more(m) != 0;
        ++used;
    }
    frames.resize(used);
    return true;
}

void socket::wake_waiters() {
    if (waiters_.empty()) return;
    const int events = socket_.get(zmq::sockopt::events);
    for (const int wanted : {ZMQ_POLLIN, ZMQ_POLLOUT}) {
        if ((events & wanted) == 0) continue;
        const auto found = std::find_if(waiters_.begin(), waiters_.end(),
                                        [wanted](const waiter* each) { return (each->events & wanted) != 0; });
        if (found != waiters_.end()) (*found)->woken.set();
    }
}

template <typename Attempt>
outcome socket::attempt_until(short events, std::optional<duration> wait, Attempt attempt) {
    std::unique_lock lock{mutex_};
    if (attempt()) {
        wake_waiters();
        return outcome::done;
    }
    const auto deadline = wait ? std::optional{steady_clock::now() + *wait} : std::nullopt;
    waiter self{events, event_of_this_thread()};
    waiters_.push_back(&self);
    const auto leave = [&](outcome how) {
        std::erase(waiters_, &self);
        self.woken.clear();
        wake_waiters();
        return how;
    };
    while (true) {
        const auto left = deadline ? std::max(*deadline - steady_clock::now(), duration{0}) : duration{0};
        const timespec limit{std::chrono::duration_cast<std::chrono::seconds>(left).count(),
                             (left % std::chrono::seconds{1}).count()};
        std::array<pollfd, 4> watched{{{descriptor_, POLLIN, 0},
                                       {self.woken.fd(), POLLIN, 0},
                                       {context_.internals().stop.fd(), POLLIN, 0},
                                       {stop_.fd(), POLLIN, 0}}};
        wake_waiters();  // the attempt itself may have eaten another's edge
        lock.unlock();
        const int ready = ::ppoll(watched.data(), watched.size(), deadline ? &limit : nullptr, nullptr);
        lock.lock();
        self.woken.clear();
        try {
            if (attempt()) return leave(outcome::done);
        } catch (...) {
            leave(outcome::done);
            throw;
        }
        if (watched[2].revents != 0 || watched[3].revents != 0) return leave(outcome::stopped);
        if (ready == 0 && deadline && steady_clock::now() >= *deadline) return leave(outcome::timed_out);
    }
}

outcome socket::send(std::vector<frame>& frames, std::optional<duration> wait) {
    return attempt_until(ZMQ_POLLOUT, wait, [&] { return try_send(frames); });
}

outcome socket::receive(std::vector<frame>& frames, std::optional<duration> wait) {
    // A feed that never pauses must not keep its reader from stopping.
    if (context_.stopped() || stopped_.load()) return outcome::stopped;
    return attempt_until(ZMQ_POLLIN, wait, [&] { return try_receive(frames); });
}

outcome socket::wait_writable(std::optional<duration> wait) {
    return attempt_until(ZMQ_POLLOUT, wait,
                         [&] { return (socket_.get(zmq::sockopt::events) & ZMQ_POLLOUT) != 0; });
}

void socket::with(const std::function<void(zmq::socket_t&)>& work) {
    const std::lock_guard lock{mutex_};
    work(socket_);
    wake_waiters();
}

void socket::stop() noexcept {
    stopped_.store(true);
    stop_.set();
}

}  // namespace ferry
