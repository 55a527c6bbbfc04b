#include "cli/flags.hpp"

#include <fmt/format.h>

#include "cli/exit_codes.hpp"
#include "cli/option_names.hpp"
#include "cli/units.hpp"
#include "cli/words.hpp"

namespace ferry::cli {
namespace {

using text = const std::string&;

void declare_endpoints(command_line& line, shared_flags& flags) {
    line.value("-b,--bind", "EP", "bind here (repeat; mixes with -c)",
               [&flags](text ep) { flags.where.push_back(ferry::bind(ep)); });
    line.value("-c,--connect", "EP", "connect here (repeat; mixes with -b)",
               [&flags](text ep) { flags.where.push_back(ferry::connect(ep)); });
}

void declare_timeout(command_line& line, shared_flags& flags) {
    line.value("-t,--timeout", "DUR", "bound the whole run: 250ms 2s 5m",
               [&flags](text value) { flags.end.timeout = parse_duration("--timeout", value); });
}

void declare_ending(command_line& line, shared_flags& flags) {
    line.value("-n,--count", "N", "stop after N messages",
               [&flags](text value) { flags.end.count = parse_count("--count", value); });
    declare_timeout(line, flags);
    line.value("--idle", "DUR", "end after this long without a message",
               [&flags](text value) { flags.end.idle = parse_duration("--idle", value); });
}

void declare_input(command_line& line, shared_flags& flags) {
    line.value("-i,--in", "FORMAT", "line raw nul json len32",
               [&flags](text name) { flags.in.format = parse_in_format(name); });
    line.value("-f,--file", "FILE", "send this file as one message (repeat)",
               [&flags](text path) { flags.in.files.push_back(path); });
}

void set_format(output_options& out, out_format format) {
    if (out.format && *out.format != format) throw usage_error{"two output formats are given; choose one"};
    out.format = format;
}

void declare_output(command_line& line, shared_flags& flags) {
    output_options& out = flags.out;
    line.value("-o,--out", "FORMAT", "auto line raw nul json hex msgpack len32",
               [&out](text name) { set_format(out, parse_out_format(name)); });
    const auto shortcut = [&](const char* names, const char* what, out_format format) {
        line.flag(names, what, [&out, format] { set_format(out, format); });
    };
    shortcut("--json", "one JSON object a line", out_format::json);
    shortcut("--raw", "payloads and nothing between", out_format::raw);
    shortcut("--hex", "payloads in hex, one a line", out_format::hex);
    shortcut("--msgpack", "payloads read as msgpack, one a line", out_format::msgpack);
    shortcut("-0,--nul", "a zero byte after each payload", out_format::nul);
    line.value("-F,--format", "TEMPLATE",
               "as in '{topic} {payload}\\n'; also {size} {ts} {n} {payload:hex} {h.NAME}",
               [&out](text form) { out.form = form; });
    line.value("--decode", "KIND", "json or msgpack: with --json, adds the payload as \"data\"",
               [&out](text name) { out.decode = parse_decoding(name); });
}

void add_header(shared_flags& flags, text pair) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
        throw usage_error{fmt::format("--header: '{}' is not NAME=VALUE", pair)};
    flags.headers.insert_or_assign(pair.substr(0, equals), pair.substr(equals + 1));
}

envelope_mode parse_envelope(text name) {
    if (name == "auto") return envelope_mode::automatic;
    if (name == "none") return envelope_mode::none;
    if (name == "full") return envelope_mode::full;
    throw usage_error{fmt::format("--envelope: '{}' is not auto, none or full", name)};
}

void declare_headers(command_line& line, shared_flags& flags) {
    line.value("-H,--header", "K=V", "add a header (repeat); messages then go in the envelope",
               [&flags](text pair) { add_header(flags, pair); });
    line.value("--envelope", "WHEN", "auto (with headers only), none, full",
               [&flags](text name) { flags.envelope = parse_envelope(name); });
}

void declare_pacing(command_line& line, shared_flags& flags) {
    const auto set = [&flags](std::chrono::nanoseconds pause) {
        if (flags.pause) throw usage_error{"give --rate or --interval, once"};
        flags.pause = pause;
    };
    line.value("--rate", "N/s", "send no faster than this",
               [set](text value) { set(parse_rate("--rate", value)); });
    line.value("--interval", "DUR", "send one each DUR",
               [set](text value) { set(parse_duration("--interval", value)); });
}

void declare_waiting(command_line& line, shared_flags& flags) {
    line.value("--wait", "DUR", "how long to wait for a peer",
               [&flags](text value) { flags.wait = parse_duration("--wait", value); });
    line.flag("--no-wait", "do not wait; what nobody takes is counted as lost", flags.no_wait);
}

void declare_sockets(command_line& line, shared_flags& flags) {
    line.value("--linger", "DUR", "how long to flush at the end (2s)", [&flags](text value) {
        flags.socket.linger = std::chrono::ceil<std::chrono::milliseconds>(parse_duration("--linger", value));
        if (flags.socket.linger > std::chrono::hours{24}) throw usage_error{"--linger: at most 24h"};
    });
    line.value("--hwm", "N", "high-water mark: messages queued per peer (1000; 0 = no limit)",
               [&flags](text value) {
                   const std::uint64_t mark = parse_count("--hwm", value, 0);
                   if (mark > 1'000'000'000) throw usage_error{"--hwm: at most 1000000000"};
                   flags.socket.high_water_mark = static_cast<int>(mark);
               });
    line.value("--opt", "NAME=VALUE", "set a socket option by its libzmq name (repeat)",
               [&flags](text pair) { flags.socket.raw.push_back(parse_socket_option(pair)); });
}

void declare_family(command_line& line, shared_flags& flags, shared family) {
    switch (family) {
        case shared::endpoints:
            declare_endpoints(line, flags);
            break;
        case shared::ending:
            declare_ending(line, flags);
            break;
        case shared::timeout:
            declare_timeout(line, flags);
            break;
        case shared::input:
            declare_input(line, flags);
            break;
        case shared::output:
            declare_output(line, flags);
            break;
        case shared::headers:
            declare_headers(line, flags);
            break;
        case shared::pacing:
            declare_pacing(line, flags);
            break;
        case shared::batching:
            line.flag("--batch", "small messages leave together while the wire is busy; for ferry receivers",
                      flags.batch);
            break;
        case shared::waiting:
            declare_waiting(line, flags);
            break;
        case shared::sockets:
            declare_sockets(line, flags);
            break;
        case shared::topic:
            line.value("-T,--topic", "TOPIC", "what a sender stamps; the prefix a receiver wants",
                       [&flags](text topic) { flags.topics.push_back(topic); });
            break;
        case shared::match:
            line.value("-m,--match", "PATTERN",
                       "topics wanted: * is one dot-separated token, > the rest; quote it",
                       [&flags](text pattern) { flags.match.push_back(pattern); });
            break;
    }
}

}  // namespace

void declare(command_line& line, shared_flags& flags, std::initializer_list<shared> families) {
    for (const shared each : families) declare_family(line, flags, each);
    line.flag("-q,--quiet", "say nothing but errors", flags.quiet);
    line.flag("-v,--verbose", "say more", flags.verbose);
}

void check(const shared_flags& flags) {
    if (flags.no_wait && flags.wait) throw usage_error{"give --wait or --no-wait, not both"};
    if (!flags.headers.empty() && flags.envelope == envelope_mode::none)
        throw usage_error{"headers need the envelope, and --envelope none leaves it out"};
}

}  // namespace ferry::cli
