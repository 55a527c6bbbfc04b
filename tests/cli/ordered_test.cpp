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

    // A line for each message when work on it begins; what is appended whole stays whole.
    const std::string command = "sh -c 'read x; echo $x | tee -a " + log + "'";
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

    std::map<std::string, int> done;  // key -> the last one
    std::ifstream lines{log};
    std::string key;
    for (int number = 0; lines >> key >> number;) {
        CAPTURE(key);
        const auto [last, first] = done.emplace(key, number);
        if (first)
            CHECK(number == 0);
        else
            CHECK((number == last->second || number == last->second + 1));
        last->second = number;
    }
    CHECK(done.size() == keys);
    for (const auto& [name, last] : done) CHECK(last == each - 1);
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
