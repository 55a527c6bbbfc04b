// An in port: what comes from a plain PULL or SUB socket goes into a stream.
//
// It is a client of the spool like any other, a producer_session, only that its frames need no socket:
// whoever runs it hands them to the brain and the answers back (raw_ports).
//
// What it has read it keeps until the stream has confirmed it. One batch is under way at a time, so that what
// is refused for now (a full disk) can be put again and nothing behind it overtakes. What can never be stored
// (too large) is thrown away, counted and said. While it keeps its fill it reads nothing: a pusher feels
// that.
//
// Threads: the spool's. Failure: the constructor throws for its endpoint.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/envelope_batch.hpp"
#include "core/producer_session.hpp"
#include "devices/spool/port_socket.hpp"

namespace ferry {

class in_port {
  public:
    using listener = std::function<void(const std::string& text)>;

    in_port(context& owner, const raw_port& what, listener note);

    /// Settles, reads and puts what it can. True when there is more to do at once.
    bool step(const port_turn& turn);
    void frame(const std::string& head, const std::optional<shared_bytes>& body, instant now);
    std::vector<outgoing_message> take_output() { return session_->take_output(); }

    /// Reads what already came, and then no more.
    void leave(instant) { last_reads_ = leaving_reads_max; }
    bool left() const noexcept { return last_reads_ == 0 && kept_.empty() && batch_.left() == 0; }

    std::uint64_t next_due_ns() const;
    /// -1 while it does not read.
    int descriptor() { return reads() && batch_.left() == 0 ? socket_.descriptor() : -1; }
    raw_port_stats stats() const { return counts_; }
    /// What is kept counts as lost: the spool ends.
    void give_up();

  private:
    static constexpr int leaving_reads_max = 1000;

    bool reads() const noexcept { return kept_bytes_ < kept_bytes_max_ && last_reads_.value_or(1) > 0; }
    bool read();
    bool take_of_batch();
    void keep(message one);
    void put(instant now);
    void settle(instant now);
    void settle(const batch_fate& batch, instant now);
    void throw_away(const std::string& code, const std::string& reason);
    void wait_for(const std::string& code, const std::string& reason, instant now);
    void say(const std::string& text) const;

    port_socket socket_;
    const listener note_;
    const std::size_t kept_bytes_max_;
    raw_port_stats counts_;
    std::optional<producer_session> session_;  // a new one after the spool has refused it
    std::vector<ferry::frame> frames_;
    envelope_batch batch_;
    std::deque<message> kept_;  // read and not confirmed, oldest first
    std::size_t kept_bytes_ = 0;
    std::size_t under_way_ = 0;         // so many of kept_ were put,
    std::shared_ptr<batch_fate> fate_;  // in this batch
    std::uint64_t retry_at_ns_ = 0;     // nothing is put before; 0 = now
    std::string thrown_away_;           // the code of what was last thrown away: said once
    std::optional<int> last_reads_;     // after `leave`: so many messages may still be read
};

}  // namespace ferry
