// ferry demo: all of ferry on real events, in real processes, with deaths in between; ends with a table.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>

#include "cli/commands.hpp"
#include "cli/demo_crew.hpp"
#include "cli/demo_parts.hpp"
#include "cli/exit_codes.hpp"
#include "cli/flags.hpp"

namespace ferry::cli {

stop_on_failure::stop_on_failure(ferry::context& context)
    : context_{context}, exceptions_{std::uncaught_exceptions()} {}
stop_on_failure::~stop_on_failure() {
    if (std::uncaught_exceptions() > exceptions_) context_.request_stop();
}

namespace {

constexpr std::size_t durable_messages = 100'000;

std::string number_or_dash(const std::optional<std::uint64_t>& number) {
    return number ? fmt::format("{}", *number) : "-";
}

void print_table(const std::vector<demo_result>& results) {
    constexpr std::string_view form = "{:<18} {:>8} {:>10} {:>10} {:>22} {:>6} {:>8} {:>12}\n";
    std::string table = fmt::format(form, "part", "sent", "confirmed", "delivered", "redelivered (flagged)",
                                    "lost", "time", "rate");
    for (const demo_result& each : results)
        table += fmt::format(form, each.part, each.sent, number_or_dash(each.confirmed), each.delivered,
                             number_or_dash(each.redelivered), each.lost,
                             fmt::format("{:.2f} s", each.took.count()),
                             fmt::format("{:.0f}/s", static_cast<double>(each.sent) / each.took.count()));
    std::fputs(table.c_str(), stdout);
    std::fflush(stdout);
}

int show_all(ferry::context& context, const std::string& file, const talk& talk) {
    const demo_events events{file};
    progress line;
    const demo_stage stage{context, events, talk, line, std::max(durable_messages, events.size())};
    talk.say(fmt::format("{} events of {}", events.size(), file));
    std::vector<demo_result> results;
    for (const auto show : {show_topics, show_questions, show_work}) results.push_back(show(stage));
    print_table(results);
    bool right = true;
    for (const demo_result& each : results)
        for (const std::string& wrong : each.wrong) {
            talk.complain("demo", fmt::format("{}: {}", each.part, wrong));
            right = false;
        }
    return to_int(right ? exit_code::done : exit_code::failed);
}

// The processes of the parts are this command with further words, which its help does not show.
std::optional<int> run_member(const std::vector<std::string>& words) {
    if (words.size() != 3) return std::nullopt;
    if (words[0] == "replier") return run_demo_replier(words[1], words[2]);
    if (words[0] == "worker") return run_demo_worker(words[1], words[2]);
    return std::nullopt;
}

int run_demo(command_line& line) {
    shared_flags flags;
    std::string file;
    declare(line, flags, {});
    line.value("--data", "FILE", "events as JSON lines instead of the earthquakes that come with ferry",
               [&file](const std::string& word) { file = word; });
    const std::vector<std::string> words = line.parse();
    if (const auto status = run_member(words)) return *status;
    if (!words.empty())
        throw usage_error{fmt::format("no arguments are expected, but there is '{}'", words[0])};
    if (file.empty()) file = find_demo_data();

    context context;
    context.stop_on_signals();
    try {
        return show_all(context, file, flags.speaker());
    } catch (const demo_stopped&) {
        return interrupted_by(context.signal());
    } catch (const std::exception&) {
        // A stop lets waits end in other ways too; then that is why.
        if (context.signal() != 0) return interrupted_by(context.signal());
        throw;
    }
}

constexpr std::array<std::string_view, 2> examples = {"ferry demo", "ferry demo --data events.jsonl"};
constexpr std::array<std::string_view, 1> runnable = {"ferry demo -q"};

}  // namespace

const command demo_command{
    "demo",
    "",
    "demo [--data FILE]",
    "Runs publish/subscribe, request/reply and durable work on real events, and checks the results.",
    examples,
    runnable,
    run_demo};

}  // namespace ferry::cli
