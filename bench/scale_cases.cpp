// How rate, latency and memory go with the number of everything: run by name only, as `--from scale`.
#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"
#include "bench/points.hpp"
#include "bench/window.hpp"

namespace ferry::bench {
namespace {

std::string counted(std::uint64_t many, const std::string& what) {
    std::string digits = std::to_string(many);
    for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), ",");
    return fmt::format("scale, {} {}", digits, many == 1 ? what.substr(0, what.size() - 1) : what);
}

// What a role at a spool that holds so many messages comes to, and the spool's memory then.
std::vector<sample> at_spool(const std::string& directory, std::uint64_t filled,
                             std::vector<std::string> role) {
    const fresh_spool spool{directory};
    if (filled > 0) spool.fill(100, filled);
    role.insert(role.begin() + 1, spool.endpoint());
    child doing{std::move(role)};
    const sample rate = rate_of(doing.line(std::chrono::minutes{2}));
    return {rate, {spool.peak_megabytes()}};
}

// What the spool stores in a second, of clients that are all there. One process holds 4,000 of them at most:
// each takes four of its 20,000 descriptors.
std::vector<sample> connected(const std::string& directory, std::uint64_t many) {
    const fresh_spool spool{directory};
    const std::uint64_t several = (many + 3999) / 4000;
    std::vector<std::unique_ptr<child>> clients;
    for (std::uint64_t i = 0; i < several; ++i)
        clients.push_back(std::make_unique<child>(
            std::vector<std::string>{"connections", spool.endpoint(), std::to_string(many / several)}));
    for (const auto& each : clients)
        if (each->line() != "ready") throw std::runtime_error{"not connected"};
    std::this_thread::sleep_for(hop_warm_up);
    const double before = spool.counter("messages_stored");
    const auto from = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(hop_window);
    const double stored = spool.counter("messages_stored") - before;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
    return {{stored / seconds}, {spool.peak_megabytes()}};
}

std::vector<sample> through_forwarder(std::uint64_t subscriptions) {
    child middle{{"device", "ferry", "forwarder"}};
    const std::string front = middle.line();
    child sender{{"send", "ferry", "pub", front, "", "64", "100000"}};
    child receiver{{"subscribe", middle.line(), std::to_string(subscriptions), "eur.usd"}};
    const double ready_ms = 1000 / rate_of(receiver.line()).value;
    const sample then = rate_of(receiver.line());
    return {{ready_ms}, then, {then.p50_us}, {peak_megabytes_of(middle.pid())}};
}

}  // namespace

void add_scale_cases(std::vector<bench_case>& all, const std::string& directory) {
    const row memory{"memory of the spool", "MB"};
    const auto add = [&](const std::string& name, std::uint64_t filled,
                         const std::vector<std::string>& role) {
        add_point(all, 100, {{name, "msg/s"}, memory}, [=] { return at_spool(directory, filled, role); });
    };
    constexpr std::uint64_t million = 1'000'000;
    for (std::uint64_t many = 10'000; many <= 10 * million; many *= 10)
        add(counted(many, "messages, take"), many, {"take", std::to_string(many)});
    for (std::uint64_t many = 1; many <= 1000; many *= 10)
        add(counted(many, "streams"), 0, {"scatter", "100", std::to_string(many)});
    for (std::uint64_t many = 1; many <= 1000; many *= 10)
        add(counted(many, "groups"), million / many,
            {"share", "groups", std::to_string(many), std::to_string(million / many)});
    for (std::uint64_t many = 1; many <= 1000; many *= 10)
        add(counted(many, "consumers"), million,
            {"share", "consumers", std::to_string(many), std::to_string(million)});
    for (const std::uint64_t many : {1, 10, 100, 1000, 5000})
        add_point(all, 100, {{counted(many, "connections"), "msg/s"}, memory},
                  [=] { return connected(directory, many); });
    for (std::uint64_t many = 1; many <= million; many *= 100)
        add_point(all, 64,
                  {{counted(many, "subscriptions") + ", until heard", "ms"},
                   {"received of 100 k/s", "msg/s"},
                   {"p50", "us"},
                   {"memory of the forwarder", "MB"}},
                  [=] { return through_forwarder(many); });
}

}  // namespace ferry::bench
