// Each call of the disk in turn fails, or is the last thing that the spool does: whatever was under way -
// writing, syncing, a new segment, a snapshot, cleaning, removal, or opening itself - the model must find
// nothing broken.
//
// The suite plays a sample; tests/exhaustive/run plays more histories, and those whole.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <stdexcept>

#include "tests/sim/cases.hpp"
#include "tests/support/turns.hpp"

using namespace ferry::test;

TEST_CASE("exhaustive: at whichever call the disk fails or the spool dies, in opening too, nothing breaks") {
    turns turn{3};
    const std::uint64_t histories = turn.all() ? 6 : 1;
    std::uint64_t calls = 0, played = 0, crashes = 0, confirmed = 0, cleaned = 0, openings = 0;
    for (const sim_case& each : sim_cases()) {
        if (each.of.disk_errors) continue;  // fails at random calls as it is
        for (std::uint64_t seed = each.first_seed; seed < each.first_seed + histories; ++seed) {
            world_options of = each.of;
            of.seed = seed;
            world sound{of};
            sound.run();
            for (std::uint64_t call = sound.first_call() + 1; call <= sound.last_call(); ++call) {
                ++calls;
                for (std::size_t way = 0; way < disk_failures().size(); ++way) {
                    if (!turn.mine()) continue;
                    ++played;
                    INFO(fmt::format("replay: ferry-sim --case {} --seed {} --fail {}/{} ({})", each.name,
                                     seed, call, way, disk_failures()[way].name));
                    try {
                        world history{with_failure(of, call, way)};
                        history.run();
                        crashes += history.crashes();
                        confirmed += history.seen().confirmed_count();
                        cleaned += history.moved() > 0 ? 1 : 0;
                        openings += history.openings_failed();
                    } catch (const std::exception& problem) {
                        FAIL_CHECK(problem.what());
                    }
                }
            }
        }
    }
    MESSAGE(fmt::format(
        "{} calls, {} of their failures played: {} crashes, {} openings that failed, {} messages confirmed, "
        "messages moved in {}",
        calls, played, crashes, openings, confirmed, cleaned));
    CHECK(calls > 500);
    CHECK(played > 500);
    CHECK(crashes > played);
    CHECK(openings > played / 20);
    CHECK(cleaned > played / 4);
}
