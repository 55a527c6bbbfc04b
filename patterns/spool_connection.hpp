// The DEALER socket of a producer or consumer, used in steps of the loop only.
//
// What the socket does not take (nobody there, or a full pipe) waits here in order; the session's window
// bounds how much that can be.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>
#include <zmq.hpp>

#include "core/clock.hpp"
#include "core/context_parts.hpp"
#include "core/monitor.hpp"
#include "core/shared_bytes.hpp"
#include "core/spool_link.hpp"
#include "core/uninterrupted.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/error.hpp"
#include "ferry/socket_options.hpp"

namespace ferry {

/// Throws errc::bad_argument for more than one endpoint: a session is with one spool.
void check_one(const endpoints& where);

class spool_connection {
  public:
    spool_connection(context& owner, const endpoints& where, socket_options options);

    using receiver = std::function<void(std::string_view head, std::optional<shared_bytes> body)>;
    /// Reads until nothing is left.
    void receive(const receiver& take);

    /// Whether there is more to receive, or room for what waits: sending may take note of either, and the
    /// descriptor tells of it no more.
    bool ready() {
        const int wanted = ZMQ_POLLIN | (unsent_.empty() ? 0 : ZMQ_POLLOUT);
        return (events_of(socket_) & wanted) != 0;
    }

    /// Queues the messages and sends as much as the socket takes. While the link is down only the newest
    /// greeting is worth sending: what waited for a session that is over is dropped.
    void send(std::vector<outgoing_message>&& more, bool link_up, instant now);
    bool waiting() const noexcept { return !unsent_.empty(); }

    /// A new socket in place of one that blocks for good: an inproc DEALER whose peer was closed and bound
    /// again. What waited is dropped; the spool knows no session there, which makes the session greet it.
    void renew_if_stuck(instant now);

    /// True when the connection was made or broke since this was last asked: a session on it is over.
    bool changed() { return peers_ && peers_->read(); }

    /// What `changed` would tell now is older than the message that was just received: it made the connection
    /// that this came over, and must not end the session that begins with it.
    void forget_change() { static_cast<void>(changed()); }

    int descriptor() { return socket_.get(zmq::sockopt::fd); }
    /// Readable when the connection was made or broke; -1 over inproc, where nobody knows.
    int monitor_descriptor() const { return peers_ ? peers_->descriptor() : -1; }

  private:
    void connect();
    bool send_one(outgoing_message& next);

    context& owner_;
    endpoints where_;
    socket_options options_;
    bool inproc_ = false;
    std::uint64_t stuck_since_ns_ = 0;
    zmq::socket_t socket_;
    zmq::socket_t retired_;  // open until the next one retires: the loop still watches its descriptor
    std::optional<monitor> peers_;
    std::deque<outgoing_message> unsent_;
};

/// The protocol's code as an error a caller can tell apart.
errc errc_of(std::string_view code);

}  // namespace ferry
