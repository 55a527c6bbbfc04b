// ferry spool: keeps streams of messages on disk for put and take.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/durable.hpp"
#include "cli/exit_codes.hpp"
#include "cli/units.hpp"
#include "cli/usr1.hpp"
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

// `--in-pull EP=STREAM`: an endpoint of ipc may have a `=` in it, a stream's name may not.
raw_port port_of(raw_port_kind kind, const std::string& word) {
    const bool in = kind == raw_port_kind::in_pull || kind == raw_port_kind::in_sub;
    const std::size_t at = in ? word.rfind('=') : word.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == word.size())
        throw usage_error{fmt::format("--{} takes {}, not '{}'", name_of(kind),
                                      in ? "EP=STREAM, as in @:5556=jobs" : "STREAM=EP, as in jobs=@:5557",
                                      word)};
    const std::string left = word.substr(0, at);
    const std::string right = word.substr(at + 1);
    check_name("stream", in ? right : left);
    return {kind, in ? right : left, endpoint_from(in ? left : right)};
}

void declare_ports(command_line& line, std::vector<raw_port>& ports) {
    const auto declare_port = [&](raw_port_kind kind, const char* unit, std::string_view what) {
        line.value("--" + std::string{name_of(kind)}, unit, what,
                   [&ports, kind](const std::string& word) { ports.push_back(port_of(kind, word)); });
    };
    declare_port(raw_port_kind::in_pull, "EP=STREAM", "store what plain PUSH peers send (repeat)");
    declare_port(raw_port_kind::in_sub, "EP=STREAM", "store what plain publishers publish (repeat)");
    declare_port(raw_port_kind::out_push, "STREAM=EP", "give to plain PULL peers (repeat)");
    declare_port(raw_port_kind::out_pub, "STREAM=EP", "publish to plain subscribers (repeat)");
}

// Every end of the spool, the one to listen on first.
std::vector<endpoint> ends(const spool_options& options) {
    std::vector<endpoint> all = options.listen;
    for (const raw_port& each : options.ports) all.push_back(each.where);
    return all;
}

void check_reach(const spool_options& options) {
    for (const endpoint& each : ends(options))
        if (each.at == side::bind && each.beyond_loopback() && !options.insecure)
            throw failure{
                exit_code::usage,
                fmt::format("refusing to bind {} beyond loopback: other machines could read and write "
                            "every stream; --insecure allows it",
                            each.address)};
}

std::string describe(const raw_port_stats& port) {
    return fmt::format("port {} {} {}: received {}, stored {}, sent {}, lost {}", name_of(port.kind),
                       port.stream, port.endpoint, port.received, port.stored, port.sent, port.lost);
}

// In the words of `spool_stats`; what is 0 and seldom is anything else is left out.
std::string describe(const spool_stats& now) {
    std::string text = fmt::format(
        "spool: streams {}, clients {}, stored {}, duplicate {}, refused {}, delivered {}, redelivered {}, "
        "acked "
        "{}, dead {}, log {} bytes, live {} bytes, syncs {}",
        now.streams, now.sessions, now.messages_stored, now.messages_duplicate, now.messages_refused,
        now.messages_delivered, now.messages_redelivered, now.messages_acked, now.messages_dead,
        now.log_bytes, now.live_bytes, now.syncs);
    const auto add = [&](std::string_view name, std::uint64_t count) {
        if (count > 0) text += fmt::format(", {} {}", name, count);
    };
    add("commits", now.commits);
    add("nacked", now.messages_nacked);
    add("redriven", now.messages_redriven);
    add("expired", now.messages_expired);
    add("removed", now.messages_removed);
    add("dropped", now.messages_dropped);
    add("aged", now.messages_aged);
    add("skipped", now.messages_skipped);
    add("damaged", now.messages_damaged);
    add("moved", now.messages_moved);
    add("leases expired", now.leases_expired);
    add("acks stale", now.acks_stale);
    add("bad frames", now.frames_bad);
    add("message ids", now.dedup_ids);
    if (now.dedup_ids > 0)
        text += fmt::format(", known for {}s",
                            std::chrono::duration_cast<std::chrono::seconds>(now.dedup_span).count());
    if (now.disk_full) text += ", the disk is full";
    if (!now.read_only_reason.empty()) text += ", read-only: " + now.read_only_reason;
    return text;
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
    declare_ports(line, options.ports);
    line.flag("--insecure", "let it bind beyond loopback, open to everybody", options.insecure);
    const std::vector<std::string> words = line.parse();
    check(flags);
    if (!words.empty()) throw usage_error{fmt::format("one argument too many: '{}'", words[0])};
    if (options.directory.empty()) throw usage_error{"--dir is missing: where shall the messages be kept?"};
    if (options.listen.empty()) options.listen.push_back(listen_at(std::string{listen_default}));
    check_reach(options);

    const usr1_signal usr1;
    context context;
    context.stop_on_signals();
    const talk talk = flags.speaker();
    options.on_event = [&talk](const std::string& text) { talk.say("spool: " + text); };
    const endpoints where{ends(options)};
    spool spool = open_quietly(talk, where, [&] { return ferry::spool{context, options}; });
    for (const raw_port_stats& each : spool.stats().ports)
        talk.announce(fmt::format("port {} {} {}", name_of(each.kind), each.stream, each.endpoint));
    const usr1_listener reporter{usr1, [&] {
                                     const spool_stats now = spool.stats();
                                     talk.announce(describe(now));
                                     for (const raw_port_stats& each : now.ports)
                                         talk.announce(describe(each));
                                 }};
    for (const std::string& each : spool.endpoints()) talk.announce("ready " + each);
    spool.wait();
    for (const raw_port_stats& each : spool.stats().ports) talk.say(describe(each));
    return to_int(exit_code::done);
}

constexpr std::array<std::string_view, 4> examples = {
    "ferry spool --dir outbox", "ferry spool --dir /var/lib/jobs --listen @:7000 --listen @/run/jobs.sock",
    "ferry spool --dir feed --sync written",
    "ferry spool --dir jobs --in-pull @:5556=resize --out-push resize=@:5557"};
constexpr std::array<std::string_view, 2> runnable = {
    "ferry spool --dir raw --listen @./raw.sock --in-pull @./in.sock=jobs --out-push jobs=@./out.sock & "
    "s=$!; "
    "ferry push ./in.sock hello --wait 10s && ferry pull ./out.sock -n 1 -t 10s; kill $s; wait $s",

    "ferry spool --dir jobs --listen @./jobs.sock & s=$!; seq 3 | ferry put ./jobs.sock numbers --wait 10s "
    "&& "
    "ferry take ./jobs.sock numbers -n 3 -t 10s; kill $s; wait $s"};

}  // namespace

const command spool_command{"spool",
                            "",
                            "spool --dir DIR [--listen EP] [--in-pull EP=STREAM] [--out-push STREAM=EP]",
                            "Keeps streams of messages on disk, synced before they are confirmed.",
                            examples,
                            runnable,
                            run_spool};

}  // namespace ferry::cli
