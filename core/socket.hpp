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
#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

class socket {
  public:
    /// Makes the socket, sets the options, then calls `before` (for what must be set ahead of bind and
    /// connect), then binds and connects.
    socket(context& context, zmq::socket_type type, const endpoints& where, const socket_options& options,
           const std::function<void(zmq::socket_t&)>& before = {});

    /// Sends all frames as one message. They are taken only when the outcome is `done`.
    outcome send(std::vector<frame>& frames, std::optional<duration> wait = forever);

    /// Receives one message into `frames` (replaced).
    outcome receive(std::vector<frame>& frames, std::optional<duration> wait = forever);

    /// Waits until the socket would take a message (a peer is there and below its high-water mark).
    outcome wait_writable(std::optional<duration> wait);

    /// Does something with the socket under the lock and wakes whom it concerns, e.g. subscribe.
    void with(const std::function<void(zmq::socket_t&)>& work);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& bound() const noexcept { return bound_; }

    /// The context this socket belongs to.
    context& owner() const noexcept { return context_; }

    /// Wakes every waiter, whose call then returns `stopped`; later waits return `stopped` at once.
    void stop() noexcept;

  private:
    struct waiter;
    template <typename Attempt>
    outcome attempt_until(short events, std::optional<duration> wait, Attempt attempt);
    void wake_waiters();
    bool try_send(std::vector<frame>& frames);
    bool try_receive(std::vector<frame>& frames);

    context& context_;
    std::string where_;
    mutable std::mutex mutex_;  // guards socket_ and waiters_
    zmq::socket_t socket_;
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

}  // namespace ferry
