// Claims: how what was on lease survives a lost connection and a restart of the spool.
//
// A client that joins again lists the leases it still holds and gets back what is still its own; whatever it
// does not list of them was given up. A lost connection ends no lease. After a restart every group waits
// `claim_wait` for such claims before it gives out what somebody may hold: after an orderly stop that is what
// the saved leases cover, after any other end all that was stored then and lies below the delivered mark.
// What nobody claimed in that time comes again, flagged.
#pragma once

#include "devices/spool/brain_parts.hpp"
#include "devices/spool/settlement.hpp"

namespace ferry {

class claims {
  public:
    claims(brain_parts& parts, settlement& settling) : parts_{parts}, settlement_{settling} {}

    /// Begins the wait in the groups of a stream whose messages ended at `stored_end` when it was opened.
    void open(stream& in, std::uint64_t stored_end, bool clean);

    /// Gives back what of `asked` is still this user's, to the channel that asks.
    std::vector<protocol::claim> give_back(const session& from, const take_channel& to, stream& in,
                                           group& whose, const std::vector<protocol::claim>& asked);

    /// How long a group still waits.
    std::uint64_t wait_left_ms(const group& whose) const;

    /// Whether any group still waits.
    bool waiting() const noexcept { return until_ns_ != ~std::uint64_t{0}; }

    /// Ends the wait when its time is over.
    void tick();
    std::uint64_t next_due_ns() const;

  private:
    protocol::claim give_back(const session& from, const take_channel& to, const stream& in, group& whose,
                              const protocol::claim& asked);

    brain_parts& parts_;
    settlement& settlement_;
    std::uint64_t until_ns_ = ~std::uint64_t{0};
};

}  // namespace ferry
