#include "bench/cases.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"
#include "bench/meter.hpp"
#include "bench/roles.hpp"

namespace ferry::bench {
namespace {

using clock = std::chrono::steady_clock;

constexpr const char* any_port = "tcp://127.0.0.1:*";

sample direct(const std::string& who, const std::string& kind, std::size_t size) {
    child receiver{{"receive", who, kind, any_port, std::to_string(window.count()), std::to_string(size)}};
    const std::string where = receiver.line();
    child sender{{"send", who, kind, where, receiver.line(), std::to_string(size)}};
    return rate_of(receiver.line());
}

// What is sent, and by whom, through whose device.
struct passage {
    std::string device, device_by;
    std::string kind, peers_by;
};

sample through(const passage& what, std::size_t size) {
    child middle{{"device", what.device_by, what.device}};
    const std::string front = middle.line();
    child receiver{{"receive", what.peers_by, what.kind, middle.line(), std::to_string(window.count()),
                    std::to_string(size)}};
    child sender{{"send", what.peers_by, what.kind, front, receiver.line(), std::to_string(size)}};
    return rate_of(receiver.line());
}

std::uint64_t backlog_of(std::size_t size) {
    return size > 500 ? 400'000 : 2'000'000;
}

sample put(const std::string& directory, std::size_t size) {
    const fresh_spool spool{directory};
    child producer{{"put", spool.endpoint(), std::to_string(size)}};
    return rate_of(producer.line());
}

sample confirm(const std::string& directory) {
    const fresh_spool spool{directory};
    child producer{{"confirm", spool.endpoint()}};
    return {rate_of(producer.line()).p50_us, 0};
}

sample take(const std::string& directory, std::size_t size) {
    const fresh_spool spool{directory};
    spool.fill(size, backlog_of(size));
    child consumer{{"take", spool.endpoint(), std::to_string(backlog_of(size))}};
    return rate_of(consumer.line());
}

// The slower of both sides: the rate at which messages go through.
sample put_and_take(const std::string& directory, std::size_t size, int of_each) {
    const fresh_spool spool{directory};
    std::vector<std::unique_ptr<child>> producers, consumers;
    for (int i = 0; i < of_each; ++i) {
        producers.push_back(
            std::make_unique<child>(std::vector<std::string>{"put", spool.endpoint(), std::to_string(size)}));
        consumers.push_back(std::make_unique<child>(std::vector<std::string>{"take-on", spool.endpoint()}));
    }
    sample in, out;
    for (const auto& [all, sum] : {std::pair{&producers, &in}, std::pair{&consumers, &out}})
        for (const auto& each : *all) {
            const sample one = rate_of(each->line());
            sum->value += one.value;
            sum->lost += one.lost;
        }
    return {std::min(in.value, out.value), in.lost + out.lost};
}

sample memory(const std::string& directory, std::size_t size) {
    const fresh_spool spool{directory};
    spool.fill(size, 1'000'000);
    child consumer{{"take", spool.endpoint(), "100000"}};
    const sample taken = rate_of(consumer.line());
    return {spool.peak_megabytes(), taken.lost};
}

// Of a thousand messages, in the process that puts or takes them.
sample allocations(const std::string& directory, const std::string& way) {
    const fresh_spool spool{directory};
    constexpr std::uint64_t count = 200'000;
    if (way == "take") spool.fill(100, count * 2);
    child counting{{way + "-allocations", spool.endpoint(), std::to_string(count)}};
    return rate_of(counting.line());
}

sample start_time(const std::string& ferry) {
    const auto from = clock::now();
    child version{ferry, {"version"}};
    if (version.line().empty() || version.wait() != 0) throw std::runtime_error{"ferry version failed"};
    return {std::chrono::duration<double, std::milli>(clock::now() - from).count(), 0};
}

constexpr std::uint64_t lines = 2'000'000;

// Messages a second of a process that puts so many, its start and end included.
template <typename Start>
sample process_that_puts(const std::string& directory, Start start) {
    const fresh_spool spool{directory};
    const auto from = clock::now();
    const std::unique_ptr<child> putting = start(spool.endpoint());
    if (putting->wait() != 0) throw std::runtime_error{"not all lines were put"};
    const double seconds = std::chrono::duration<double>(clock::now() - from).count();
    return {static_cast<double>(lines) / seconds,
            lines - static_cast<std::uint64_t>(spool.counter("messages_stored"))};
}

sample put_file(const std::string& directory, const std::string& ferry, std::size_t size) {
    const std::string file = directory + "/lines";
    if (!std::filesystem::exists(file)) {
        std::ofstream all{file};
        for (std::uint64_t i = 0; i < lines; ++i) all << std::string(size, 'x') << '\n';
        all.close();
        ::sync();  // what it writes back later would share the disk with what is measured
    }
    return process_that_puts(directory, [&](const std::string& endpoint) {
        return std::make_unique<child>("/bin/sh", words{"-c", "exec '" + ferry + "' put --quiet " + endpoint +
                                                                  " bench < '" + file + "'"});
    });
}

sample put_same(const std::string& directory, std::size_t size) {
    return process_that_puts(directory, [&](const std::string& endpoint) {
        return std::make_unique<child>(words{"fill", endpoint, std::to_string(size), std::to_string(lines)});
    });
}

}  // namespace

std::vector<bench_case> all_cases(const std::string& directory, const std::string& ferry) {
    std::vector<bench_case> all;
    const auto add = [&](std::string name, std::string kind, std::size_t size) {
        all.push_back({std::move(name), size, "msg/s", "plain libzmq",
                       [=] { return direct("ferry", kind, size); },
                       [=] { return direct("plain", kind, size); }});
    };
    // The peers are plain on both sides, so that only the device differs; but for batches, which they do not
    // know.
    const auto add_device = [&](std::string device, std::string kind, std::size_t size) {
        const bool batches = kind.ends_with("-batch");
        all.push_back({device + (batches ? ", batches" : ""), size, "msg/s", "zmq_proxy",
                       [=] {
                           return through({device, "ferry", kind, batches ? "ferry" : "plain"}, size);
                       },
                       [=] {
                           return through({device, "plain", kind, "plain"}, size);
                       }});
    };
    for (const std::size_t size : {64, 1024}) add("push/pull", "push", size);
    for (const std::size_t size : {64, 1024}) add("pub/sub, no envelope", "pub", size);
    for (const std::size_t size : {64, 1024}) add("pub/sub, losses counted", "counted", size);
    for (const std::size_t size : {64, 1024}) add("push/pull, batches", "push-batch", size);
    for (const std::size_t size : {64, 1024}) add("pub/sub, batches", "pub-batch", size);
    for (const std::size_t size : {64, 1024}) add_device("forwarder", "pub", size);
    add_device("forwarder", "pub-batch", 64);
    add_device("streamer", "push", 64);
    const durable_hop hop{
        [=](std::size_t size) { return put(directory, size); },
        [=](std::size_t size, int of_each) { return put_and_take(directory, size, of_each); },
        [=] { return confirm(directory); }};
    add_rival_cases(all, directory, hop);
    add_disk_cases(all, directory, hop);
    add_many_cases(all, hop);
    for (const std::size_t size : {100, 1024})
        all.push_back({"take and ack", size, "msg/s", "", [=] { return take(directory, size); }, {}});
    all.push_back(
        {"spool memory, 1 M backlog", 100, "MB", "", [=] { return memory(directory, 100); }, {}, 1});
    for (const std::string way : {"put", "take"})
        all.push_back(
            {"allocations, " + way, 100, "/1,000", "", [=] { return allocations(directory, way); }, {}, 1});
    add_delay_cases(all, directory);
    add_backlog_cases(all, directory);
    all.push_back({"ferry put, of a file's lines", 100, "msg/s", "the library, in a program",
                   [=] { return put_file(directory, ferry, 100); }, [=] { return put_same(directory, 100); },
                   5});
    all.push_back({"ferry version", 0, "ms", "", [=] { return start_time(ferry); }, {}, 21});
    add_profile_cases(all, directory);
    add_scale_cases(all, directory);
    return all;
}

}  // namespace ferry::bench
