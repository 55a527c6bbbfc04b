// ferry dead: lists and shows the dead letters of a stream's groups, gives them back for another try, or
// drops them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "cli/commands.hpp"
#include "cli/consent.hpp"
#include "cli/dead_letters.hpp"
#include "cli/durable.hpp"
#include "cli/encoding.hpp"
#include "cli/sending.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "core/offset_list.hpp"
#include "core/wildcard.hpp"
#include "ferry/subscriber.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;
using protocol::run;
using std::chrono::steady_clock;

constexpr std::array<std::string_view, 4> verbs = {"ls", "peek", "redrive", "drop"};
constexpr std::array<std::string_view, 2> moved_columns = {"stream", "messages"};
constexpr std::uint64_t runs_per_command = 1000;
constexpr std::chrono::nanoseconds slice = 100ms;  // what one command moves at a limited rate

struct dead_options {
    shared_flags flags;
    bool json = false;
    consent change;
    dead_letter_choice which;
    std::optional<std::chrono::nanoseconds> pause;  // between two messages redriven
};

void declare_choice(command_line& line, dead_options& options) {
    line.value("--group", "G", "of this group only; of all if not given", [&](const std::string& word) {
        check_name("group", word);
        options.which.group = word;
    });
    line.value("--offsets", "A..B", "only these: 1000..1003,1010", [&](const std::string& word) {
        auto runs = read_offsets(word);
        if (!runs) throw usage_error{fmt::format("--offsets: '{}' is not written as 1000..1003,1010", word)};
        options.which.offsets.insert(options.which.offsets.end(), runs->begin(), runs->end());
    });
    line.value("-m,--match", "PATTERN", "only of topics that fit (repeat); * is one token, > the rest",
               [&](const std::string& word) {
                   try {
                       check_pattern(word);
                   } catch (const error& problem) {
                       throw usage_error{fmt::format("--match: {}", problem.what())};
                   }
                   options.which.match.push_back(word);
               });
    line.value("-n,--count", "N", "only the first N of them",
               [&](const std::string& word) { options.which.count = parse_count("--count", word); });
}

// Without a verb, for the help, all of them.
void declare(command_line& line, std::string_view verb, dead_options& options) {
    declare_choice(line, options);
    if (verb.empty() || verb == "redrive")
        line.value("--rate", "N/s", "redrive: so many in that time",
                   [&](const std::string& word) { options.pause = parse_rate("--rate", word); });
    if (verb.empty() || verb == "redrive" || verb == "drop") declare(line, options.change);
    if (verb == "peek") return declare_spool(line, options.flags, {shared::timeout, shared::output});
    line.flag("--json", "one JSON object a line", options.json);
    declare_spool(line, options.flags);
}

delivered_as place_of(const dead_options& options, const dead_letter& each) {
    return {.stream = options.which.stream,
            .group = each.group,
            .offset = each.offset,
            .attempt = each.attempt,
            .time_ns = each.stored_wall_ns,
            .reason = each.reason};
}

std::string as_line(const dead_letter& each) {
    return fmt::format("{:<16}  {:>10}  {:>7}  {:<24}  {:>8}  {}", each.group, each.offset, each.attempt,
                       for_terminal(each.content.topic()), each.content.body().size(),
                       for_terminal(each.reason));
}

void list(remote_spool& spool, output& out, const dead_options& options, const endpoints& where) {
    if (!options.json)
        out.line(fmt::format("{:<16}  {:>10}  {:>7}  {:<24}  {:>8}  {}", "group", "offset", "attempt",
                             "topic", "size", "reason"));
    output json{spool.owner(), {.format = out_format::json}, true};
    for_each_dead_letter(spool, where, options.which, [&](const dead_letter& each) {
        const delivered_as place = place_of(options, each);
        if (options.json)
            json.print(each.content, &place);
        else
            out.line(as_line(each));
        return true;
    });
    json.flush();
}

void peek(remote_spool& spool, const dead_options& options, const endpoints& where) {
    output out{spool.owner(), options.flags.out, true};
    for_each_dead_letter(spool, where, options.which, [&](const dead_letter& each) {
        const delivered_as place = place_of(options, each);
        out.print(each.content, &place);
        return true;
    });
    out.flush();
}

std::uint64_t total(const chosen_dead_letters& chosen) {
    std::uint64_t messages = 0;
    for (const auto& [group, runs] : chosen)
        for (const run& each : runs) messages += each.count;
    return messages;
}

// The first `messages` of `runs`, at most `runs_per_command` of them, taken off.
std::vector<run> take_some(std::vector<run>& runs, std::uint64_t messages) {
    std::vector<run> some;
    std::size_t whole = 0;
    while (whole < runs.size() && whole < runs_per_command && messages > 0) {
        run& each = runs[whole];
        const std::uint64_t count = std::min(each.count, messages);
        some.push_back({each.first, count});
        messages -= count;
        if (count < each.count) {
            each = {each.first + count, each.count - count};
            break;
        }
        ++whole;
    }
    runs.erase(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(whole));
    return some;
}

// One command after the other, each one record in the spool; gives how many messages it was.
struct moved {
    std::uint64_t messages = 0;
    bool all = true;  ///< were asked for before the time was over
};

moved move(remote_spool& spool, const std::string& command, const dead_options& options,
           chosen_dead_letters chosen) {
    const auto until = spool.end().run_deadline().value_or(steady_clock::time_point::max());
    const auto pause = options.pause.value_or(0ns);
    const std::uint64_t at_once = pause == 0ns
                                      ? ~std::uint64_t{0}
                                      : std::max<std::uint64_t>(1, static_cast<std::uint64_t>(slice / pause));
    moved done;
    auto due = steady_clock::now();
    for (auto& [group, runs] : chosen)
        while (!runs.empty() && due < until && sleep_until(spool.owner(), due)) {
            const std::vector<run> some = take_some(runs, at_once);
            const header_map row = spool
                                       .call(command, {{"stream", options.which.stream},
                                                       {"group", group},
                                                       {"offsets", write_offsets(some)}})
                                       .at(0);
            done.messages += number_in(row, "messages");
            due += pause * static_cast<std::int64_t>(total({{group, some}}));
        }
    done.all = std::ranges::all_of(chosen, [](const auto& each) { return each.second.empty(); });
    return done;
}

exit_code change(remote_spool& spool, output& out, const dead_options& options, const endpoints& where,
                 const std::string& verb) {
    chosen_dead_letters chosen = choose_dead_letters(spool, where, options.which);
    const auto describe = [&](std::uint64_t messages) {
        const std::string group =
            options.which.group ? fmt::format("group '{}' of ", *options.which.group) : "";
        return fmt::format("{} dead letters of {}stream '{}'", messages, group, options.which.stream);
    };
    const std::uint64_t found = total(chosen);
    const auto as_row = [&](std::uint64_t messages) {
        return as_json({{"stream", options.which.stream}, {"messages", static_cast<std::int64_t>(messages)}},
                       moved_columns);
    };
    if (options.change.dry_run) {
        out.line(options.json ? as_row(found) : fmt::format("would {} {}", verb, describe(found)));
        return exit_code::done;
    }
    if (found > 0 && !options.change.given(spool.owner(), verb + " " + describe(found))) {
        options.flags.speaker().say(verb == "drop" ? "nothing was dropped" : "nothing was redriven");
        return exit_code::failed;
    }
    const moved done = move(spool, "dead." + verb, options, std::move(chosen));
    if (options.json) out.line(as_row(done.messages));
    options.flags.speaker().say(
        fmt::format("{} {}", verb == "drop" ? "dropped" : "redrove", describe(done.messages)));
    if (done.all || spool.owner().stopped()) return exit_code::done;
    options.flags.speaker().say(
        fmt::format("the time was over before the other {}", found - std::min(found, done.messages)));
    return exit_code::timed_out;
}

int run_dead(command_line& line) {
    dead_options options;
    const std::string verb = line.verb(verbs);
    declare(line, verb, options);
    std::vector<std::string> words = line.parse();
    check(options.flags);
    const endpoints where = take_spool(words, options.flags);
    options.which.stream = take_name(words, "stream");
    refuse_more(words);
    const bool changes = verb == "redrive" || verb == "drop";
    if (changes) options.change.check();

    return with_spool(options.flags, where, [&](remote_spool& spool, output& out) {
        if (changes) return change(spool, out, options, where, verb);
        if (verb == "ls") list(spool, out, options, where);
        if (verb == "peek") peek(spool, options, where);
        return exit_code::done;
    });
}

constexpr std::array<std::string_view, 5> examples = {
    "ferry dead ls :7000 jobs", "ferry dead peek :7000 jobs --group thumbs -n 1 --json",
    "ferry dead redrive :7000 jobs --match 'image.>' --rate 100/s --yes",
    "ferry dead redrive :7000 jobs --offsets 1000..1003,1010 --dry-run",
    "ferry dead drop :7000 jobs --group thumbs --yes"};

}  // namespace

const command dead_command{"dead",
                           "",
                           "dead ls|peek|redrive|drop EP STREAM [--group G]",
                           "Lists, shows, redrives and drops dead letters: messages that failed too often.",
                           examples,
                           {},
                           run_dead};

}  // namespace ferry::cli
