// Many of everything in one process: consumers that share work, connections that put, subscriptions.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"
#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"

namespace ferry::bench {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr int at_once = 64;  // taken from one consumer before the next one's turn
// Messages that are given out at a time: of many consumers each gets some.
constexpr std::uint64_t credit_all = 20'000, credit_least = 20;

}  // namespace

void share_role(const words& arguments) {
    context context;
    const bool groups = arguments.at(1) == "groups";
    const std::uint64_t many = std::stoull(arguments.at(2));
    const std::uint64_t messages = std::stoull(arguments.at(3)) * (groups ? many : 1);
    const endpoint at = ferry::connect(arguments.at(0));
    const auto group_of = [&](std::uint64_t i) { return "share-" + std::to_string(groups ? i : 0); };
    // What all groups that there are have acked is removed: those that come later would have none of it.
    administrator admin{context, at};
    for (std::uint64_t i = 0; i < (groups ? many : 1); ++i)
        admin.call("group.create", {{"stream", std::string{bench_stream}}, {"group", group_of(i)}});
    const auto from = clock::now();
    std::vector<std::unique_ptr<consumer>> all;
    for (std::uint64_t i = 0; i < many; ++i)
        all.push_back(std::make_unique<consumer>(
            context, at,
            consumer_options{.stream = bench_stream,
                             .group = group_of(i),
                             .credit = std::max(credit_all / many, credit_least)}));
    std::uint64_t acked = 0;
    // Whoever has nothing now has its turn again later; when nobody has, one waits.
    for (std::size_t patient = 0; acked < messages; ++patient) {
        const std::uint64_t before = acked;
        for (const auto& each : all)
            for (int i = 0; i < at_once; ++i) {
                auto given = each->next(0ms);
                if (!given) break;
                given->ack();
                ++acked;
            }
        if (acked > before) continue;
        if (auto given = all[patient % many]->next(5ms)) {
            given->ack();
            ++acked;
        }
    }
    std::uint64_t answered = 0;
    for (const auto& each : all) {
        each->flush();
        answered += each->stats().acked;
    }
    report(messages, clock::now() - from, messages - answered);
}

void connections_role(const words& arguments) {
    context context;
    numbered_body body{100};
    std::vector<std::unique_ptr<producer>> all;
    for (std::uint64_t i = 0; i < std::stoull(arguments.at(1)); ++i)
        all.push_back(std::make_unique<producer>(context, ferry::connect(arguments.at(0)),
                                                 producer_options{.stream = bench_stream}));
    for (const auto& each : all) each->wait_for_spool();
    std::printf("ready\n");
    std::fflush(stdout);
    // Each puts a few at a time: that many clients are not in step.
    for (std::uint64_t put = 0;; ++put) all[put / 16 % all.size()]->put(body.next());
}

// Begins when the topic is heard at all. It then comes last: with its first message all are known to whoever
// is asked.
void subscribe_role(const words& arguments) {
    const std::string& topic = arguments.at(2);
    zmq::context_t context;
    {
        zmq::socket_t heard{context, zmq::socket_type::sub};
        heard.connect(arguments.at(0));
        heard.set(zmq::sockopt::subscribe, topic);
        zmq::message_t part;
        if (!heard.recv(part)) throw std::runtime_error{"interrupted"};
    }
    zmq::socket_t in{context, zmq::socket_type::sub};
    in.set(zmq::sockopt::sndhwm, 0);
    in.set(zmq::sockopt::rcvhwm, 0);
    in.connect(arguments.at(0));
    const auto from = clock::now();
    for (std::uint64_t i = 1; i < std::stoull(arguments.at(1)); ++i)
        in.set(zmq::sockopt::subscribe, "filler." + std::to_string(i));
    in.set(zmq::sockopt::subscribe, topic);
    bool first = true;
    meter meter;
    while (!meter.over()) {
        zmq::message_t part;
        do {
            if (!in.recv(part)) throw std::runtime_error{"interrupted"};
        } while (part.more());
        if (std::exchange(first, false)) report(1, clock::now() - from, 0);
        meter.take(part.to_string_view());
    }
    meter.report();
}

}  // namespace ferry::bench
