#include "core/socket.hpp"

#include <poll.h>

#include <algorithm>
#include <array>

#include "core/context_parts.hpp"
#include "core/deadline.hpp"
#include "ferry/error.hpp"

namespace ferry {

// One blocked call. Its event is the thread's own, so that a wait costs no system call to set up.
struct socket::waiter {
    short events;
    event_fd& event;
    // Whether the event was set, under a lock: clearing one that was not would cost a system call for
    // nothing.
    std::atomic<bool> woken{false};

    void wake() {
        if (!woken.exchange(true)) event.set();
    }
    /// Only under the one lock under which it may be woken.
    void hear() {
        if (woken.exchange(false)) event.clear();
    }
};

namespace {

using std::chrono::steady_clock;

// What a waiter waits for besides POLLIN and POLLOUT: a change in what `absorb` takes in.
constexpr short change = 0x4000;

event_fd& event_of_this_thread() {
    thread_local event_fd event;
    return event;
}

int milliseconds(std::chrono::milliseconds time) {
    return static_cast<int>(time.count());
}

void set_raw(zmq::socket_t& socket, const raw_socket_option& option) {
    const auto set = [&](const void* data, std::size_t size) {
        if (zmq_setsockopt(socket.handle(), option.option, data, size) != 0)
            throw error{errc::bad_argument,
                        "socket option " + std::to_string(option.option) + ": " + zmq_strerror(zmq_errno())};
    };
    if (const auto* text = std::get_if<std::string>(&option.value))
        set(text->data(), text->size());
    else if (const auto* number = std::get_if<int>(&option.value))
        set(number, sizeof *number);
    else
        set(&std::get<std::int64_t>(option.value), sizeof(std::int64_t));
}

[[noreturn]] void cannot(const endpoint& where, const zmq::error_t& failure) {
    const std::string verb = where.at == side::bind ? "cannot bind " : "cannot connect ";
    const int code = failure.num();
    if (code == EADDRINUSE)
        throw error{errc::address_in_use, verb + where.address + ": the address is in use"};
    const bool wrong = code == EINVAL || code == EPROTONOSUPPORT || code == ENOCOMPATPROTO || code == ENODEV;
    const errc kind = wrong            ? errc::bad_argument
                      : code == EACCES ? errc::denied
                      : code == ENOENT ? errc::not_found  // the directory of a socket file
                                       : errc::failed;
    throw error{kind, verb + where.address + ": " + failure.what()};
}

// With ZMQ_IMMEDIATE a connected libzmq socket throws away what it has received and not yet read when its
// peer goes, in the middle of a message too, on which it then aborts. So only sockets that merely send get
// it.
bool merely_sends(zmq::socket_t& socket) {
    const int type = socket.get(zmq::sockopt::type);
    return type == ZMQ_PUSH || type == ZMQ_PUB || type == ZMQ_XPUB;
}

// What these send are subscriptions at most: no reason to hold up the end of the program.
bool merely_receives(zmq::socket_t& socket) {
    const int type = socket.get(zmq::sockopt::type);
    return type == ZMQ_PULL || type == ZMQ_SUB || type == ZMQ_XSUB;
}

// What these send are subscriptions, and libzmq drops those it has no room for: whoever they are kept from
// would believe that nobody listens.
bool subscribes(zmq::socket_t& socket) {
    const int type = socket.get(zmq::sockopt::type);
    return type == ZMQ_SUB || type == ZMQ_XSUB;
}

}  // namespace

void apply(zmq::socket_t& socket, const socket_options& options) {
    socket.set(zmq::sockopt::linger, merely_receives(socket) ? 0 : milliseconds(options.linger));
    socket.set(zmq::sockopt::maxmsgsize, options.message_bytes_max);
    socket.set(zmq::sockopt::sndhwm, subscribes(socket) ? 0 : options.high_water_mark);
    socket.set(zmq::sockopt::rcvhwm, options.high_water_mark);
    socket.set(zmq::sockopt::immediate, options.immediate && merely_sends(socket) ? 1 : 0);
    socket.set(zmq::sockopt::heartbeat_ivl, milliseconds(options.heartbeat));
    socket.set(zmq::sockopt::heartbeat_timeout, milliseconds(options.heartbeat_timeout));
    socket.set(zmq::sockopt::handshake_ivl, milliseconds(options.handshake));
    // With a domain libzmq refuses peers of ZMTP 1 and 2. Any bytes look like such a peer: they would get
    // work and subscriptions, and libzmq aborts when they arrive while an XPUB closes.
    socket.set(zmq::sockopt::zap_domain, "ferry");
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

void detach(zmq::context_t& context, zmq::socket_t& socket, const std::vector<std::string>& bound) noexcept
    try {
    const std::string name =
        "inproc://ferry-detach-" + std::to_string(reinterpret_cast<std::uintptr_t>(socket.handle()));
    zmq::socket_t reader{context, zmq::socket_type::pair};
    reader.set(zmq::sockopt::linger, 0);
    const int closed = ZMQ_EVENT_CLOSED | ZMQ_EVENT_CLOSE_FAILED;
    if (zmq_socket_monitor(socket.handle(), name.c_str(), closed) != 0) return;
    reader.connect(name);
    const deadline end{std::chrono::seconds{1}};
    for (const std::string& each : bound) {
        const bool unbound = zmq_unbind(socket.handle(), each.c_str()) == 0;
        if (!unbound || each.starts_with("inproc://")) continue;
        reader.set(zmq::sockopt::rcvtimeo,
                   static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*end.left()).count()));
        // An event is two frames: what happened, and where.
        for (zmq::message_t part; reader.recv(part) && part.more();) {}
    }
    zmq_socket_monitor(socket.handle(), nullptr, 0);
} catch (const std::exception&) {
    // The addresses are free a moment later all the same.
}

socket::socket(context& context, zmq::socket_type type, const endpoints& where, const socket_options& options,
               const std::function<void(zmq::socket_t&)>& before, std::function<bool(zmq::socket_t&)> absorb)
    : context_{context},
      where_{where.describe()},
      socket_{context.internals().zmq, type},
      absorb_{std::move(absorb)},
      says_writable_when_full_{type == zmq::socket_type::xpub || type == zmq::socket_type::router} {
    if (where.size() == 0) throw error{errc::bad_argument, "no endpoint given"};
    apply(socket_, options);
    if (before) before(socket_);
    monitor_.emplace(context.internals().zmq, socket_);
    bound_ = attach(socket_, where);
    descriptor_ = socket_.get(zmq::sockopt::fd);
}

bool socket::try_send(std::span<frame> frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const bool last = i + 1 == frames.size();
        const int flags = ZMQ_DONTWAIT | (last ? 0 : ZMQ_SNDMORE);
        int sent = -1;
        do sent = zmq_msg_send(static_cast<zmq_msg_t*>(frames[i].native()), socket_.handle(), flags);
        while (sent < 0 && zmq_errno() == EINTR);
        if (sent >= 0) continue;
        if (zmq_errno() == EAGAIN && i == 0) return false;
        // Further frames find room, unless their peer went in between: the message goes with it.
        if (zmq_errno() == EAGAIN) return end_of_lost(frames.subspan(i));
        if (zmq_errno() == EHOSTUNREACH) throw error{errc::no_peer, "the peer at " + where_ + " is gone"};
        throw error{errc::failed, "cannot send to " + where_ + ": " + zmq_strerror(zmq_errno())};
    }
    return true;
}

// libzmq drops what follows up to the last frame; without one it would drop the next message.
bool socket::end_of_lost(std::span<frame> rest) {
    for (std::size_t i = 0; rest.size() > 1 && i < rest.size(); ++i)
        zmq_msg_send(static_cast<zmq_msg_t*>(rest[i].native()), socket_.handle(),
                     ZMQ_DONTWAIT | (i + 1 == rest.size() ? 0 : ZMQ_SNDMORE));
    return true;
}

bool socket::try_receive(std::vector<frame>& frames) {
    struct received {
        zmq_msg_t part;
        received() { zmq_msg_init(&part); }
        ~received() { zmq_msg_close(&part); }
    } next;
    std::size_t used = 0;
    bool more = true;
    while (more) {
        int size = -1;
        do size = zmq_msg_recv(&next.part, socket_.handle(), ZMQ_DONTWAIT);
        while (size < 0 && zmq_errno() == EINTR);
        if (size < 0) {
            if (zmq_errno() == EAGAIN && used == 0) return false;
            throw error{errc::failed, "cannot receive from " + where_ + ": " + zmq_strerror(zmq_errno())};
        }
        more = zmq_msg_more(&next.part) != 0;
        if (used == frames.size()) frames.emplace_back();
        frames[used].receive(&next.part);
        ++used;
    }
    frames.resize(used);
    return true;
}

// Gives the events of the socket, for `self`, who is not woken but looks again by himself.
int socket::wake_waiters(const waiter* self, bool edge) {
    if (waiters_.empty() || !monitor_) return 0;
    // Whoever entered the socket may have eaten the edge that told of a change. Asking for the events may eat
    // the next one: so what they tell is taken in after them, until nothing is new.
    const bool change_awaited = std::any_of(waiters_.begin(), waiters_.end(),
                                            [](const waiter* each) { return (each->events & change) != 0; });
    int events = events_of(socket_);
    while (change_awaited && absorb()) events = events_of(socket_);
    for (const int wanted : {ZMQ_POLLIN, ZMQ_POLLOUT}) {
        if ((events & wanted) == 0) continue;
        // An XPUB that drops nothing, and a ROUTER, say POLLOUT while a pipe is full. Believed, its waiters
        // would wake each other for ever; so they pass on what libzmq told them, and not what they told each
        // other.
        const bool lies = says_writable_when_full_ && wanted == ZMQ_POLLOUT;
        if (lies && !edge) continue;
        for (waiter* each : waiters_) {
            if (each == self || (each->events & wanted) == 0) continue;
            each->wake();
            if (!lies) break;
        }
    }
    return events;
}

// Only a real change wakes those who wait for one: waiters that woke each other by looking would never sleep.
void socket::wake_changed() {
    for (waiter* each : waiters_)
        if ((each->events & change) != 0) each->wake();
}

bool socket::absorb() {
    bool changed = monitor_->read();
    // A new connection's subscriptions are exchanged when its owner's thread enters the socket: here.
    if (changed) static_cast<void>(events_of(socket_));
    if (absorb_ && absorb_(socket_)) changed = true;
    if (changed) wake_changed();
    return changed;
}

// Waits until the descriptor, the waiter's event, a stop or a change of peers; what of it happened.
socket::readiness socket::wait_outside(std::unique_lock<std::mutex>& lock, waiter& self,
                                       std::optional<duration> left) {
    const duration wait = left.value_or(duration{0});
    const timespec limit{std::chrono::duration_cast<std::chrono::seconds>(wait).count(),
                         (wait % std::chrono::seconds{1}).count()};
    std::array<pollfd, 5> watched{{{descriptor_, POLLIN, 0},
                                   {self.event.fd(), POLLIN, 0},
                                   {context_.internals().stop.fd(), POLLIN, 0},
                                   {stop_.fd(), POLLIN, 0},
                                   {monitor_->descriptor(), POLLIN, 0}}};
    lock.unlock();
    ::ppoll(watched.data(), watched.size(), left ? &limit : nullptr, nullptr);
    lock.lock();
    self.hear();
    return {.edge = watched[0].revents != 0,
            .stop = watched[2].revents != 0 || watched[3].revents != 0,
            .peers = watched[4].revents != 0};
}

// For a call that does not wait. What it reads libzmq has looked for; for room it has not.
template <typename Attempt>
outcome socket::attempt_again(short events, Attempt attempt) {
    struct leaving {
        socket& left;
        ~leaving() { left.wake_waiters(nullptr, true); }
    } const on_return{*this};
    const bool room = events != ZMQ_POLLIN && (events_of(socket_) & events) != 0;
    if (room && attempt()) return outcome::done;
    return stopped() ? outcome::stopped : outcome::timed_out;
}

template <bool merely_receives, typename Attempt>
outcome socket::attempt_until(short events, std::optional<duration> wait, Attempt attempt) {
    std::unique_lock lock{mutex_};
    if (attempt()) {
        wake_waiters(nullptr, true);
        return outcome::done;
    }
    if (wait && *wait <= duration{0}) return attempt_again(events, attempt);
    const deadline end{wait};
    waiter self{events, event_of_this_thread()};
    waiters_.push_back(&self);
    struct leaving {
        socket& left;
        waiter& self;
        ~leaving() {
            std::erase(left.waiters_, &self);
            self.hear();
            left.wake_waiters(nullptr, true);
        }
    } on_return{*this, self};
    readiness ready{.edge = true, .stop = false, .peers = false};
    while (true) {
        // The attempt itself may have eaten an edge: another waiter's, or the one that came just behind it.
        // To receive, and nothing else, libzmq looks at all that came before it says that there is nothing.
        const bool alone = merely_receives && waiters_.size() == 1;
        const int now_ready = alone ? 0 : wake_waiters(&self, ready.edge);
        if ((now_ready & events) != 0 && attempt()) return outcome::done;
        ready = wait_outside(lock, self, end.left());
        if (ready.peers) absorb();
        if (attempt()) return outcome::done;
        if (ready.stop) return outcome::stopped;
        if (end.passed()) return outcome::timed_out;
    }
}

outcome socket::send(std::span<frame> frames, std::optional<duration> wait) {
    return attempt_until<false>(ZMQ_POLLOUT, wait, [&] { return try_send(frames); });
}

outcome socket::receive(std::vector<frame>& frames, std::optional<duration> wait) {
    // A feed that never pauses must not keep its reader from stopping.
    if (stopped()) return outcome::stopped;
    return attempt_until<true>(ZMQ_POLLIN, wait, [&] { return try_receive(frames); });
}

outcome socket::receive(std::vector<frame>& frames, std::optional<duration> wait, function_ref<bool()> over) {
    if (stopped()) return outcome::stopped;
    return attempt_until<true>(ZMQ_POLLIN, wait, [&] {
        frames.clear();
        return over() || try_receive(frames);
    });
}

outcome socket::attempt(short events, std::optional<duration> wait, function_ref<bool()> attempt) {
    return attempt_until<false>(events, wait, attempt);
}

outcome socket::wait_until(std::optional<duration> wait, function_ref<bool()> condition) {
    return attempt_until<false>(change, wait, [&] {
        absorb();
        return condition();
    });
}

outcome socket::wait_any(std::span<socket* const> sockets, std::optional<duration> wait,
                         function_ref<bool()> condition) {
    if (condition()) return outcome::done;
    const deadline end{wait};
    waiter self{ZMQ_POLLIN | change, event_of_this_thread()};
    struct presence {
        std::span<socket* const> sockets;
        waiter& self;
        presence(std::span<socket* const> all, waiter& one) : sockets{all}, self{one} {
            for (socket* each : sockets) {
                const std::lock_guard lock{each->mutex_};
                each->waiters_.push_back(&self);
            }
        }
        ~presence() {
            for (socket* each : sockets) {
                const std::lock_guard lock{each->mutex_};
                std::erase(each->waiters_, &self);
                each->wake_waiters(nullptr, true);
            }
            self.event.clear();
        }
    } const present{sockets, self};

    context::parts& owner = sockets.front()->context_.internals();
    std::vector<pollfd> watched{{self.event.fd(), POLLIN, 0}, {owner.stop.fd(), POLLIN, 0}};
    for (socket* each : sockets)
        for (const int fd : {each->descriptor_, each->monitor_->descriptor(), each->stop_.fd()})
            watched.push_back({fd, POLLIN, 0});
    while (true) {
        for (socket* each : sockets) {
            const std::lock_guard lock{each->mutex_};
            each->wake_waiters(&self, true);  // takes in what came, so that its descriptors fall silent
        }
        if (condition()) return outcome::done;
        if (std::any_of(sockets.begin(), sockets.end(), [](socket* each) { return each->stopped(); }))
            return outcome::stopped;
        if (end.passed()) return outcome::timed_out;
        const duration left = end.left().value_or(duration{0});
        const timespec limit{std::chrono::duration_cast<std::chrono::seconds>(left).count(),
                             (left % std::chrono::seconds{1}).count()};
        ::ppoll(watched.data(), watched.size(), wait ? &limit : nullptr, nullptr);
        // In this order: a wake in between is covered by the condition, which is tried next.
        self.event.clear();
        self.woken.store(false);
    }
}

outcome socket::wait_writable(std::optional<duration> wait) {
    return attempt_until<false>(ZMQ_POLLOUT, wait, [&] { return writable(); });
}

void socket::with(function_ref<void(zmq::socket_t&)> work) {
    const std::lock_guard lock{mutex_};
    work(socket_);
    wake_waiters(nullptr, true);
}

void socket::offer() {
    for (waiter* each : waiters_)
        if ((each->events & ZMQ_POLLIN) != 0) each->wake();
}

void socket::settle() {
    const std::lock_guard lock{mutex_};
    absorb();
    wake_waiters(nullptr, true);
}

std::size_t socket::peers() {
    const std::lock_guard lock{mutex_};
    absorb();
    wake_waiters(nullptr, true);
    return monitor_->peers();
}

outcome socket::wait_for_peer(std::optional<duration> wait) {
    return wait_until(wait, [&] { return monitor_->peers() > 0; });
}

std::uint64_t socket::flush_and_close(unsent& in_flight, std::chrono::milliseconds linger) {
    // Asked to wait for ever, a program that is told to stop would not.
    const duration wait = linger < std::chrono::milliseconds{0} ? std::chrono::hours{24} : duration{linger};
    const std::uint64_t left = in_flight.wait_for_none(wait);
    const std::lock_guard lock{mutex_};
    monitor_.reset();
    // What was counted as not sent must not be sent behind the caller's back; of the rest only the last few
    // KiB can still be on their way to the kernel.
    const std::chrono::milliseconds rest{std::min(wait, duration{std::chrono::seconds{1}}) /
                                         std::chrono::milliseconds{1}};
    socket_.set(zmq::sockopt::linger, left > 0 ? 0 : milliseconds(rest));
    socket_.close();
    return left;
}

void socket::stop() noexcept {
    stopped_.store(true);
    stop_.set();
}

}  // namespace ferry
