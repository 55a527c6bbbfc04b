// The plain socket of a raw port: whole messages in or out, never blocking.
//
// Threads: the spool's. Failure: the constructor throws for its endpoint (in use, denied, bad).
#pragma once

#include <string>
#include <vector>
#include <zmq.hpp>

#include "core/clock.hpp"
#include "core/uninterrupted.hpp"
#include "ferry/context.hpp"
#include "ferry/message.hpp"
#include "ferry/raw_port.hpp"

namespace ferry {

/// What a port may do in this turn.
struct port_turn {
    instant now;
    bool may_read = true;  ///< in: the spool has not enough in hand yet
    bool may_join =
        true;  ///< out: nothing is held back for claims, behind which newer messages would overtake
};

class port_socket {
  public:
    port_socket(context& owner, const raw_port& what);
    ~port_socket();
    port_socket(const port_socket&) = delete;
    port_socket& operator=(const port_socket&) = delete;

    /// One message. False when none is there.
    bool receive(std::vector<frame>& frames);
    /// False, with `frames` untouched, when no peer takes it now.
    bool send(std::vector<frame>& frames);

    /// Of an out_pub port: takes in who subscribed and who left. Somebody is always there for the others.
    bool anybody();
    /// Whether `receive`, or `send`, is worth another try at once.
    bool readable() { return (events() & ZMQ_POLLIN) != 0; }
    bool writable() { return (events() & ZMQ_POLLOUT) != 0; }
    int descriptor() { return socket_.get(zmq::sockopt::fd); }

    const std::string& address() const noexcept { return address_; }

  private:
    int events() { return events_of(socket_); }

    context& owner_;
    const raw_port_kind kind_;
    zmq::socket_t socket_;
    std::vector<std::string> bound_;
    std::string address_;
    std::size_t topics_wanted_ = 0;
    std::vector<frame> subscription_;
};

}  // namespace ferry
