// A ZeroMQ socket several threads may share: the one every plain pattern is built on.
//
// Sends and receives are whole multipart messages. A call that must wait polls {the socket's descriptor, an
// event of its own, the stop signal, its deadline} without holding the lock. The descriptor is
// edge-triggered, and a thread that sends eats the edge a receiver is waiting for; therefore whoever
// releases the lock looks at the socket's events again and wakes a waiter they are for.
//
// Every socket gets what bare libzmq leaves out: bounded linger, MAXMSGSIZE, heartbeats, a handshake limit,
// no queueing to a peer that is not there (ZMQ_IMMEDIATE).
//
// Threads: all calls from any thread. Failure: throws ferry::error naming the endpoint.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "core/clock.hpp"
#include "core/event_fd.hpp"
#include "core/function_ref.hpp"
#include "core/monitor.hpp"
#include "core/uninterrupted.hpp"
#include "core/unsent.hpp"
#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

class socket {
  public:
    /// Makes the socket, sets the options, then calls `before` (for what must be set ahead of bind and
    /// connect), then binds and connects. `absorb` is called under the lock before conditions are tried; it
    /// takes in what matters to them and says whether that changed anything.
    socket(context& context, zmq::socket_type type, const endpoints& where, const socket_options& options,
           const std::function<void(zmq::socket_t&)>& before = {},
           std::function<bool(zmq::socket_t&)> absorb = {});

    /// Sends all frames as one message. They are taken only when the outcome is `done`.
    outcome send(std::span<frame> frames, std::optional<duration> wait = forever);

    /// Receives one message into `frames` (replaced).
    outcome receive(std::vector<frame>& frames, std::optional<duration> wait = forever);

    /// The same, unless `over`, which is asked under the lock, before each try; `frames` is empty then. Who
    /// makes it true calls `offer`.
    outcome receive(std::vector<frame>& frames, std::optional<duration> wait, function_ref<bool()> over);

    /// Waits until the socket would take a message (a peer is there and below its high-water mark).
    outcome wait_writable(std::optional<duration> wait);

    /// Tries `attempt` under the lock, again whenever the socket may have become ready for `events`
    /// (ZMQ_POLLIN, ZMQ_POLLOUT), until it succeeds. What it throws passes through.
    outcome attempt(short events, std::optional<duration> wait, function_ref<bool()> attempt);

    /// Waits until `condition` holds, which is tried under the lock when peers came or went and when `absorb`
    /// (see the constructor) took something in.
    outcome wait_until(std::optional<duration> wait, function_ref<bool()> condition);

    /// Waits until `condition` holds, which is tried, without a lock, when any of `sockets` may have become
    /// readable and when a peer came or went. They belong to one context.
    static outcome wait_any(std::span<socket* const> sockets, std::optional<duration> wait,
                            function_ref<bool()> condition);

    /// Sends or receives without waiting; `try_send` throws errc::no_peer when a ROUTER has no such peer. A
    /// message whose peer goes while it is handed over is lost with it. Only within `attempt` or `with`.
    bool try_send(std::span<frame> frames);
    bool try_receive(std::vector<frame>& frames);

    /// Does something with the socket under the lock and wakes whom it concerns, e.g. subscribe.
    void with(function_ref<void(zmq::socket_t&)> work);

    /// Only within `attempt` or `with`: wakes all who wait to receive, for what libzmq knows nothing of.
    void offer();

    /// Readable when libzmq may have something to tell. Edge-triggered, and others take the edge too.
    int descriptor() const noexcept { return descriptor_; }

    /// Takes in what libzmq has to tell: connections that came and went, subscriptions to be renewed.
    void settle();

    /// Peers connected now; those over inproc are not seen.
    std::size_t peers();
    outcome wait_for_peer(std::optional<duration> wait);

    /// Readable when a peer came or went.
    int peers_descriptor() const noexcept { return monitor_->descriptor(); }

    /// Only within `attempt` or `with`: what `settle` does. True when something changed.
    bool absorb();

    /// Only within `attempt`, `with` or `absorb`: connections that ended since this was last asked.
    std::vector<int> take_ended() { return monitor_->take_ended(); }

    /// Only within `attempt`, `with` or a condition.
    bool has_peer() const noexcept { return monitor_->peers() > 0; }
    bool writable() { return (events_of(socket_) & ZMQ_POLLOUT) != 0; }

    /// Waits up to `linger` until `in_flight` says all is on the wire, closes, and gives what is not.
    /// No other call may follow, but for `with` that does not touch the socket.
    std::uint64_t flush_and_close(unsent& in_flight, std::chrono::milliseconds linger);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& bound() const noexcept { return bound_; }

    /// The context this socket belongs to.
    context& owner() const noexcept { return context_; }

    /// Wakes every waiter, whose call then returns `stopped`; later waits return `stopped` at once.
    void stop() noexcept;

    /// True when it, or its context, was asked to stop.
    bool stopped() const noexcept { return stopped_.load() || context_.stopped(); }

  private:
    struct waiter;
    struct readiness {
        bool edge, stop, peers;
    };
    template <bool merely_receives, typename Attempt>
    outcome attempt_until(short events, std::optional<duration> wait, Attempt attempt);
    template <typename Attempt>
    outcome attempt_again(short events, Attempt attempt);
    bool end_of_lost(std::span<frame> rest);
    void wake_changed();
    int wake_waiters(const waiter* self, bool edge);
    readiness wait_outside(std::unique_lock<std::mutex>& lock, waiter& self, std::optional<duration> left);
    context& context_;
    std::string where_;
    mutable std::mutex mutex_;  // guards socket_ and waiters_
    zmq::socket_t socket_;
    std::optional<monitor> monitor_;  // goes before the socket
    std::function<bool(zmq::socket_t&)> absorb_;
    bool says_writable_when_full_;
    int descriptor_ = -1;
    std::deque<waiter*> waiters_;
    std::vector<std::string> bound_;
    std::atomic<bool> stopped_{false};
    event_fd stop_;
};

/// Sets the options on a bare libzmq socket, for owners of a single thread.
void apply(zmq::socket_t& socket, const socket_options& options);

/// Binds or connects a bare socket to all of `where`; gives the bound addresses with real ports.
/// Throws errc::address_in_use, bad_argument or failed, naming the endpoint.
std::vector<std::string> attach(zmq::socket_t& socket, const endpoints& where);

/// Gives the addresses in `bound` up and waits, a second at most, until others can bind them: libzmq closes
/// its listeners in the background. Connections stay as they are. No monitor may be attached to the socket.
void detach(zmq::context_t& context, zmq::socket_t& socket, const std::vector<std::string>& bound) noexcept;

}  // namespace ferry
