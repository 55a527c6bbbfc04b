// Random histories of a whole spool, against the model. A failure prints the command that replays it, step by
// step.
#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/sim/cases.hpp"

using namespace ferry;
using ferry::test::sim_case;
using ferry::test::sim_tally;
using ferry::test::world;
using ferry::test::world_options;

namespace {

// How many histories each case runs; FERRY_SIM_HISTORIES is for those who want others.
std::uint64_t histories(std::uint64_t usual) {
    const char* const asked = std::getenv("FERRY_SIM_HISTORIES");
    return asked == nullptr ? usual : std::strtoull(asked, nullptr, 10);
}

void play(std::string_view name) {
    const sim_case& of = test::sim_case_named(name);
    const std::uint64_t end = of.first_seed + histories(of.histories);
    sim_tally tally;
    for (std::uint64_t seed = of.first_seed; seed < end; ++seed) {
        world_options options = of.of;
        options.seed = seed;
        CAPTURE(seed);
        try {
            world history{options};
            history.run();
            tally.add(history);
        } catch (const std::exception& e) {
            FAIL(std::string{e.what()}, "; replay: ferry-sim --case ", std::string{name}, " --seed ", seed);
        }
    }
    MESSAGE(tally.histories, " histories, ", tally.crashes, " crashes, ", tally.confirmed,
            " messages confirmed, ", tally.moved, " dead letters redriven or dropped, ", tally.given_up,
            " messages given up, messages moved to cold segments in ", tally.cleaned);
    CHECK(tally.telling(of));
}

bool breaks(world_options of) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        of.seed = seed;
        try {
            world history{of};
            history.run();
        } catch (const std::logic_error&) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("sim: synced messages survive power cuts, in order, once, and every redelivery is flagged") {
    play("power-cuts");
}

TEST_CASE("sim: the same when writes and syncs fail and the spool turns read-only") {
    play("disk-errors");
}

TEST_CASE("sim: frames that come twice do nothing twice") {
    play("doubled");
    play("doubled-keys");
}

TEST_CASE("sim: grade written keeps the same promises when only the process dies") {
    play("kills");
}

TEST_CASE("sim: delays that stand in buckets until they are read in the log hold the same promises") {
    play("far-delays");
}

TEST_CASE(
    "sim: groups that are paused and sent elsewhere, and purges, hold what was answered through crashes") {
    play("upheavals");
}

TEST_CASE(
    "sim: a group with a filter is given all it wants and nothing else, through crashes and upheavals") {
    play("filters");
}

TEST_CASE(
    "sim: messages of one key are out one at a time and never overtake, through crashes and redeliveries") {
    play("keys");
    play("keys-errors");
}

TEST_CASE("sim: ordered groups lose nothing to upheavals") {
    play("keys-upheavals");
}

TEST_CASE("sim: a message id is stored once, whoever puts it how often, through crashes and power cuts") {
    play("ids");
}

TEST_CASE("sim: what has expired is given to nobody, and nothing else goes with it") {
    play("ttls");
}

TEST_CASE(
    "sim: of a group's consumers one at most has messages, and nothing is lost from one turn to the next") {
    play("turns");
    play("turns-errors");
}

TEST_CASE("sim: a full stream refuses, blocks or drops the oldest, and what it refused is nowhere") {
    play("limits");
}

TEST_CASE(
    "sim: of each message that is consumed the outputs are stored once and with its ack, whatever crashes") {
    play("commits");
    play("commits-errors");
}

TEST_CASE("sim: a frame that does not arrive on a session that goes on loses nothing and stops nothing") {
    play("lost-frames");
    play("lost-frames-keys");
}

TEST_CASE("sim: a frame that overtakes another does no harm") {
    play("reordered-frames");
}

TEST_CASE("sim: a seed is the same history, always") {
    for (const sim_case& each : test::sim_cases()) {
        std::string told[2];
        for (std::string& story : told) {
            world_options options = each.of;
            options.seed = each.first_seed;
            options.tell = [&story](const std::string& line) { story += line + '\n'; };
            world{options}.run();
        }
        CHECK(told[0].size() > 1000);
        CHECK(told[0] == told[1]);
    }
}

TEST_CASE("sim: the model notices a group that forgot its order") {
    CHECK(breaks({.keys = true, .plant_forgotten_order = true}));
}

TEST_CASE("sim: the model notices a dropped dead letter that comes again") {
    CHECK(breaks({.plant_drop_that_is_a_redrive = true}));
}

TEST_CASE("sim: the model notices ids that are not heeded, and outputs without the ack of their message") {
    CHECK(breaks({.ids = true, .plant_ids_of_no_use = true}));
    CHECK(breaks({.commits = true, .plant_ack_of_another = true}));
}

TEST_CASE("sim: the model notices a ttl that is not heeded, and consumers that are all active at once") {
    CHECK(breaks({.ttls = true, .plant_ttl_of_no_use = true}));
    CHECK(breaks({.turns = true, .plant_all_at_once = true}));
}

TEST_CASE("sim: the model notices a spool that confirms before the sync") {
    CHECK(breaks({.plant_confirm_before_sync = true}));
}

TEST_CASE("sim: the model notices a cleaner that forgets to copy a message") {
    CHECK(breaks({.plant_forgotten_copy = true}));
}
