// The order of keys with real processes that are killed.
#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <string>

#include "tests/cli/spool_process.hpp"

using namespace ferry::test;

TEST_CASE("ordered: eight workers under SIGKILL handle the messages of each key in order, and none is lost") {
    constexpr int keys = 12;
    constexpr int each = 25;
    spool_process spool;
    const std::string log = spool.directory / "log";
    std::string input;
    for (int i = 0; i < each; ++i)
        for (int key = 0; key < keys; ++key)
            input += R"({"headers":{"key":"k)" + std::to_string(key) + R"("},"payload":"k)" +
                     std::to_string(key) + " " + std::to_string(i) + "\"}\n";
    REQUIRE(run_ferry({"put", spool.at, "jobs", "-i", "json"}, {.input = input}).status == 0);

    // A line for each message when work on it begins, and one when it ends; what is appended whole stays
    // whole.
    const std::string command =
        "sh -c 'read x; echo begin $x | tee -a " + log + "; sleep 0.01; echo end $x >> " + log + "'";
    const auto start = [&] {
        return std::make_unique<process>(
            binary_with({"take", spool.at, "jobs", "--group", "g", "--ordered", "key", "--lease", "300ms",
                         "--idle", "2s", "--exec", command}));
    };
    std::vector<std::unique_ptr<process>> workers;
    for (int i = 0; i < 8; ++i) workers.push_back(start());
    for (std::size_t kill = 0; kill < 12; ++kill) {
        auto& victim = workers[kill % workers.size()];
        victim->wait_for_lines(1 + kill % 2);
        victim->kill(SIGKILL);
        victim->wait();
        victim = start();
    }
    for (const auto& worker : workers) CHECK(worker->wait() == 0);

    struct work {
        int begun = -1;
        int ended = -1;
    };
    std::map<std::string, work> done;  // by key
    std::ifstream lines{log};
    std::string what;
    std::string key;
    for (int number = 0; lines >> what >> key >> number;) {
        CAPTURE(key);
        CAPTURE(number);
        work& last = done[key];
        if (what == "end") {
            CHECK(number == last.begun);  // else two of one key were out at a time
            last.ended = number;
        } else {
            CHECK((number == last.begun || (number == last.begun + 1 && last.ended == last.begun)));
            last.begun = number;
        }
    }
    CHECK(done.size() == keys);
    for (const auto& [name, last] : done) CHECK(last.ended == each - 1);
    CHECK(run_ferry({"group", "info", spool.at, "jobs", "g", "--json"}).out.find("\"dead\":0") !=
          std::string::npos);
}

TEST_CASE("ordered: put --key and group create --ordered tell it, and other words are refused") {
    spool_process spool;
    CHECK(run_ferry({"stream", "create", spool.at, "s"}).status == 0);
    CHECK(run_ferry({"group", "create", spool.at, "s", "g", "--ordered", "rank"}).status == 2);
    CHECK(run_ferry({"group", "create", spool.at, "s", "g", "--ordered", "key", "--json"})
              .out.find("\"ordered\":\"key\"") != std::string::npos);
    CHECK(run_ferry({"put", spool.at, "s", "--key", "a", "x", "-n", "2"}).status == 0);
    CHECK(run_ferry({"take", spool.at, "s", "--group", "g", "-n", "2", "-F", "{payload} {h.key}\\n"}).out ==
          "x a\nx a\n");
    CHECK(run_ferry({"take", spool.at, "s", "--group", "g", "--ordered", "none", "--idle", "50ms"}).status ==
          2);
    run_ferry({"take", spool.at, "s", "--group", "plain", "--idle", "50ms"});
    CHECK(
        run_ferry({"take", spool.at, "s", "--group", "plain", "--ordered", "key", "--idle", "50ms"}).status ==
        2);
}
