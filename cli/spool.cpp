// ferry spool: keeps streams of messages on disk for put and take.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/durable.hpp"
#include "cli/exit_codes.hpp"
#include "cli/units.hpp"
#include "ferry/spool.hpp"

namespace ferry::cli {
namespace {

constexpr std::string_view listen_default = "@:7000";

// `--listen` always binds: the @ may be there or not.
endpoint listen_at(const std::string& word) {
    try {
        return ferry::bind(word);
    } catch (const error& problem) {
        throw usage_error{problem.what()};
    }
}

void check_reach(const spool_options& options) {
    for (const endpoint& each : options.listen)
        if (each.beyond_loopback() && !options.insecure)
            throw failure{
                exit_code::usage,
                fmt::format("refusing to bind {} beyond loopback: other machines could read and write "
                            "every stream; --insecure allows it",
                            each.address)};
}

int run_spool(command_line& line) {
    shared_flags flags;
    spool_options options;
    declare(line, flags, {});
    line.value("--dir", "DIR", "the directory that holds the streams; made if missing",
               [&](const std::string& word) { options.directory = word; });
    line.value("--listen", "EP", "where to bind; @:7000 if not given (repeat)",
               [&](const std::string& word) { options.listen.push_back(listen_at(word)); });
    line.value("--sync", "GRADE", "default grade of confirms: synced, written or queued",
               [&](const std::string& word) { options.default_grade = parse_grade("--sync", word); });
    line.value("--segment-size", "SIZE", "size of a segment file: 64MiB, from 1MiB to 1GiB",
               [&](const std::string& word) { options.segment_bytes = parse_size("--segment-size", word); });
    line.value("--claim-wait", "DUR",
               "after a restart: how long messages are kept for those who held them (2s)",
               [&](const std::string& word) {
                   options.claim_wait =
                       std::chrono::ceil<std::chrono::milliseconds>(parse_duration("--claim-wait", word));
               });
    line.flag("--insecure", "let it bind beyond loopback, open to everybody", options.insecure);
    const std::vector<std::string> words = line.parse();
    check(flags);
    if (!words.empty()) throw usage_error{fmt::format("one argument too many: '{}'", words[0])};
    if (options.directory.empty()) throw usage_error{"--dir is missing: where shall the messages be kept?"};
    if (options.listen.empty()) options.listen.push_back(listen_at(std::string{listen_default}));
    check_reach(options);

    context context;
    context.stop_on_signals();
    const talk talk = flags.speaker();
    options.on_event = [&talk](const std::string& text) { talk.say("spool: " + text); };
    const endpoints where{options.listen};
    spool spool = open_quietly(talk, where, [&] { return ferry::spool{context, options}; });
    std::string ready = "ready";
    for (const std::string& each : spool.endpoints()) ready += ' ' + each;
    talk.announce(ready);
    spool.wait();
    return to_int(exit_code::done);
}

constexpr std::array<std::string_view, 3> examples = {
    "ferry spool --dir outbox", "ferry spool --dir /var/lib/jobs --listen @:7000 --listen @/run/jobs.sock",
    "ferry spool --dir feed --sync written"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry spool --dir jobs --listen @./jobs.sock & s=$!; seq 3 | ferry put ./jobs.sock numbers --wait 10s "
    "&& "
    "ferry take ./jobs.sock numbers -n 3 -t 10s; kill $s; wait $s"};

}  // namespace

const command spool_command{"spool",
                            "",
                            "spool --dir DIR [--listen EP]",
                            "Keeps streams of messages on disk, synced before they are confirmed.",
                            examples,
                            runnable,
                            run_spool};

}  // namespace ferry::cli
