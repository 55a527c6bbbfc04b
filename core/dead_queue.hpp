// The messages a consumer gave up, until the spool has answered that they are dead letters.
//
// Each is told on every channel until it is answered, as an ack is: a message given up must not be worked on
// again because a connection or the spool was lost. One that is a dead letter already is answered as done.
//
// Threads: none of its own. Nothing fails.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/protocol.hpp"
#include "core/run_set.hpp"
#include "core/spool_link.hpp"

namespace ferry {

class dead_queue {
  public:
    void add(std::uint64_t lease, std::uint64_t offset, std::string reason);

    /// What is to be told on this channel now.
    void send(std::uint64_t channel, instant now, std::vector<outgoing_message>& out);
    /// The channel is gone: everything is told again on the next one.
    void unsend();
    /// Takes out what an answer under the lease is about.
    std::vector<protocol::run> answered(std::uint64_t lease, const std::vector<protocol::run>& runs);

    /// The offsets that were given up under this lease.
    run_set under(std::uint64_t lease) const;
    bool empty() const noexcept { return waiting_.empty(); }
    std::uint64_t next_due_ns() const;

  private:
    struct given_up {
        std::string reason;
        std::uint64_t due_ns = 0;  // when it is told, or told again
    };
    std::map<std::pair<std::uint64_t, std::uint64_t>, given_up> waiting_;  // by lease and offset
};

}  // namespace ferry
