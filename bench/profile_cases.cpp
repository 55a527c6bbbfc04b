// Where a spool's time goes: how many syncs there are, what each carries, and the processor time of every
// thread that a message meets.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"
#include "bench/points.hpp"

namespace ferry::bench {
namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;

constexpr const char* lasts_ms = "3000";
constexpr const char* without_end_ms = "60000";
constexpr const char* first_thread = "main";
constexpr const char* sockets = "ZMQbg/IO/0";

// Nanoseconds of processor time so far, by the names of a process's threads; whatever its first one is
// called, here it is "main".
std::map<std::string, double> processor_ns(pid_t process) {
    std::map<std::string, double> all;
    for (const auto& task : fs::directory_iterator{fmt::format("/proc/{}/task", process)}) {
        std::string name = first_thread;
        if (task.path().filename() != std::to_string(process))
            std::getline(std::ifstream{task.path() / "comm"}, name);
        double ns = 0;
        std::ifstream{task.path() / "schedstat"} >> ns;
        all[name] += ns;
    }
    return all;
}

const std::vector<row>& rows_of_put() {
    static const std::vector<row> all = {
        {"", "msg/s"},
        {"syncs", "/s"},
        {"written a sync", "KiB"},
        {"producer", "ns/msg"},
        {"producer's loop", "ns/msg"},
        {"producer's sockets", "ns/msg"},
        {"spool's sockets", "ns/msg"},
        {"spool's brain", "ns/msg"},
        {"spool's log", "ns/msg"},
    };
    return all;
}

std::vector<row> named(std::vector<row> rows, const std::string& first, const std::vector<row>& more = {}) {
    rows.front().name = first;
    rows.insert(rows.end(), more.begin(), more.end());
    return rows;
}

double count(const header_map& counters, const std::string& name) {
    return static_cast<double>(std::get<std::int64_t>(counters.at(name)));
}

// All of it is from the begin of the processes to the end of what the producer measures. Both sides go on
// until then.
std::vector<sample> profile(const std::string& directory, std::size_t size, bool both) {
    const fresh_spool spool{directory};
    const auto from = clock::now();
    child producer{{"put", spool.endpoint(), std::to_string(size), lasts_ms}};
    std::unique_ptr<child> consumer;
    if (both)
        consumer = std::make_unique<child>(
            std::vector<std::string>{"take-on", spool.endpoint(), without_end_ms, std::to_string(size)});
    static_cast<void>(producer.line());
    const header_map counters = spool.counters();
    const double seconds = std::chrono::duration<double>(clock::now() - from).count();
    const auto putting = processor_ns(producer.pid());
    const auto keeping = processor_ns(spool.pid());
    const double put = count(counters, "messages_stored");
    const double syncs = count(counters, "syncs");
    std::vector<sample> found = {
        {put / seconds},
        {syncs / seconds},
        {count(counters, "bytes_written") / syncs / 1024},
        {putting.at(first_thread) / put},
        {putting.at("ferry loop") / put},
        {putting.at(sockets) / put},
        {keeping.at(sockets) / put},
        {keeping.at("ferry spool") / put},
        {keeping.at("ferry log") / put},
    };
    if (!both) return found;
    const auto taking = processor_ns(consumer->pid());
    const double acked = count(counters, "messages_acked");
    for (const double more : {acked / seconds, taking.at(first_thread) / acked,
                              taking.at("ferry loop") / acked, taking.at(sockets) / acked})
        found.push_back({more});
    return found;
}

}  // namespace

void add_profile_cases(std::vector<bench_case>& all, const std::string& directory) {
    for (const std::size_t size : {100, 1024}) {
        add_point(all, size, named(rows_of_put(), "profile, put"),
                  [=] { return profile(directory, size, false); });
        add_point(all, size,
                  named(rows_of_put(), "profile, put and take",
                        {{"acked", "msg/s"},
                         {"consumer", "ns/msg acked"},
                         {"consumer's loop", "ns/msg acked"},
                         {"consumer's sockets", "ns/msg acked"}}),
                  [=] { return profile(directory, size, true); });
    }
}

}  // namespace ferry::bench
