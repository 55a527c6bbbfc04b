// ferry stream: lists, shows, creates and removes the streams of a spool.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/commands.hpp"
#include "cli/consent.hpp"
#include "cli/remote_spool.hpp"
#include "cli/stream_columns.hpp"
#include "cli/table.hpp"
#include "cli/words.hpp"

namespace ferry::cli {
namespace {

constexpr std::array<std::string_view, 4> verbs = {"ls", "info", "create", "rm"};
constexpr std::array<std::string_view, 3> grades = {"synced", "written", "queued"};

struct stream_options {
    shared_flags flags;
    bool json = false;
    consent removal;
    header_map settings;  // of a new stream
};

// Without a verb, for the help, all of them.
void declare(command_line& line, std::string_view verb, stream_options& options) {
    if (verb.empty() || verb == "create")
        line.value("--sync", "GRADE", "create: what a confirm means by default: synced written queued",
                   [&options](const std::string& grade) {
                       if (std::find(grades.begin(), grades.end(), grade) == grades.end())
                           throw usage_error{fmt::format("--sync: '{}' is not synced, written or queued{}",
                                                         grade, did_you_mean(grade, grades))};
                       options.settings.insert_or_assign("sync", grade);
                   });
    if (verb.empty() || verb == "rm") declare(line, options.removal);
    line.flag("--json", "one JSON object a line", options.json);
    declare_spool(line, options.flags);
}

// The stream's row, then its groups'.
std::string info_as_json(const std::vector<header_map>& rows) {
    std::string groups;
    for (std::size_t i = 1; i < rows.size(); ++i) {
        groups += groups.empty() ? "" : ",";
        json_object each{groups};
        append_members(each, rows[i], group_columns);
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
    declare(line, verb, options);
    std::vector<std::string> words = line.parse();
    check(options.flags);
    const endpoints where = take_spool(words, options.flags);
    const std::string name = verb == "ls" ? std::string{} : take_name(words, "stream");
    refuse_more(words);
    if (verb == "rm") options.removal.check();
    return with_spool(options.flags, where, [&](remote_spool& spool, output& out) {
        if (verb == "rm") return remove(spool, out, options, name);
        if (verb == "ls") list(spool, out, options);
        if (verb == "info") show(spool, out, options, name);
        if (verb == "create") create(spool, out, options, name);
        return exit_code::done;
    });
}

constexpr std::array<std::string_view, 5> examples = {
    "ferry stream ls :7000", "ferry stream info :7000 orders --json",
    "ferry stream create :7000 prices --sync written", "ferry stream rm :7000 orders --dry-run",
    "ferry stream rm :7000 orders --yes"};

}  // namespace

const command stream_command{"stream",
                             "",
                             "stream ls|info|create|rm EP [STREAM]",
                             "Lists, shows, creates and removes the streams of a spool.",
                             examples,
                             {},
                             run_stream};

}  // namespace ferry::cli
