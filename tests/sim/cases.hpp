// The kinds of random histories, by name: what the suite, ferry-sim and the ring of simulations play.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tests/sim/world.hpp"

namespace ferry::test {

struct sim_case {
    std::string_view name;
    std::string_view promise;  ///< in a sentence
    world_options of;
    std::uint64_t histories;   ///< of the suite; the ring plays many times as many
    std::uint64_t first_seed;  ///< no two cases share seeds
};

std::span<const sim_case> sim_cases();
/// Throws std::invalid_argument when there is none.
const sim_case& sim_case_named(std::string_view name);

/// The ways in which a call of the disk may fail, or be the last.
struct disk_failure {
    std::string_view name;
    fault kind;
    bool deadly;
};
std::span<const disk_failure> disk_failures();
/// The same history with the disk's changing call of this number failing. Throws std::out_of_range for a way
/// there is not.
world_options with_failure(world_options of, std::uint64_t call, std::size_t way);

/// What histories came to.
struct sim_tally {
    std::uint64_t histories = 0, crashes = 0, confirmed = 0, moved = 0, given_up = 0, cleaned = 0;
    std::uint64_t duplicates = 0, refusals = 0, outputs = 0, never_seen = 0;
    void add(const world& history);
    /// Whether enough happened for the histories to have shown something.
    bool telling(const sim_case& of) const;
};

}  // namespace ferry::test
