// Commits: an ack and the messages that came of it, stored together or not at all.
//
// Everything is judged before anything is written: the lease, the permission and the room for each output.
// Then the outputs are records in the log, and behind them the commit, which acks the message and makes them
// count. All of it is one append; a crash in the middle leaves outputs without their commit, which are gaps.
//
// A commit that is sent again because its answer was lost finds its message settled, and is answered so.
#pragma once

#include "devices/spool/depot.hpp"
#include "devices/spool/retention.hpp"
#include "devices/spool/settlement.hpp"

namespace ferry {

class commits {
  public:
    commits(brain_parts& parts, depot& into, retention& limits, settlement& acks)
        : parts_{parts}, depot_{into}, retention_{limits}, settlement_{acks}, admission_{parts} {}

    void commit(session& from, const protocol::commit& request, const shared_bytes& body);

  private:
    struct prepared {
        std::string stream;
        depot::record what;
        shared_bytes batch;
        std::uint64_t fresh = 0;  // messages that were not known by their id
    };
    verdict prepare(const session& from, const protocol::commit& request, const shared_bytes& batches,
                    std::vector<prepared>& into) const;
    verdict prepare(const session& from, const protocol::output& each, shared_bytes batch, stream& unmade,
                    std::vector<prepared>& into) const;
    void answer(const session& to, protocol::done reply);
    void store(session& from, const protocol::commit& request, const settlement::target& to,
               std::vector<prepared> outputs);

    brain_parts& parts_;
    depot& depot_;
    retention& retention_;
    settlement& settlement_;
    admission admission_;
};

}  // namespace ferry
