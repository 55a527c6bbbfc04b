// `ferry demo`: its account of what workers wrote, its reading of foreign files, and the whole run.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/demo_events.hpp"
#include "cli/demo_ledger.hpp"
#include "cli/exit_codes.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry::cli;
using namespace ferry::test;

namespace {

// A row of the table that ends the demo, without its time and rate.
struct row {
    std::uint64_t sent = 0;
    std::string confirmed;
    std::uint64_t delivered = 0;
    std::string redelivered;
    std::uint64_t lost = 0;
};

row row_of(const std::string& table, const std::string& part) {
    const std::size_t at = table.find("\n" + part);
    REQUIRE_MESSAGE(at != std::string::npos, table);
    std::istringstream words{table.substr(at + 1 + part.size())};
    row read;
    words >> read.sent >> read.confirmed >> read.delivered >> read.redelivered >> read.lost;
    REQUIRE_MESSAGE(words, table);
    return read;
}

std::string written(const temporary_directory& directory, const std::string& text) {
    const std::string path = directory / "events.jsonl";
    std::ofstream{path} << text;
    return path;
}

// Directories of demos, among which ours is told by what was there before.
std::size_t scratch_directories(const std::string& where) {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator{where})
        if (each.path().filename().string().starts_with("ferry-demo-")) ++count;
    return count;
}

}  // namespace

TEST_CASE("demo: an offset counts once, and only a flagged redelivery is as promised") {
    demo_ledger ledger;
    ledger.note("7 1 ci 1.5");
    ledger.note("7 2 ci 1.5");
    CHECK(ledger.counted() == 1);
    CHECK(ledger.deliveries() == 2);
    CHECK(ledger.redelivered() == 1);
    CHECK(ledger.unflagged() == 0);
    ledger.note("7 1 ci 1.5");
    CHECK(ledger.unflagged() == 1);
    CHECK(ledger.totals().at("ci") == network_total{.events = 1, .largest = 1.5});
}

TEST_CASE("demo: a first attempt whose line comes after the second's is no error") {
    demo_ledger ledger;
    ledger.note("7 2 ci 1.5");
    ledger.note("7 1 ci 1.5");
    CHECK(ledger.unflagged() == 0);
}

TEST_CASE("demo: a delivery that is not the event of its offset is found") {
    const demo_event event = read_demo_event(R"({"net":"ci","id":"a","mag":1.5})", 1);
    demo_ledger ledger;
    ledger.note("1 1 ci 1.5");
    ledger.note("2 1 ci 1.4");
    ledger.note("3 1 ci 1.5");
    ledger.note("3 2 nc 1.5");
    CHECK(ledger.agrees(1, event));
    CHECK_FALSE(ledger.agrees(2, event));
    CHECK_FALSE(ledger.agrees(3, event));
    CHECK_FALSE(ledger.agrees(4, event));
    for (const char* broken : {"", "5", "5 1 ci", "x 1 ci 1", "5 0 ci 1", "5 1 ci 1 more", "-5 1 ci 1"}) {
        CAPTURE(broken);
        CHECK_THROWS_AS(ledger.note(broken), failure);
    }
}

TEST_CASE("demo: the line a worker writes is the line the ledger reads") {
    const demo_event event = read_demo_event(R"({"net":"n w","id":"a","mag":-0.25})", 1);
    std::string line = ledger_line(12, 3, event);
    REQUIRE(line.back() == '\n');
    line.pop_back();
    demo_ledger ledger;
    ledger.note(line);
    CHECK(ledger.agrees(12, event));
}

TEST_CASE("demo: network, id and magnitude may be missing or odd, and every line still counts") {
    const temporary_directory directory;
    const demo_events events{written(directory, R"({"net":"ci","id":"a","mag":2.5}
{"id":"b.c d","mag":3}

{"net":null,"mag":"large"}
{"net":"ci","id":"a","mag":-1}
)")};
    REQUIRE(events.size() == 4);
    CHECK(events.all()[0].topic == "quake.ci.a");
    CHECK(events.all()[1].topic == "quake.unknown.b_c_d");
    CHECK(events.all()[2].topic == "quake.unknown.line4");
    CHECK(events.all()[2].magnitude == "-");
    CHECK(events.magnitude_of("a") == "2.5");
    CHECK_FALSE(events.magnitude_of("z"));
    const network_totals twice = events.totals(6);
    CHECK(twice.at("ci") == network_total{.events = 3, .largest = 2.5});
    CHECK(twice.at("unknown") == network_total{.events = 3, .largest = 3.0});
    CHECK(events.prefixes() == std::vector<std::string>{"quake.unknown.", "quake.ci.", "quake."});
}

TEST_CASE(
    "demo: a file that is missing, empty or no JSON is told with its line, and the exit code says which") {
    const temporary_directory directory;
    const finished missing = run({FERRY_BINARY, "demo", "--data", directory / "none.jsonl"});
    CHECK(missing.status == 3);
    CHECK(missing.err.find("none.jsonl: No such file") != std::string::npos);
    const finished empty = run({FERRY_BINARY, "demo", "--data", written(directory, "\n\n")});
    CHECK(empty.status == 2);
    CHECK(empty.err.find("there is no event in it") != std::string::npos);
    const finished broken = run({FERRY_BINARY, "demo", "--data", written(directory, "{}\n[1]\n")});
    CHECK(broken.status == 2);
    CHECK(broken.err.find("events.jsonl: line 2 is not a JSON object") != std::string::npos);
    CHECK(run({FERRY_BINARY, "demo", "extra"}).status == 2);
}

TEST_CASE(
    "demo: everything put arrives though the spool, a replier and a worker are killed, and a table says so") {
    const temporary_directory directory;
    process demo{{FERRY_BINARY, "demo"}, {.environment = {{"TMPDIR", directory.path()}}}};
    const int status = demo.wait(std::chrono::minutes{2});
    INFO(demo.err());
    REQUIRE(status == 0);
    const row topics = row_of(demo.out(), "publish/subscribe");
    CHECK(topics.sent == 1707);
    CHECK(topics.delivered == 1707 + 386 + 370);  // quake., quake.ci., quake.nc.
    CHECK(topics.lost == 0);
    const row questions = row_of(demo.out(), "request/reply");
    CHECK(questions.sent == 1707);
    CHECK(questions.delivered == 1707);
    CHECK(questions.lost == 0);
    const row work = row_of(demo.out(), "durable work");
    CHECK(work.sent == 100'000);
    CHECK(work.confirmed == "100000");
    CHECK(work.delivered == 100'000);
    CHECK(std::stoull(work.redelivered) > 0);
    CHECK(work.lost == 0);
    for (const char* said :
         {"one replier killed after", "the spool killed:", "started again", "one worker killed"}) {
        CAPTURE(said);
        CHECK(demo.err().find(said) != std::string::npos);
    }
    CHECK(scratch_directories(directory.path()) == 0);
}

TEST_CASE("demo: SIGINT ends it with 130, and neither a process nor a directory stays") {
    const temporary_directory directory;
    process demo{{FERRY_BINARY, "demo"}, {.environment = {{"TMPDIR", directory.path()}}}};
    demo.wait_for_error("   the spool killed");
    CHECK(scratch_directories(directory.path()) == 1);
    demo.kill(SIGINT);
    CHECK(demo.wait() == 130);
    CHECK(scratch_directories(directory.path()) == 0);
    CHECK(demo.out().empty());
}
