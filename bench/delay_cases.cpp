// Delayed messages, and many streams and groups: what they cost a spool.
#include <algorithm>
#include <memory>
#include <optional>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"

namespace ferry::bench {
namespace {

constexpr std::uint64_t million = 1'000'000;
constexpr std::uint64_t hour_ms = 3'600'000;

// One backlog of delayed messages, and all that is measured of it.
struct delayed_backlog {
    double rate = 0, snapshot_megabytes = 0, peak_megabytes = 0, restart_ms = 0, restarted_megabytes = 0;
};

// Delays are spread at random from ten minutes on; a process puts a million of them.
delayed_backlog measure(const std::string& directory, std::uint64_t millions, std::uint64_t span_ms) {
    fresh_spool spool{directory};
    delayed_backlog all;
    for (std::uint64_t i = 0; i < millions; ++i) {
        child producer{{"fill-late", spool.endpoint(), "100", std::to_string(million),
                        std::to_string(hour_ms / 6), std::to_string(span_ms)}};
        const sample one = rate_of(producer.line());
        if (one.lost != 0) throw std::runtime_error{"not all of the backlog was confirmed"};
        all.rate += one.value / static_cast<double>(millions);
    }
    all.peak_megabytes = spool.peak_megabytes();
    all.snapshot_megabytes = spool.snapshot_megabytes();
    all.restart_ms = spool.restart();
    all.restarted_megabytes = spool.peak_megabytes();
    return all;
}

sample among(const std::string& directory, const std::string& crowd) {
    const fresh_spool spool{directory};
    child others{{"crowd", spool.endpoint(), crowd, "1000"}};
    if (others.line() != "ready") throw std::runtime_error{"no crowd"};
    child producer{{"put", spool.endpoint(), "100"}};
    child consumer{{"take-on", spool.endpoint()}};
    const sample in = rate_of(producer.line());
    const sample out = rate_of(consumer.line());
    return {std::min(in.value, out.value), in.lost + out.lost};
}

}  // namespace

void add_delay_cases(std::vector<bench_case>& all, const std::string& directory) {
    const auto add = [&](const std::string& what, std::uint64_t millions, std::uint64_t span_ms) {
        // Measured once, when the first of its cases runs.
        const auto kept = std::make_shared<std::optional<delayed_backlog>>();
        const auto figure = [=](double delayed_backlog::*which) {
            return [=]() -> sample {
                if (!*kept) *kept = measure(directory, millions, span_ms);
                return {**kept.*which, 0};
            };
        };
        all.push_back({"delay, " + what, 100, "msg/s", "", figure(&delayed_backlog::rate), {}, 1});
        all.push_back({"  memory", 100, "MB", "", figure(&delayed_backlog::peak_megabytes), {}, 1});
        all.push_back({"  snapshot", 100, "MB", "", figure(&delayed_backlog::snapshot_megabytes), {}, 1});
        all.push_back(
            {"  restart after SIGKILL", 100, "ms", "", figure(&delayed_backlog::restart_ms), {}, 1});
        all.push_back({"  memory then", 100, "MB", "", figure(&delayed_backlog::restarted_megabytes), {}, 1});
    };
    add("1 M within 1 h", 1, hour_ms);
    add("10 M within 24 h", 10, 24 * hour_ms);
    all.push_back({"among 1,000 streams", 100, "msg/s", "", [=] { return among(directory, "streams"); }, {}});
    all.push_back({"among 1,000 groups", 100, "msg/s", "", [=] { return among(directory, "groups"); }, {}});
}

}  // namespace ferry::bench
