// Random commands against the reference and the real brain, compared after each step. A failure prints the
// seed and the story; FERRY_PROPERTY_SEED=N replays it, FERRY_PROPERTY_HISTORIES=N runs so many.
#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/spool/random_history.hpp"

using namespace ferry::test;

namespace {

std::uint64_t asked_for(const char* name, std::uint64_t otherwise) {
    const char* const asked = std::getenv(name);
    return asked == nullptr ? otherwise : std::strtoull(asked, nullptr, 10);
}

// Whether any of some histories notices what was planted.
bool noticed(random_history_options of) {
    for (of.seed = 1; of.seed <= 100; ++of.seed) {
        random_history history{of};
        try {
            history.run();
        } catch (const disagreement&) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE(
    "property: after each of random commands, crashes and restarts a spool shows what a plain list would") {
    std::uint64_t count = asked_for("FERRY_PROPERTY_HISTORIES", 2000);
    std::uint64_t seed = asked_for("FERRY_PROPERTY_SEED", 0);
    if (seed != 0) count = 1;
    if (seed == 0) seed = 1;
    std::uint64_t steps = 0;
    std::uint64_t restarts = 0;
    std::uint64_t deliveries = 0;
    for (const std::uint64_t end = seed + count; seed < end; ++seed) {
        CAPTURE(seed);
        random_history history{{.seed = seed}};
        try {
            history.run();
        } catch (const std::exception& parted) {
            FAIL_CHECK("FERRY_PROPERTY_SEED=", seed, "\n", history.story(), std::string{parted.what()});
            if (std::getenv("FERRY_PROPERTY_ALL") == nullptr) return;
        }
        steps += history.steps();
        restarts += history.restarts();
        deliveries += history.deliveries();
    }
    MESSAGE(count, " histories, ", steps, " steps, ", restarts, " restarts, ", deliveries, " deliveries");
    CHECK((count < 100 || deliveries > 5 * count));
    CHECK((count < 100 || restarts > count));
}

TEST_CASE("property: histories that parted from the reference once do so no more") {
    for (const int seed : {346, 878, 2014, 3722, 4100, 5034, 5761, 5894, 7970, 10121, 10549, 10973, 21325,
                           25806, 30904, 33936, 38470, 39890}) {
        CAPTURE(seed);
        random_history history{{.seed = static_cast<std::uint64_t>(seed)}};
        CHECK_NOTHROW(history.run());
    }
}

TEST_CASE("property: an ack that is lost is noticed") {
    CHECK(noticed({.plant_lost_ack = true}));
}

TEST_CASE("property: a dropped dead letter that is redriven is noticed") {
    CHECK(noticed({.plant_drop_redrives = true}));
}

TEST_CASE("property: a nack without its delay is noticed") {
    CHECK(noticed({.plant_hasty_nack = true}));
}

TEST_CASE("property: a restart that counts towards max-attempts is noticed") {
    CHECK(noticed({.plant_restarts_count = true}));
}

TEST_CASE("property: a message that is refused and should wait is noticed") {
    CHECK(noticed({.plant_refusals = true}));
}

TEST_CASE("property: a limit of bytes that is forgotten is noticed") {
    CHECK(noticed({.plant_no_bytes_max = true}));
}

TEST_CASE("property: a commit of which only the ack is done is noticed") {
    CHECK(noticed({.plant_half_commits = true}));
}

TEST_CASE("property: messages of one key that are out at the same time are noticed") {
    CHECK(noticed({.plant_no_key_order = true}));
}

TEST_CASE("property: a second active consumer of a group that has one is noticed") {
    CHECK(noticed({.plant_all_active = true}));
}
