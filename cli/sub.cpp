// ferry sub: prints what is published on the topics wanted, and tells what was lost.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/encoding.hpp"
#include "cli/exit_codes.hpp"
#include "cli/receiving.hpp"
#include "ferry/subscriber.hpp"

namespace ferry::cli {
namespace {

void tell(const talk& talk, const event& what) {
    if (what.kind == event_kind::gap)
        talk.say(fmt::format("gap {} {}..{}", for_terminal(what.topic), what.from, what.to));
    if (what.kind == event_kind::bad_frame) talk.detail("dropped what is no message: " + what.text);
}

int run_sub(command_line& line) {
    shared_flags flags;
    bool fail_on_gap = false;
    declare(line, flags,
            {shared::endpoints, shared::topic, shared::match, shared::output, shared::ending, shared::waiting,
             shared::sockets});
    line.flag("--fail-on-gap", "exit 6 if anything was lost", fail_on_gap);
    std::vector<std::string> words = line.parse();
    check(flags);
    const endpoints where = take_endpoint(words, flags);
    words.insert(words.end(), flags.topics.begin(), flags.topics.end());

    context context;
    context.stop_on_signals();
    const talk talk = flags.speaker();
    bool enveloped = false;
    auto sub = open(talk, where, [&] {
        return subscriber{context,
                          where,
                          {.topics = words,
                           .match = flags.match,
                           .socket = flags.socket,
                           .on_event = [&talk](const event& what) { tell(talk, what); }}};
    });
    receiving by;
    by.receive = [&](std::optional<std::chrono::nanoseconds> wait) {
        auto next = sub.receive(wait);
        enveloped = enveloped || (next && next->sent_by() && next->sent_by()->sequence > 0);
        return next;
    };
    by.connected = [&] { return sub.connected(); };
    by.hint = nobody_yet(where, "publisher");
    by.nobody = fmt::format("no publisher at {} in time", where.describe());
    const received got = receive_all(context, flags, by);

    const std::uint64_t lost = sub.stats().lost;
    talk.say(enveloped || lost > 0 ? fmt::format("received {}, lost {}", got.messages, lost)
                                   : fmt::format("received {}", got.messages));
    if (fail_on_gap && lost > 0) return to_int(exit_code::damaged);
    if (context.signal() != 0) return interrupted_by(context.signal());
    return to_int(got.code);
}

constexpr std::array<std::string_view, 4> examples = {
    "ferry sub :5555 news weather", "ferry sub :5555 -n 10 -t 5s --json", "ferry sub @:5555 -m 'quake.*.>'",
    "ferry sub :5555 -F '{ts} {topic} {size}\\n'"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry sub @./feed.sock -m 'eur.*' -n 1 -t 10s -F '{topic}={payload}\\n' & ferry pub ./feed.sock eur.usd "
    "1.09 && wait $!"};

}  // namespace

const command sub_command{
    "sub",
    "subscribe",
    "sub EP [TOPIC...]",
    "Prints messages whose topic begins with one of these; without a topic, all of them.",
    examples,
    runnable,
    run_sub};

}  // namespace ferry::cli
