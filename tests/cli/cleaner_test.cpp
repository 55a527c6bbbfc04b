// A real spool under churn: its directory stays within twice of what is live and four segments.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "ferry/administrator.hpp"
#include "tests/cli/spool_process.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t segment_bytes = 1 << 20;

// What is counted: the segments of the chain, the open one as large as it was made, and the cold ones; not
// the spares and the snapshots.
std::uint64_t segment_file_bytes(const std::string& directory) {
    std::uint64_t sum = 0;
    for (const auto& each : fs::recursive_directory_iterator(directory)) {
        std::error_code gone;  // between the listing and here
        const std::uint64_t bytes = each.path().extension() == ".log" ? each.file_size(gone) : 0;
        if (!gone) sum += bytes;
    }
    return sum;
}

std::int64_t stat(const spool_process& of, const std::string& name) {
    ferry::context context;
    administrator asked{context, ferry::connect(of.at)};
    return std::get<std::int64_t>(asked.call("spool.stats").at(0).at(name));
}

}  // namespace

TEST_CASE(
    "cli: a spool's directory stays within twice what is live and four segments while messages are stuck in "
    "it") {
    constexpr int rounds = 40;
    constexpr int lines = 600;
    spool_process spool{"@:0", {"--segment-size", "1MiB"}};
    std::string input;
    for (int i = 0; i < lines; ++i) input += std::to_string(i) + std::string(1000, '.') + "\n";
    const std::string stuck(1000, '!');
    std::uint64_t most_over = 0;
    for (int round = 1; round <= rounds; ++round) {
        REQUIRE(run_ferry({"put", spool.at, "s", std::to_string(round) + stuck, "--delay", "10h"}).status ==
                0);
        REQUIRE(run_ferry({"put", spool.at, "s"}, {.input = input}).status == 0);
        REQUIRE(run_ferry({"take", spool.at, "s", "-n", std::to_string(lines), "-F", "{offset}\\n"}).status ==
                0);
        const std::uint64_t live = static_cast<std::uint64_t>(round) * 1100;
        const std::uint64_t bytes = segment_file_bytes(spool.directory / "spool");
        most_over = std::max(most_over, bytes > 2 * live ? bytes - 2 * live : 0);
    }
    MESSAGE("24 MB put and taken, 40 KB of it live; beyond twice that at most ", most_over / 1024, " KiB");
    CHECK(most_over <= 4 * segment_bytes);
    CHECK(stat(spool, "messages_moved") > 0);
    CHECK(stat(spool, "cold_segments") > 0);
    // What is live is counted now and then: what was taken last may not be in the count yet.
    const auto until = std::chrono::steady_clock::now() + patience;
    while (stat(spool, "live_bytes") >= 100'000) REQUIRE(std::chrono::steady_clock::now() < until);

    // Nothing of it was lost, by a SIGKILL neither.
    spool.running->kill(SIGKILL);
    CHECK(spool.running->wait() == 128 + SIGKILL);
    const finished seen = run_ferry({"verify", spool.directory / "spool"});
    CHECK(seen.status == 0);
    CHECK(seen.out.ends_with(" 0 bad\n"));
    spool.start();
    const finished peek = run_ferry({"take", spool.at, "s", "--peek", "--idle", "300ms"});
    for (int round = 1; round <= rounds; ++round)
        CHECK(("\n" + peek.out).find("\n" + std::to_string(round) + stuck + "\n") != std::string::npos);
    const finished info = run_ferry({"stream", "info", spool.at, "s", "--json"});
    CHECK(info.out.find("\"delayed\":" + std::to_string(rounds)) != std::string::npos);
}
