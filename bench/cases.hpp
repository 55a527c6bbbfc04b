// The cases of the benchmark. Each is measured a few times in turn with its counterpart: A B A B A B.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ferry::bench {

/// What one run of one side came to.
struct sample {
    double value = 0;
    std::uint64_t lost = 0;
    double p50_us = 0, p99_us = 0;  ///< 0 where it was not asked
};

struct bench_case {
    std::string name;
    std::size_t size = 0;  ///< bytes of a body, 0 where there is none
    std::string unit = "msg/s";
    std::string against;  ///< what the counterpart is; empty: there is none
    std::function<sample()> ours;
    std::function<sample()> theirs;
    int repeats = 3;
    bool by_name_only = false;  ///< not one of those that are run when nobody says which
};

/// What a spool does with messages of a size.
struct durable_hop {
    std::function<sample(std::size_t)> put;
    std::function<sample(std::size_t, int of_each)> put_and_take;  ///< by so many producers and consumers
    std::function<sample()> confirm;  ///< one after the other: how long each takes
};

/// `directory` is for the spools; `ferry` is the command line's binary.
std::vector<bench_case> all_cases(const std::string& directory, const std::string& ferry);
/// Delayed messages, and many streams and groups.
void add_delay_cases(std::vector<bench_case>& all, const std::string& directory);
/// A spool beside a bare hop and beside the queue servers that are installed.
void add_rival_cases(std::vector<bench_case>& all, const std::string& directory, const durable_hop& ferry);
/// The disk's own rate beside the log's, and one message at a time.
void add_disk_cases(std::vector<bench_case>& all, const std::string& directory, const durable_hop& ferry);
/// Requests under way at the same time, producers and consumers side by side.
void add_many_cases(std::vector<bench_case>& all, const durable_hop& ferry);
/// Restarts with a backlog; what many streams and groups cost.
void add_backlog_cases(std::vector<bench_case>& all, const std::string& directory);
/// Where the time goes: syncs, bytes, threads.
void add_profile_cases(std::vector<bench_case>& all, const std::string& directory);
/// From one to many: messages kept, streams, groups, consumers, connections, subscriptions.
void add_scale_cases(std::vector<bench_case>& all, const std::string& directory);

}  // namespace ferry::bench
