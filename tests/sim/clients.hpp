// The clients of a simulated spool: their sessions, their connections, and what they wait for.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/world.hpp"

namespace ferry::test {

inline constexpr const char* outputs_stream = "made";
inline constexpr const char* outputs_group = "readers";

// One connection: frames in flight each way, in order. Cutting it loses what is in flight.
struct world::wire {
    std::uint64_t session = 0;
    std::deque<outgoing_message> up;
    std::deque<outgoing_message> down;
};

struct world::producer {
    std::string name;
    producer_session session;
    wire on;
    int next = 1;
    struct waiting {
        std::string text;
        put_place place;
    };
    std::deque<waiting> waiting;
};

struct world::consumer {
    std::string group;
    consumer_session session;
    wire on;
    struct holding {
        std::uint64_t lease = 0, offset = 0;
        std::string text;
    };
    std::vector<holding> held;
    struct committing {
        std::shared_ptr<commit_fate> fate;
        std::uint64_t offset = 0;
        std::string output;
    };
    std::vector<committing> commits;
    bool reads_outputs() const { return group == outputs_group; }
};

}  // namespace ferry::test
