#include "cli/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "cli/words.hpp"

namespace ferry::cli {
namespace {

constexpr std::array all_commands = {
    &pub_command,    &sub_command,   &push_command,      &pull_command,   &req_command,      &rep_command,
    &put_command,    &take_command,  &forwarder_command, &queue_command,  &streamer_command, &spool_command,
    &stream_command, &group_command, &dead_command,      &verify_command, &dump_command,     &bench_command,
    &demo_command,   &help_command,  &version_command,
};

// A row stands in the overview as soon as one of its commands is built.
struct row {
    std::string_view group;
    std::string_view names;
    std::string_view what;
};

constexpr std::array<row, 13> rows = {
    {{"Messages", "pub sub", "publish messages, subscribe to topics"},
     {"", "push pull", "hand work to pullers in turn, take it"},
     {"", "req rep", "ask and print the reply, answer"},
     {"Durable", "put take", "store messages in a spool, take and ack them"},
     {"Devices", "forwarder queue streamer", "stand between pub/sub, req/rep, push/pull"},
     {"", "spool", "keeps messages on disk"},
     {"Streams", "stream group", "list, show, make, change, remove them in a spool"},
     {"", "dead", "list, show, redrive, drop what failed too often"},
     {"", "verify dump", "check and print a spool's directory, off line"},
     {"Measure", "bench", "how fast it is here, beside plain libzmq"},
     {"Other", "demo", "run all of it on real data"},
     {"", "help", "help COMMAND; help examples [COMMAND]"},
     {"", "version", "versions of ferry and libzmq"}}};

constexpr std::array<std::string_view, 9> starters = {
    "ferry sub :5555 news weather",
    "ferry pub @:5555 news hello",
    "ferry pub @:5555 -T news < lines.txt",
    "ferry pull @:5556 --json",
    "ferry push :5556 'resize 1.png'",
    "ferry rep @:5560 --exec 'wc -c'",
    "ferry req :5560 hello",
    "ferry sub :5555 -n 10 -t 5s -F '{topic}: {payload}\\n'",
    "ferry forwarder @:5555 @:5556"};

constexpr std::size_t overview_lines = 20;

std::vector<std::string_view> split(std::string_view names) {
    std::vector<std::string_view> all;
    while (!names.empty()) {
        const auto space = std::min(names.find(' '), names.size());
        all.push_back(names.substr(0, space));
        names.remove_prefix(std::min(space + 1, names.size()));
    }
    return all;
}

std::vector<std::string> overview_rows() {
    std::vector<std::string> lines;
    std::string_view group;
    for (const row& each : rows) {
        if (!each.group.empty()) group = each.group;
        std::string built;
        for (const std::string_view name : split(each.names))
            if (find_command(name) != nullptr) built += (built.empty() ? "" : "  ") + std::string{name};
        if (built.empty()) continue;
        lines.push_back(fmt::format("{:<9} {:<26} {}", group, built, each.what));
        group = "";
    }
    return lines;
}

}  // namespace

std::span<const command* const> commands() {
    return all_commands;
}

const command* find_command(std::string_view name) {
    const auto found = std::find_if(all_commands.begin(), all_commands.end(), [name](const command* each) {
        return each->name == name || (!each->alias.empty() && each->alias == name);
    });
    return found == all_commands.end() ? nullptr : *found;
}

std::string unknown_command(std::string_view name) {
    std::vector<std::string_view> names;
    for (const command* each : all_commands) {
        names.push_back(each->name);
        if (!each->alias.empty()) names.push_back(each->alias);
    }
    return fmt::format("unknown command '{}'{}", name, did_you_mean(name, names));
}

std::string overview() {
    std::vector<std::string> lines = {"ferry: messages between programs over ZeroMQ, without a broker",
                                      "usage: ferry COMMAND [ARGUMENTS] [FLAGS]", ""};
    for (std::string& each : overview_rows()) lines.push_back(std::move(each));
    lines.emplace_back("");
    bool first = true;
    for (const std::string_view each : starters) {
        if (find_command(split(each)[1]) == nullptr || lines.size() + 2 >= overview_lines) continue;
        lines.push_back(fmt::format("{:<9} {}", first ? "Examples" : "", each));
        first = false;
    }
    lines.emplace_back(
        "An endpoint connects; with @ in front it binds: :5555 host:5555 @:5555 @any:5555 ./x.sock");
    lines.emplace_back("ferry help COMMAND tells the flags of a command.");
    std::string text;
    for (const std::string& each : lines) text += each + '\n';
    return text;
}

}  // namespace ferry::cli
