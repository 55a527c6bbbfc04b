// The log beside a plain file, and one confirmed message beside a sync and a round trip.
#include <filesystem>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"

namespace ferry::bench {
namespace {

constexpr double block_megabytes = 0.262144;

// Blocks of 256 KiB, each synced.
sample append(const std::string& directory, const std::string& who) {
    const std::string path = directory + "/append";
    child writer{{"append", who, path}};
    const sample blocks = rate_of(writer.line());
    writer.end();
    std::filesystem::remove_all(path);
    return {blocks.value * block_megabytes, 0};
}

sample sync_and_round_trip(const std::string& directory) {
    const std::string path = directory + "/echo";
    child echo{{"sync-echo", path}};
    child asker{{"sync-ask", echo.line()}};
    const double p50_us = rate_of(asker.line()).p50_us;
    echo.end();
    std::filesystem::remove(path);
    return {p50_us, 0};
}

}  // namespace

void add_disk_cases(std::vector<bench_case>& all, const std::string& directory, const durable_hop& ferry) {
    all.push_back({"log append, synced", 256 << 10, "MB/s", "pwrite + fdatasync",
                   [=] { return append(directory, "ferry"); }, [=] { return append(directory, "plain"); },
                   5});
    all.push_back({"one put, confirmed, p50", 100, "us", "a sync and a round trip", ferry.confirm,
                   [=] { return sync_and_round_trip(directory); }, 5});
}

}  // namespace ferry::bench
