// The first part of `ferry demo`: publish/subscribe through a forwarder.
#include <fmt/format.h>
#include <sys/types.h>

#include <algorithm>
#include <csignal>

#include "cli/demo_crew.hpp"
#include "cli/demo_parts.hpp"
#include "cli/exit_codes.hpp"
#include "ferry/publisher.hpp"

namespace ferry::cli {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

// Behind a prefix it is the topic of the last message: no event's topic has a `~`.
constexpr std::string_view end_mark = "~end";

struct reader {
    std::string prefix{};
    std::vector<std::string> lines{};  // TOPIC PAYLOAD
    std::uint64_t marks = 0;           // those of longer prefixes reach the shorter ones too
    bool complete = false;
    demo_process* process = nullptr;

    void take(std::string_view line) {
        const std::string_view topic = line.substr(0, line.find(' '));
        if (!topic.ends_with(end_mark)) return lines.emplace_back(line), void();
        ++marks;
        if (topic == prefix + std::string{end_mark}) complete = true;
    }
};

// The specific prefixes come first, so that each wait is for this subscriber's and not for a wider one.
void start_readers(demo_crew& crew, publisher& feed, const std::vector<std::string>& command,
                   std::vector<reader>& readers) {
    for (reader& each : readers) {
        std::vector<std::string> words = command;
        words.push_back(each.prefix);
        each.process = &crew.start(words, [&each](std::string_view line) { each.take(line); });
        if (feed.wait_for_subscriber_of(each.prefix, 15s) == outcome::timed_out)
            throw failure{exit_code::failed, fmt::format("no subscription to '{}' arrived", each.prefix)};
    }
}

void publish_all(publisher& feed, const demo_stage& stage, const std::vector<reader>& readers) {
    for (const demo_event& each : stage.events.all())
        if (feed.publish(each.topic, each.line) == published::stopped) throw demo_stopped{};
    for (const reader& each : readers) feed.publish(each.prefix + std::string{end_mark}, "");
}

// What this subscriber should have printed, sorted.
std::vector<std::string> asked_for(const std::string& prefix, const demo_events& events) {
    std::vector<std::string> lines;
    for (const demo_event& each : events.all())
        if (each.topic.starts_with(prefix)) lines.push_back(each.topic + ' ' + each.line);
    std::sort(lines.begin(), lines.end());
    return lines;
}

void compare(reader& got, const demo_stage& stage, demo_result& result) {
    const std::vector<std::string> expected = asked_for(got.prefix, stage.events);
    std::sort(got.lines.begin(), got.lines.end());
    std::vector<std::string> missing;
    std::set_difference(expected.begin(), expected.end(), got.lines.begin(), got.lines.end(),
                        std::back_inserter(missing));
    result.delivered += got.lines.size();
    result.lost += missing.size();
    const std::size_t foreign = got.lines.size() + missing.size() - expected.size();
    if (!missing.empty() || foreign > 0)
        result.wrong.push_back(
            fmt::format("the subscriber of '{}' asked for {} events, missed {} and got {} "
                        "it had not asked for",
                        got.prefix, expected.size(), missing.size(), foreign));
    const std::string summary = fmt::format("received {}, lost 0", got.lines.size() + got.marks);
    if (!got.process->announced(summary))
        result.wrong.push_back(fmt::format("the subscriber of '{}' did not say '{}'", got.prefix, summary));
    stage.speaker.say(
        fmt::format("   {:<16} {} of {} events", got.prefix, got.lines.size(), expected.size()));
}

}  // namespace

demo_result show_topics(const demo_stage& stage) {
    demo_result result{.part = "publish/subscribe", .sent = stage.events.size()};
    stage.speaker.say(
        "1. publish/subscribe: a publisher, a forwarder and three subscribers with different prefixes");
    demo_crew crew{stage.context};
    // Queues that hold everything: here all of it shall arrive, however slow a subscriber is.
    const std::size_t queued_max = stage.events.size() + stage.events.prefixes().size();
    const std::string mark = std::to_string(queued_max);
    demo_process& device = crew.start({"forwarder", "@:0", "@:0", "--hwm", mark});
    const std::vector<std::string> ends = crew.ready_words(device);  // forwarder FRONT BACK
    publisher feed{
        stage.context,
        connect(ends.at(1)),
        {.overflow = overflow::block, .socket = {.high_water_mark = static_cast<int>(queued_max)}}};
    std::vector<reader> readers;
    for (const std::string& prefix : stage.events.prefixes()) readers.push_back({.prefix = prefix});
    start_readers(crew, feed, {"sub", ends.at(2), "--hwm", mark, "-F", "{topic} {payload}\\n"}, readers);

    const auto begin = steady_clock::now();
    publish_all(feed, stage, readers);
    crew.until("every subscriber has heard the end", [&] {
        stage.line.show(fmt::format("   {} events received", readers.back().lines.size()));
        return std::all_of(readers.begin(), readers.end(), [](const reader& each) { return each.complete; });
    });
    result.took = steady_clock::now() - begin;
    stage.line.clear();
    for (reader& each : readers) crew.end(*each.process, SIGINT);
    crew.end(device, SIGTERM);
    for (reader& each : readers) compare(each, stage, result);
    if (device.status() != 0) result.wrong.push_back("the forwarder did not end with status 0");
    return result;
}

}  // namespace ferry::cli
