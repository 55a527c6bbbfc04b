// The succession: whose turn it is in a group of which only one consumer is active.
//
//     joins        A, B, C          the first that joined is active; only it is given messages
//     A is silent  B, C, A          B is active, A stands at the end of the row
//     A leaves     B, C
// The active consumer keeps its turn as long as it is heard, or as nobody else is; one that lost its
// connection has as long to come back. Of a session's channels the newest counts. At a hand-over the leases
// of all others end, and they are told so: what they hold comes again at once, flagged and in order, and
// their late acks are stale. Falling silent is a failure as a lease that ends is, and counts towards
// max-attempts; leaving is none. After a restart of the spool nobody is given anything before the wait for
// claims is over, and who claims what it held goes first.
#pragma once

#include "devices/spool/brain_parts.hpp"

namespace ferry {

class settlement;

class succession {
  public:
    succession(brain_parts& parts, settlement& settling) : parts_{parts}, settlement_{settling} {}

    /// Finds the active consumer of every group that has one; before messages are given out.
    void run();
    /// When an active consumer is to be taken for gone, if it is not heard before (monotonic).
    std::uint64_t next_due_ns() const;

  private:
    using turn = std::pair<std::uint64_t, std::uint64_t>;  // session, channel
    const take_channel* channel_of(const turn& whose) const;
    bool heard(const turn& whose) const;
    bool forgotten(const turn& whose) const;
    std::uint64_t choose(group_run& among, const group& whose) const;
    void end_leases(stream& in, group& whose, std::uint64_t but_of);
    void tell_over(std::uint64_t holder, std::uint64_t lease_id);

    brain_parts& parts_;
    settlement& settlement_;
};

}  // namespace ferry
