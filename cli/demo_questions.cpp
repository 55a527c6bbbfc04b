// The second part of `ferry demo`: request/reply through a queue, with a replier that dies.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <future>

#include "cli/demo_crew.hpp"
#include "cli/demo_parts.hpp"
#include "cli/exit_codes.hpp"
#include "ferry/replier.hpp"
#include "ferry/requester.hpp"

namespace ferry::cli {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr unsigned askers = 8;
constexpr std::size_t repliers = 3;

// A request a replier took into its grave is asked again half a second later.
constexpr auto request_timeout = 10s;
constexpr unsigned request_attempts = 20;

// What the asking threads share.
struct questionnaire {
    const demo_events& events;
    demo_crew& crew;
    requester ask;
    std::atomic<std::size_t> next{0};
    std::atomic<std::uint64_t> right{0};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> unanswered{0};

    std::uint64_t ended() const { return right + wrong + unanswered; }

    void ask_all() {
        for (std::size_t i = next++; i < events.size(); i = next++) {
            const demo_event& event = events.all()[i];
            const answer got = ask.ask(message{std::string_view{event.id}});
            if (got.kind == answer_kind::stopped) return;
            if (got.kind != answer_kind::answered)
                ++unanswered;
            else
                ++(got.content.body() == events.magnitude_of(event.id) ? right : wrong);
            crew.wake();
        }
    }
};

// Killed while it has requests: each asker has one under way, and a third of them are there.
void kill_one_meanwhile(const demo_stage& stage, demo_crew& crew, questionnaire& sheet,
                        demo_process& victim) {
    const auto shown = [&](std::uint64_t count) {
        return [&stage, &sheet, count] {
            stage.line.show(fmt::format("   {} answers", sheet.ended()));
            return sheet.ended() >= count;
        };
    };
    crew.until("a third of the answers", shown(stage.events.size() / 3));
    crew.end(victim, SIGKILL);
    const std::uint64_t answers = sheet.ended();
    stage.line.clear();
    stage.speaker.say(fmt::format("   one replier killed after {} answers", answers));
    crew.until("all answers", shown(stage.events.size()));
    stage.line.clear();
}

}  // namespace

demo_result show_questions(const demo_stage& stage) {
    demo_result result{.part = "request/reply", .sent = stage.events.size()};
    stage.speaker.say("2. request/reply: magnitudes by id, through a queue to three repliers");
    demo_crew crew{stage.context};
    demo_process& device = crew.start({"queue", "@:0", "@:0"});
    const std::vector<std::string> ends = crew.ready_words(device);  // queue FRONT BACK
    std::array<demo_process*, repliers> members{};
    for (demo_process*& each : members)
        each = &crew.start({"demo", "replier", ends.at(2), stage.events.path()});
    for (demo_process* each : members) crew.ready_words(*each);

    questionnaire sheet{
        .events = stage.events,
        .crew = crew,
        .ask = {
            stage.context, connect(ends.at(1)), {.timeout = request_timeout, .attempts = request_attempts}}};
    const auto begin = steady_clock::now();
    {
        std::vector<std::future<void>> threads;
        const stop_on_failure guard{stage.context};
        for (unsigned i = 0; i < askers; ++i)
            threads.push_back(std::async(std::launch::async, [&sheet] { sheet.ask_all(); }));
        kill_one_meanwhile(stage, crew, sheet, *members[1]);
        for (auto& each : threads) each.get();
    }
    result.took = steady_clock::now() - begin;
    result.delivered = sheet.right + sheet.wrong;
    result.redelivered = sheet.ask.stats().retries;
    result.lost = sheet.unanswered;
    stage.speaker.say(fmt::format("   {} requests answered, {} of them asked again", result.delivered,
                                  *result.redelivered));
    if (sheet.unanswered > 0)
        result.wrong.push_back(fmt::format("{} requests got no answer", sheet.unanswered.load()));
    if (sheet.wrong > 0)
        result.wrong.push_back(
            fmt::format("{} answers are not the magnitude in the file", sheet.wrong.load()));
    for (const std::size_t living : {std::size_t{0}, repliers - 1}) crew.end(*members[living], SIGTERM);
    crew.end(device, SIGTERM);
    if (device.status() != 0) result.wrong.push_back("the queue did not end with status 0");
    return result;
}

int run_demo_replier(const std::string& where, const std::string& file) {
    const demo_events events{file};
    context context;
    context.stop_on_signals();
    replier answers{context, connect(where)};
    if (answers.wait_for_peer(10s) == outcome::timed_out)
        throw failure{exit_code::no_peer, "no queue at " + where};
    talk{}.announce("ready replier");
    answers.serve([&events](const message& question) {
        return message{events.magnitude_of(question.body()).value_or("no such event")};
    });
    return to_int(exit_code::done);
}

}  // namespace ferry::cli
