// One pattern measured against its counterpart: processes that are started anew for each run, ferry and the
// other in turn.
//
//     duel pushing{{.kind = "pushpull", .size = 64}};
//     const result came_to = pushing.fight([](const std::string& what) { ... });
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/cases.hpp"

namespace ferry::bench {

struct duel_options {
    std::string kind = "pushpull";  ///< or pubsub, reqrep, spool
    std::size_t size = 64;          ///< bytes of a body, 16 at least: a number and a time
    std::chrono::milliseconds lasts{1000};
    std::string transport = "tcp";  ///< or ipc, or inproc, where both sides are one process; a spool's is tcp
    bool batch = false;             ///< ferry sends batches, of pubsub and pushpull
    double rate = 0;  ///< messages a second, whether the receiver keeps up or not; 0 = as fast as it goes
    int repeats = 3;
    std::string directory{};  ///< a spool's are made in it, and sockets of ipc
};

/// Medians of the runs of one side.
struct side {
    double rate = 0, least = 0, most = 0;
    double p50_us = 0, p99_us = 0;  ///< from when a message was due; 0 where it is not known
    std::uint64_t lost = 0;
};

struct result {
    side ferry, other;
    std::string against;
    double latency_rate = 0;  ///< at which latencies were measured; 0: with one question at a time
    double ratio() const noexcept { return other.rate > 0 ? ferry.rate / other.rate : 0; }
};

class duel {
  public:
    explicit duel(duel_options how) : how_{std::move(how)} {}

    /// Before each run `tell` is called with what it is. Throws std::runtime_error when a process fails.
    result fight(const std::function<void(const std::string&)>& tell) const;

  private:
    sample run(bool ferry, double rate) const;
    sample send_and_receive(const std::string& who, double rate) const;
    sample ask_and_answer(const std::string& who, double rate) const;
    sample keep(double rate) const;
    sample bare_hop() const;

    duel_options how_;
};

}  // namespace ferry::bench
