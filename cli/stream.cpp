// ferry stream: lists, shows, creates, changes, empties and removes the streams of a spool. What reads and
// writes their messages stands in stream_messages.cpp.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/consent.hpp"
#include "cli/remote_spool.hpp"
#include "cli/stream_columns.hpp"
#include "cli/stream_messages.hpp"
#include "cli/stream_settings.hpp"
#include "cli/table.hpp"

namespace ferry::cli {
namespace {

constexpr std::array<std::string_view, 10> verbs = {"ls",  "info",   "create", "set",   "peek",
                                                    "get", "export", "import", "purge", "rm"};

constexpr std::array<std::string_view, 2> purge_columns = {"stream", "messages"};

struct stream_options {
    shared_flags flags;
    bool json = false;
    consent removal;
    header_map settings;  // of a new stream, or to change
};

// Without a verb, for the help, all of them.
void declare(command_line& line, std::string_view verb, stream_options& options) {
    if (verb.empty() || verb == "create" || verb == "set") declare_settings(line, options.settings);
    if (verb.empty() || verb == "purge" || verb == "rm") declare(line, options.removal);
    if (verb.empty()) declare_stream_messages(line);
    line.flag("--json", "one JSON object a line", options.json);
    declare_spool(line, options.flags);
}

// The stream's row, then its groups'.
std::string info_as_json(const std::vector<header_map>& rows) {
    std::string groups;
    for (std::size_t i = 1; i < rows.size(); ++i) {
        groups += groups.empty() ? "" : ",";
        json_object each{groups};
        append_members(each, rows[i], group_members);
    }
    std::string line;
    {
        json_object object{line};
        object.number("v", 1);
        append_members(object, rows.at(0), stream_columns);
        object.raw("groups", '[' + groups + ']');
    }
    return line;
}

std::string info_as_text(const std::vector<header_map>& rows) {
    std::string text = as_table({rows.at(0)}, stream_list_columns);
    if (const std::string told = describe_settings(rows.at(0)); !told.empty()) text += "\n\n" + told;
    if (rows.size() > 1) text += "\n\n" + as_table({rows.begin() + 1, rows.end()}, group_columns);
    return text;
}

void list(remote_spool& spool, output& out, const stream_options& options) {
    const std::vector<header_map> rows = spool.call("stream.list");
    if (options.json)
        for (const header_map& row : rows) out.line(as_json(row, stream_list_columns));
    else
        out.line(as_table(rows, stream_list_columns));
}

void show(remote_spool& spool, output& out, const stream_options& options, const std::string& name) {
    const std::vector<header_map> rows = spool.call("stream.info", {{"stream", name}});
    out.line(options.json ? info_as_json(rows) : info_as_text(rows));
}

void create(remote_spool& spool, output& out, const stream_options& options, const std::string& name) {
    header_map arguments = options.settings;
    arguments.insert_or_assign("stream", name);
    spool.call("stream.create", arguments);
    options.flags.speaker().say(fmt::format("created stream '{}'", name));
    if (options.json) show(spool, out, options, name);
}

void change(remote_spool& spool, output& out, const stream_options& options, const std::string& name) {
    header_map arguments = options.settings;
    arguments.insert_or_assign("stream", name);
    spool.call("stream.set", arguments);
    options.flags.speaker().say(fmt::format("set stream '{}'", name));
    if (options.json) show(spool, out, options, name);
}

exit_code purge(remote_spool& spool, output& out, const stream_options& options, const std::string& name) {
    const header_map named{{"stream", name}};
    const header_map row = spool.call("stream.info", named).at(0);
    const auto describe = [&](std::uint64_t messages) {
        return fmt::format("stream '{}': {} messages, {} dead letters", name, messages,
                           number_in(row, "dead"));
    };
    if (options.removal.dry_run) {
        const header_map would{{"stream", name}, {"messages", row.at("messages")}};
        out.line(options.json ? as_json(would, purge_columns)
                              : "would purge " + describe(number_in(row, "messages")));
        return exit_code::done;
    }
    if (!options.removal.given(spool.owner(), "purge " + describe(number_in(row, "messages")))) {
        options.flags.speaker().say("nothing was purged");
        return exit_code::failed;
    }
    const header_map gone = spool.call("stream.purge", named).at(0);
    if (options.json) out.line(as_json(gone, purge_columns));
    options.flags.speaker().say(
        fmt::format("purged stream '{}': {} messages", name, number_in(gone, "messages")));
    return exit_code::done;
}

exit_code remove(remote_spool& spool, output& out, const stream_options& options, const std::string& name) {
    const header_map named{{"stream", name}};
    const header_map row = spool.call("stream.info", named).at(0);
    const std::string what = fmt::format("stream '{}': {} messages, {} groups", name,
                                         number_in(row, "messages"), number_in(row, "groups"));
    if (options.removal.dry_run) {
        out.line(options.json ? as_json(row, stream_list_columns) : "would remove " + what);
        return exit_code::done;
    }
    if (!options.removal.given(spool.owner(), "remove " + what)) {
        options.flags.speaker().say("nothing was removed");
        return exit_code::failed;
    }
    const std::vector<header_map> gone = spool.call("stream.remove", named);
    if (options.json && !gone.empty()) out.line(as_json(gone[0], stream_list_columns));
    options.flags.speaker().say("removed " + what);
    return exit_code::done;
}

int run_stream(command_line& line) {
    stream_options options;
    const std::string verb = line.verb(verbs);
    if (reads_or_writes(verb)) return run_stream_messages(line, verb);
    declare(line, verb, options);
    std::vector<std::string> words = line.parse();
    check(options.flags);
    const endpoints where = take_spool(words, options.flags);
    const std::string name = verb == "ls" ? std::string{} : take_name(words, "stream");
    refuse_more(words);
    if (verb == "rm" || verb == "purge") options.removal.check();
    if (verb == "set" && options.settings.empty())
        throw usage_error{"nothing to set: give a setting, as --sync"};
    return with_spool(options.flags, where, [&](remote_spool& spool, output& out) {
        if (verb == "rm") return remove(spool, out, options, name);
        if (verb == "purge") return purge(spool, out, options, name);
        if (verb == "ls") list(spool, out, options);
        if (verb == "info") show(spool, out, options, name);
        if (verb == "create") create(spool, out, options, name);
        if (verb == "set") change(spool, out, options, name);
        return exit_code::done;
    });
}

constexpr std::array<std::string_view, 10> examples = {
    "ferry stream ls :7000",
    "ferry stream info :7000 orders --json",
    "ferry stream create :7000 prices --sync written",
    "ferry stream set :7000 orders --dead-max-messages 10000 --dead-max-age 30d",
    "ferry stream purge :7000 orders --yes",
    "ferry stream rm :7000 orders --dry-run",
    "ferry stream rm :7000 orders --yes",
    "ferry stream peek :7000 orders -n 3",
    "ferry stream get :7000 orders 1200 --json",
    "ferry stream export :7000 orders > orders.jsonl"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry spool --dir both --listen @./both.sock & s=$!; seq 3 | ferry put ./both.sock one --wait 10s && "
    "ferry stream export ./both.sock one | ferry stream import ./both.sock two && "
    "ferry stream peek ./both.sock two; c=$?; kill $s; wait $s; "
    "[ $c = 0 ]"};

}  // namespace

const command stream_command{
    "stream",
    "",
    "stream ls|info|create|set|peek|get|export|import|purge|rm EP [STREAM [OFFSET]]",
    "Lists, shows, creates, changes, reads, copies, empties and removes a spool's streams.",
    examples,
    runnable,
    run_stream};

}  // namespace ferry::cli
