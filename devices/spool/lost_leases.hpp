// What leases lost: by their end, by a nack, a release, a hand-over or a seek.
//
// An ack that comes later under such a lease is stale, also when another consumer has settled the message
// since: who settled it is not remembered, but who had lost it is.
//
//     lost_leases lost;
//     lost.add(lease, {7, 3});
//     lost.next(lease, 8);      // {8, 2}
//
// Bounded: the leases that lost something longest ago are forgotten. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "core/run_set.hpp"

namespace ferry {

class lost_leases {
  public:
    using run = protocol::run;
    static constexpr std::size_t runs_max = 1024;

    void add(std::uint64_t lease, run lost);
    /// It has them again: a consumer came back for what it held before a restart.
    void regained(std::uint64_t lease, run back);
    /// What it lost at or above `at`, cut to begin there at the earliest.
    std::optional<run> next(std::uint64_t lease, std::uint64_t at) const;

  private:
    std::unordered_map<std::uint64_t, run_set> by_lease_;
    std::deque<std::uint64_t> order_;  // of the leases, the oldest first
    std::size_t runs_ = 0;
};

}  // namespace ferry
