// The raw ports of a spool: clients that live in its own thread and reach the brain without a socket.
//
// To the brain each is a session with a number of its own, from 1 on; it does not know them from others. The
// spool calls `step` each turn, which hands the ports' frames to the brain, and offers every send to `take`.
//
// Threads: the spool's. Failure: the constructor throws for endpoints.
#pragma once

#include <poll.h>

#include <deque>
#include <functional>
#include <variant>
#include <vector>

#include "devices/spool/brain.hpp"
#include "devices/spool/in_port.hpp"
#include "devices/spool/out_port.hpp"

namespace ferry {

class raw_ports {
  public:
    using listener = std::function<void(const std::string& text)>;

    raw_ports(context& owner, const std::vector<raw_port>& wanted, const listener& note);

    bool empty() const noexcept { return ports_.empty(); }
    /// The lowest session number that is not a port's.
    std::uint64_t next_session() const noexcept { return ports_.size() + 1; }

    /// Lets every port do what it can. True when there is more to do at once.
    bool step(brain& of, const port_turn& turn);
    /// True when the send was for a port, which has taken it.
    bool take(const send_action& what, instant now);

    /// An orderly end: `step` goes on until all have left, or the spool waits no longer and has them give up.
    void leave(instant now);
    bool left() const;
    void give_up();

    std::uint64_t next_due_ns() const;
    void watch(std::vector<pollfd>& into);
    std::vector<raw_port_stats> stats() const;

  private:
    std::deque<std::variant<in_port, out_port>> ports_;  // session number - 1 is the place
};

/// A port's counters as a row of `spool.stats`.
header_map as_row(const raw_port_stats& port);

}  // namespace ferry
