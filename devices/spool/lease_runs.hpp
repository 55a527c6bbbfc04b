// Offsets by the lease they were under: what leases lost, or what they committed.
//
//     lease_runs lost{1024};
//     lost.add(lease, {7, 3});
//     lost.next(lease, 8);      // {8, 2}
//
// Bounded: with more runs than it may have, the leases that were added longest ago are forgotten. A plain
// value. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/run_set.hpp"

namespace ferry {

class lease_runs {
  public:
    using run = protocol::run;
    struct saved {
        std::uint64_t lease = 0;
        std::vector<run> runs;
        static auto fields(auto& m) { return std::tie(m.lease, m.runs); }
    };

    explicit lease_runs(std::size_t runs_max) : runs_max_{runs_max} {}
    lease_runs(lease_runs&&) = default;
    lease_runs& operator=(lease_runs&&) = default;

    void add(std::uint64_t lease, run more);
    void remove(std::uint64_t lease, run less);
    /// What is there of the lease at or above `at`, cut to begin there at the earliest.
    std::optional<run> next(std::uint64_t lease, std::uint64_t at) const;
    /// Whether all of these are there.
    bool covers(std::uint64_t lease, const std::vector<run>& some) const;

    /// In the order the leases came.
    std::vector<saved> save() const;
    void load(const std::vector<saved>& from);

  private:
    struct entry {
        std::uint64_t lease = 0;
        run_set runs;  // at least one
    };
    using entries = std::list<entry>;

    void forget(entries::iterator which);

    std::size_t runs_max_;
    entries entries_;  // in the order the leases came
    std::unordered_map<std::uint64_t, entries::iterator> by_lease_;
    std::size_t runs_ = 0;
};

}  // namespace ferry
