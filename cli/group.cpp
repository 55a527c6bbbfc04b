// ferry group: lists, shows, creates, sends elsewhere, pauses and removes the groups of a stream.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/consent.hpp"
#include "cli/durable.hpp"
#include "cli/filter_flags.hpp"
#include "cli/remote_spool.hpp"
#include "cli/stream_columns.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace ferry::cli {
namespace {

constexpr std::array<std::string_view, 7> verbs = {"ls", "info", "create", "seek", "pause", "resume", "rm"};
constexpr std::array<std::string_view, 3> seek_columns = {"stream", "group", "start"};

struct group_options {
    shared_flags flags;
    bool json = false;
    consent removal;
    header_map settings;  // of a new group
    filter_flags wants;
};

// "0s,1s,5s" as the milliseconds the spool reads.
std::string read_backoff(const std::string& text) {
    std::string steps;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const auto step = std::chrono::ceil<std::chrono::milliseconds>(
            parse_duration("--backoff", text.substr(at, end - at)));
        steps += (steps.empty() ? "" : ",") + std::to_string(step.count());
        at = end + 1;
    }
    return steps;
}

std::int64_t read_attempts(const std::string& text) {
    constexpr std::uint64_t attempts_max = 1'000'000'000;
    const std::uint64_t attempts = parse_count("--max-attempts", text);
    if (attempts > attempts_max) throw usage_error{fmt::format("--max-attempts: at most {}", attempts_max)};
    return static_cast<std::int64_t>(attempts);
}

void declare_settings(command_line& line, header_map& settings) {
    line.value(
        "--from", "START", "create: first (default), new, an offset or a time (--from=-5m)",
        [&](const std::string& text) { settings.insert_or_assign("from", parse_from("--from", text)); });
    line.value("--lease", "DUR", "create: how long a consumer has for a message unless it renews (30s)",
               [&](const std::string& text) {
                   settings.insert_or_assign("group_lease_ms", parse_lease("--lease", text).count());
               });
    line.value("--lease-max", "DUR", "create: a lease is not renewed beyond this (12h)",
               [&](const std::string& text) {
                   settings.insert_or_assign("lease_max_ms", parse_lease("--lease-max", text).count());
               });
    line.value("--backoff", "DUR,...",
               "create: pause after the 1st, 2nd, ... failure; the last repeats (0s,1s,5s,30s)",
               [&](const std::string& text) { settings.insert_or_assign("backoff_ms", read_backoff(text)); });
    line.value("--max-in-flight", "N", "create: messages on lease at a time, of all consumers (no limit)",
               [&](const std::string& text) {
                   settings.insert_or_assign("max_in_flight",
                                             static_cast<std::int64_t>(parse_count("--max-in-flight", text)));
               });
    line.value("--ordered", "key|none", "create: messages of one key go out one at a time, in order (none)",
               [&](const std::string& word) {
                   settings.insert_or_assign("ordered", read_order(word) ? "key" : "none");
               });
    line.flag("--single-active", "create: one consumer at a time is given messages, the others stand by",
              [&] { settings.insert_or_assign("single_active", std::int64_t{1}); });
    line.value(
        "--max-attempts", "N", "create: after so many a message is a dead letter (16)",
        [&](const std::string& text) { settings.insert_or_assign("max_attempts", read_attempts(text)); });
}

// Without a verb, for the help, all of them.
void declare(command_line& line, std::string_view verb, group_options& options) {
    if (verb.empty() || verb == "create") {
        declare_settings(line, options.settings);
        declare(line, options.wants);
    }
    if (verb.empty() || verb == "rm") declare(line, options.removal);
    line.flag("--json", "one JSON object a line", options.json);
    declare_spool(line, options.flags);
}

void print(output& out, const group_options& options, const std::vector<header_map>& rows) {
    if (options.json)
        for (const header_map& row : rows) out.line(as_json(row, group_list_members));
    else
        out.line(as_table(rows, group_columns));
}

exit_code remove(remote_spool& spool, output& out, const group_options& options, const header_map& named) {
    const std::vector<header_map> rows = spool.call("group.info", named);
    const header_map& row = rows.at(0);
    const std::string what = fmt::format(
        "group '{}' of stream '{}': {} ready, {} leased, {} delayed, {} dead",
        std::get<std::string>(named.at("group")), std::get<std::string>(named.at("stream")),
        number_in(row, "ready"), number_in(row, "leased"), number_in(row, "delayed"), number_in(row, "dead"));
    if (options.removal.dry_run) {
        if (options.json)
            print(out, options, rows);
        else
            out.line("would remove " + what);
        return exit_code::done;
    }
    if (!options.removal.given(spool.owner(), "remove " + what)) {
        options.flags.speaker().say("nothing was removed");
        return exit_code::failed;
    }
    const std::vector<header_map> gone = spool.call("group.remove", named);
    if (options.json) print(out, options, gone);
    options.flags.speaker().say("removed " + what);
    return exit_code::done;
}

exit_code create(remote_spool& spool, output& out, const group_options& options, const header_map& named) {
    header_map arguments = options.settings;
    if (!options.wants.patterns.empty()) arguments.emplace("filter", as_lines(options.wants.patterns));
    if (!options.wants.where.empty()) arguments.emplace("where", as_lines(options.wants.where));
    arguments.insert(named.begin(), named.end());
    spool.call("group.create", arguments);
    options.flags.speaker().say(fmt::format("created group '{}' of stream '{}'",
                                            std::get<std::string>(named.at("group")),
                                            std::get<std::string>(named.at("stream"))));
    if (options.json) print(out, options, spool.call("group.info", named));
    return exit_code::done;
}

exit_code seek(remote_spool& spool, output& out, const group_options& options, header_map arguments,
               const std::string& place) {
    arguments.insert_or_assign("from", place);
    const header_map row = spool.call("group.seek", arguments).at(0);
    if (options.json) out.line(as_json(row, seek_columns));
    options.flags.speaker().say(
        fmt::format("group '{}' of stream '{}' goes on at {}", std::get<std::string>(row.at("group")),
                    std::get<std::string>(row.at("stream")), number_in(row, "start")));
    return exit_code::done;
}

exit_code pause(remote_spool& spool, output& out, const group_options& options, const header_map& named,
                const std::string& verb) {
    spool.call("group." + verb, named);
    options.flags.speaker().say(
        fmt::format("{} group '{}' of stream '{}'", verb == "pause" ? "paused" : "resumed",
                    std::get<std::string>(named.at("group")), std::get<std::string>(named.at("stream"))));
    if (options.json) print(out, options, spool.call("group.info", named));
    return exit_code::done;
}

// The last word of seek: an age begins with a dash and is no flag.
std::string take_place(std::vector<std::string>& words) {
    if (words.empty()) throw usage_error{"the place to go to is missing: first, new, an offset or a time"};
    const std::string place = parse_from("seek", words.front());
    words.erase(words.begin());
    return place;
}

int run_group(command_line& line) {
    group_options options;
    const std::string verb = line.verb(verbs);
    declare(line, verb, options);
    std::vector<std::string> words = line.parse();
    check(options.flags);
    const endpoints where = take_spool(words, options.flags);
    header_map named{{"stream", take_name(words, "stream")}};
    if (verb != "ls") named.emplace("group", take_name(words, "group"));
    const std::string place = verb == "seek" ? take_place(words) : std::string{};
    refuse_more(words);
    if (verb == "rm") options.removal.check();
    return with_spool(options.flags, where, [&](remote_spool& spool, output& out) {
        if (verb == "create") return create(spool, out, options, named);
        if (verb == "rm") return remove(spool, out, options, named);
        if (verb == "seek") return seek(spool, out, options, named, place);
        if (verb == "pause" || verb == "resume") return pause(spool, out, options, named, verb);
        print(out, options, spool.call(verb == "ls" ? "group.list" : "group.info", named));
        return exit_code::done;
    });
}

constexpr std::array<std::string_view, 7> examples = {
    "ferry group ls :7000 orders",
    "ferry group info :7000 orders billing --json",
    "ferry group create :7000 orders audit --from first --lease 5m --max-attempts 3",
    "ferry group create :7000 orders europe --filter 'order.*.eu' --where tier=gold",
    "ferry group seek :7000 orders audit 2026-01-31T12:00:00Z",
    "ferry group pause :7000 orders audit",
    "ferry group rm :7000 orders audit --yes"};

}  // namespace

const command group_command{"group",
                            "",
                            "group ls|info|create|seek|pause|resume|rm EP STREAM [GROUP [PLACE]]",
                            "Lists, shows, creates, moves, pauses and removes the groups of a stream.",
                            examples,
                            {},
                            run_group};

}  // namespace ferry::cli
