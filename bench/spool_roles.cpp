// A spool on a real disk, its producer and its consumer, each in a process of its own.
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>

#include "bench/meter.hpp"
#include "bench/pace.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"

namespace ferry::bench {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

consumer_options taking() {
    return {.stream = bench_stream, .group = bench_stream};
}

}  // namespace

void spool_role(const words& arguments) {
    context context;
    context.stop_on_signals();
    spool spool{context, {.directory = arguments.at(0), .listen = {ferry::bind("tcp://127.0.0.1:*")}}};
    std::printf("%s\n", spool.endpoints().at(0).c_str());
    std::fflush(stdout);
    spool.wait();
}

void fill_role(const words& arguments) {
    context context;
    producer jobs{context, ferry::connect(arguments.at(0)), {.stream = bench_stream}};
    numbered_body body{std::stoul(arguments.at(1))};
    const std::uint64_t count = std::stoull(arguments.at(2));
    jobs.wait_for_spool();
    const auto from = clock::now();
    for (std::uint64_t i = 0; i < count; ++i) jobs.put(body.next());
    jobs.flush();
    report(count, clock::now() - from, count - jobs.stats().confirmed);
}

void fill_late_role(const words& arguments) {
    context context;
    producer jobs{context, ferry::connect(arguments.at(0)), {.stream = bench_stream}};
    numbered_body body{std::stoul(arguments.at(1))};
    const std::uint64_t count = std::stoull(arguments.at(2));
    const std::uint64_t from_ms = std::stoull(arguments.at(3));
    const std::uint64_t span_ms = std::stoull(arguments.at(4));
    std::mt19937_64 random{1};
    jobs.wait_for_spool();
    const auto from = clock::now();
    for (std::uint64_t i = 0; i < count; ++i) {
        message late{body.next()};
        late.set_header("delay", static_cast<std::int64_t>(from_ms + random() % span_ms));
        jobs.put(late);
    }
    jobs.flush();
    report(count, clock::now() - from, count - jobs.stats().confirmed);
}

void crowd_role(const words& arguments) {
    context context;
    context.stop_on_signals();
    const endpoint at = ferry::connect(arguments.at(0));
    const bool streams = arguments.at(1) == "streams";
    std::vector<std::unique_ptr<consumer>> all;
    std::vector<delivery> held;
    producer{context, at, {.stream = bench_stream}}.put("held");
    for (std::uint64_t i = 0; i < std::stoull(arguments.at(2)); ++i) {
        const std::string name = "crowd-" + std::to_string(i);
        if (streams) producer{context, at, {.stream = name}}.put("held");
        consumer_options of{.stream = streams ? name : bench_stream, .group = streams ? bench_stream : name};
        of.credit = 1;
        all.push_back(std::make_unique<consumer>(context, at, of));
        auto got = all.back()->next(20s);
        if (!got) throw std::runtime_error{"no message to hold"};
        held.push_back(std::move(*got));
    }
    std::printf("ready\n");
    std::fflush(stdout);
    while (!context.stopped()) all.front()->next(60s);
}

void hold_role(const words& arguments) {
    context context;
    consumer_options how = taking();
    const bool all = arguments.at(1) == "all";
    const std::uint64_t count = std::stoull(arguments.at(2));
    how.credit = 2 * count;
    consumer work{context, ferry::connect(arguments.at(0)), how};
    std::vector<delivery> held;
    while (held.size() < count) {
        if (!all) take_one(work);
        auto given = work.next(20s);
        if (!given) throw std::runtime_error{"no message to hold"};
        held.push_back(std::move(*given));
    }
    work.flush();
    std::printf("ready\n");
    std::fflush(stdout);
    work.next();
}

void put_role(const words& arguments) {
    context context;
    producer jobs{context, ferry::connect(arguments.at(0)), {.stream = bench_stream}};
    numbered_body body{std::stoul(arguments.at(1))};
    jobs.wait_for_spool();
    measure_and_go_on([&] { jobs.put(body.next()); }, [&] { return jobs.stats().confirmed; },
                      hop_window_of(arguments, 2), steps_of(std::stoul(arguments.at(1))));
}

void put_paced_role(const words& arguments) {
    context context;
    producer jobs{context, ferry::connect(arguments.at(0)), {.stream = bench_stream}};
    numbered_body body{std::stoul(arguments.at(1))};
    jobs.wait_for_spool();
    for (pace by{std::stod(arguments.at(2))};;) jobs.put(body.next(by.next()));
}

void scatter_role(const words& arguments) {
    context context;
    const endpoint at = ferry::connect(arguments.at(0));
    numbered_body body{std::stoul(arguments.at(1))};
    std::vector<std::unique_ptr<producer>> all;
    for (std::uint64_t i = 0; i < std::stoull(arguments.at(2)); ++i)
        all.push_back(std::make_unique<producer>(context, at,
                                                 producer_options{.stream = "scatter-" + std::to_string(i)}));
    for (const auto& each : all) each->wait_for_spool();
    std::size_t next = 0;
    measure([&] { all[next++ % all.size()]->put(body.next()); },
            [&] {
                std::uint64_t confirmed = 0;
                for (const auto& each : all) confirmed += each->stats().confirmed;
                return confirmed;
            });
    for (const auto& each : all) each->flush();
}

void take_role(const words& arguments) {
    context context;
    consumer work{context, ferry::connect(arguments.at(0)), taking()};
    const std::uint64_t count = std::stoull(arguments.at(1));
    const std::uint64_t first = count / 10;
    for (std::uint64_t i = 0; i < first; ++i) take_one(work);
    const auto from = clock::now();
    for (std::uint64_t i = first; i < count; ++i) take_one(work);
    work.flush();
    report(count - first, clock::now() - from, count - work.stats().acked);
}

void take_on_role(const words& arguments) {
    context context;
    consumer work{context, ferry::connect(arguments.at(0)), taking()};
    const std::size_t size = arguments.size() > 2 ? std::stoul(arguments[2]) : 100;
    measure([&] { take_one(work); }, [&] { return work.stats().acked; }, hop_window_of(arguments, 1),
            steps_of(size));
}

void take_timed_role(const words& arguments) {
    context context;
    consumer work{context, ferry::connect(arguments.at(0)), taking()};
    meter meter{hop_window_of(arguments, 1)};
    while (!meter.over()) {
        auto given = work.next(20s);
        if (!given) throw std::runtime_error{"no message to take"};
        meter.take(given->body());
        given->ack();
    }
    meter.report();
}

}  // namespace ferry::bench
