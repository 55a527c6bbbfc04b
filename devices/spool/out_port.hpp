// An out port: what is in a stream goes out of a plain PUSH or PUB socket.
//
// It is a client of the spool like any other, a consumer_session of the group that has the port's name, only
// that its frames need no socket: whoever runs it hands them to the brain and the answers back (raw_ports). A
// message is acked when the socket took it. What the socket does not take stays on lease, and the rest in the
// stream; so it is while nobody is connected, or no subscriber at all is there.
//
// Threads: the spool's. Failure: the constructor throws for its endpoint.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/consumer_session.hpp"
#include "devices/spool/port_socket.hpp"

namespace ferry {

class out_port {
  public:
    using listener = std::function<void(const std::string& text)>;

    out_port(context& owner, const raw_port& what, listener note);

    /// Sends and acks what the socket takes. True when there is more to do at once.
    bool step(const port_turn& turn);
    void frame(const std::string& head, const std::optional<shared_bytes>& body, instant now);
    std::vector<outgoing_message> take_output() { return session_->take_output(); }

    /// Gives back what was not sent, and waits for the answers to its acks.
    void leave(instant now);
    bool left() const noexcept { return !started_ || session_->left() || !session_->failed_code().empty(); }

    std::uint64_t next_due_ns() const;
    int descriptor() { return socket_.descriptor(); }
    raw_port_stats stats() const { return counts_; }
    void give_up() {}

  private:
    // A message the socket did not take yet.
    struct waiting {
        std::uint64_t lease;
        std::uint64_t offset;
        std::vector<ferry::frame> frames;
    };
    bool take_next(instant now);
    bool send(instant now);
    void look_after_leases();
    void renew_if_failed(instant now);
    void say(const std::string& text) const;

    port_socket socket_;
    const listener note_;
    raw_port_stats counts_;
    std::optional<consumer_session> session_;  // a new one after the spool has refused it
    std::optional<waiting> next_;
    bool started_ = false;  // it has greeted the spool
    bool leaving_ = false;
    std::uint64_t retry_at_ns_ = 0;  // a full queue of subscribers, or a refusal; 0 = nothing to retry
};

}  // namespace ferry
