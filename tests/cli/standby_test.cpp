// One active consumer and one that stands by, as processes: it dies, and it stands still.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>

#include "tests/cli/spool_process.hpp"

using namespace ferry::test;

namespace {

using clock = std::chrono::steady_clock;

// Two consumers of one group, of which the first is active and holds "a" and "b".
struct pair_of_consumers {
    spool_process spool;
    std::unique_ptr<process> active, standby;

    pair_of_consumers() {
        run_ferry({"group", "create", spool.at, "jobs", "g", "--single-active"});
        run_ferry({"put", spool.at, "jobs"}, {.input = "a\n"});
        active = take("first");
        active->next_line();
        standby = take("second");
        REQUIRE(run_ferry({"group", "info", spool.at, "jobs", "g"}).out.find("first") != std::string::npos);
    }
    // Holds what it was given: its commands wait for a line that never comes.
    std::unique_ptr<process> take(const std::string& name) const {
        return std::make_unique<process>(binary_with(
            {"take", spool.at, "jobs", "--group", "g", "--single-active", "--name", name, "--lease", "10m",
             "-P", "2", "--exec", "sh -c 'read x; echo $x $FERRY_ATTEMPT; exec tail -f /dev/null'"}));
    }
    void wait_until_both_are_there() const {
        const auto deadline = clock::now() + patience;
        while (run_ferry({"group", "info", spool.at, "jobs", "g", "--json"}).out.find("\"consumers\":2") ==
               std::string::npos)
            REQUIRE(clock::now() < deadline);
    }
};

}  // namespace

TEST_CASE("standby: when the active consumer is killed, the next one goes on in less than two seconds") {
    pair_of_consumers pair;
    pair.wait_until_both_are_there();
    pair.active->kill(SIGKILL);
    const auto killed = clock::now();
    CHECK(pair.standby->next_line() == "a 2");
    CHECK(clock::now() - killed < std::chrono::seconds{2});
    CHECK(run_ferry({"group", "info", pair.spool.at, "jobs", "g"}).out.find("second") != std::string::npos);
}

TEST_CASE("standby: when the active consumer stands still, the next one goes on, and its work is refused") {
    pair_of_consumers pair;
    pair.wait_until_both_are_there();
    pair.active->suspend();
    const auto stopped = clock::now();
    CHECK(pair.standby->next_line() == "a 2");
    CHECK(clock::now() - stopped < std::chrono::seconds{2});
    pair.active->kill(SIGCONT);
    CHECK(pair.active->wait_for_error("offset 0, attempt 1: ") ==
          "offset 0, attempt 1: its lease is over; the command was stopped");
    run_ferry({"put", pair.spool.at, "jobs"}, {.input = "b\n"});
    CHECK(pair.standby->next_line() == "b 1");
    CHECK(run_ferry({"group", "info", pair.spool.at, "jobs", "g"}).out.find("second") != std::string::npos);
}
