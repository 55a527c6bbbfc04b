// ferry bench: what it says of each pattern, and of what it was told wrongly.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/latencies.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry::test;
using nlohmann::json;

namespace {

finished bench(std::vector<std::string> words) {
    words.insert(words.begin(), {FERRY_BINARY, "bench"});
    return run(std::move(words));
}

std::vector<json> cases(const std::string& text) {
    std::vector<json> all;
    std::istringstream lines{text};
    for (std::string each; std::getline(lines, each);) all.push_back(json::parse(each));
    return all;
}

}  // namespace

TEST_CASE("bench: latencies are true to one percent, from nanoseconds to minutes") {
    for (const std::uint64_t ns :
         {std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{129}, std::uint64_t{12'345},
          std::uint64_t{7'654'321}, std::uint64_t{60'000'000'000}, ~std::uint64_t{0}}) {
        ferry::bench::latencies took;
        took.add(ns);
        const double us = static_cast<double>(ns) / 1000;
        CHECK(std::abs(took.microseconds(0.5) - us) <= us / 100);
    }
    ferry::bench::latencies many;
    for (std::uint64_t i = 1; i <= 1000; ++i) many.add(i * 1000);
    CHECK(std::abs(many.microseconds(0.5) - 501) <= 5);
    CHECK(std::abs(many.microseconds(0.99) - 991) <= 10);
    CHECK(many.count() == 1000);
    CHECK(ferry::bench::latencies{}.microseconds(0.5) == 0);
}

TEST_CASE("bench: every pattern, over every transport, is an object with its figures beside plain libzmq") {
    for (const char* kind : {"pubsub", "pushpull", "reqrep"})
        for (const char* transport : {"tcp", "ipc", "inproc"}) {
            CAPTURE(kind);
            CAPTURE(transport);
            const finished got =
                bench({kind, "--transport", transport, "--for", "30ms", "--repeats", "1", "--json", "-q"});
            CAPTURE(got.err);
            CHECK(got.status == 0);
            const std::vector<json> all = cases(got.out);
            REQUIRE(all.size() == 1);
            const json& one = all.front();
            CHECK(one["v"] == 1);
            CHECK(one["name"] == kind);
            CHECK(one["size"] == 64);
            CHECK(one["transport"] == transport);
            CHECK(one["rate"] > 100);
            CHECK(one["baseline_rate"] > 100);
            CHECK(std::abs(one["ratio"].get<double>() -
                           one["rate"].get<double>() / one["baseline_rate"].get<double>()) < 0.01);
            CHECK(one["p50_us"] > 0);
            CHECK(one["p99_us"] >= one["p50_us"]);
            CHECK(one["lost"] == 0);
        }
}

TEST_CASE("bench: over ipc nothing stays behind") {
    const temporary_directory room;
    const finished got =
        run({FERRY_BINARY, "bench", "pushpull", "--transport", "ipc", "--for", "20ms", "--repeats", "1"},
            {.environment = {{"TMPDIR", room.path()}}, .directory = room.path()});
    CHECK(got.status == 0);
    CHECK(std::filesystem::is_empty(room.path()));
}

TEST_CASE("bench: batches, sizes, a rate, and an earlier run beside this one") {
    const temporary_directory room;
    const finished first = bench({"pushpull", "--batch", "--size", "16", "--size", "1KiB", "--rate", "2000/s",
                                  "--for", "100ms", "--repeats", "1", "--json", "-q"});
    CAPTURE(first.err);
    REQUIRE(first.status == 0);
    const std::vector<json> all = cases(first.out);
    REQUIRE(all.size() == 2);
    CHECK(all[0]["name"] == "pushpull batch");
    CHECK(all[0]["size"] == 16);
    CHECK(all[1]["size"] == 1024);
    for (const json& each : all) {
        CHECK(each["latency_rate"] == 2000);
        // A machine that stands still is told late by all that was due.
        CHECK(each["rate"] > 200);
        CHECK(each["rate"] < 20'000);
        CHECK(each["lost"] == 0);
    }
    std::ofstream{room / "earlier"} << first.out;
    const finished second = bench({"pushpull", "--batch", "--size", "1KiB", "--for", "50ms", "--repeats", "1",
                                   "-q", "--compare", room / "earlier"});
    CHECK(second.status == 0);
    CHECK(second.out.find("pushpull batch, tcp, 1024 bytes") == 0);
    CHECK(second.out.find("before: ") != std::string::npos);
}

TEST_CASE("bench: a spool is measured beside a bare hop, in a directory that goes with the run") {
    const temporary_directory room;
    const finished got =
        bench({"spool", "--dir", room.path(), "--for", "50ms", "--repeats", "1", "--json", "-q"});
    CAPTURE(got.err);
    REQUIRE(got.status == 0);
    const json one = cases(got.out).at(0);
    CHECK(one["name"] == "spool");
    CHECK(one["size"] == 100);
    CHECK(one["baseline"] == "bare hop");
    CHECK(one["rate"] > 100);
    CHECK(one["baseline_rate"] > 100);
    CHECK(one["p50_us"] > 0);
    CHECK(one["lost"] == 0);
    CHECK(std::filesystem::is_empty(room.path()));
}

TEST_CASE("bench: what cannot be measured is refused in words") {
    for (const std::vector<std::string>& wrong :
         std::vector<std::vector<std::string>>{{"pipes"},
                                               {"pushpull", "extra"},
                                               {"pushpull", "--size", "15"},
                                               {"pushpull", "--transport", "udp"},
                                               {"spool", "--transport", "ipc"},
                                               {"reqrep", "--batch"},
                                               {"pushpull", "--for", "0s"},
                                               {"pushpull", "--rate", "fast"},
                                               {"pushpull", "--compare", FERRY_BINARY}}) {
        const finished got = bench(wrong);
        CAPTURE(got.err);
        CHECK(got.status == 2);
        CHECK(got.out.empty());
        CHECK(got.err.find("usage: ferry bench ") != std::string::npos);
    }
    CHECK(bench({"pushpull", "--compare", "/no/such/file"}).status == 3);
    CHECK(bench({"spool", "--dir", "/no/such/directory"}).status == 3);
}

TEST_CASE("bench: an interrupted run ends at once, with its processes and its directory") {
    const temporary_directory room;
    process running{{FERRY_BINARY, "bench", "spool", "--dir", room.path(), "--for", "1h", "-q"}};
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    // Once its spool is there it waits for a producer's result, for an hour.
    while (!std::filesystem::exists(room.path()) || std::filesystem::is_empty(room.path()))
        REQUIRE(std::chrono::steady_clock::now() < end);
    running.kill(SIGINT);
    CHECK(running.wait() == 130);
    CHECK(std::filesystem::is_empty(room.path()));
}
