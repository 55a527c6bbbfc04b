// ferry push: hands messages to pullers, never to nobody.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"
#include "cli/sending.hpp"
#include "ferry/pusher.hpp"

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

// A puller that is slow is waited for; one that is gone, only as long as we wait for a peer.
fate push_one(pusher& push, message&& m, const shared_flags& flags,
              std::optional<ending::clock::time_point> deadline) {
    const duration patience = flags.wait_or(2s);
    while (true) {
        const outcome how = push.send(m, std::min(patience, time_until(deadline).value_or(patience)));
        if (how == outcome::done) return fate::taken;
        if (how == outcome::stopped) return fate::stopped;
        if (flags.no_wait) return fate::lost;
        if (deadline && ending::clock::now() >= *deadline) return fate::late;
        if (!push.connected()) return fate::nobody;
    }
}

int run_push(command_line& line) {
    const sender_line told = read_sender_line(line);
    const shared_flags& flags = told.flags;
    sending by;
    by.command = line.what().name;
    by.has_topic = take_topic(flags, by.topic);
    if (told.words.size() > 1) throw usage_error{fmt::format("one argument too many: '{}'", told.words[1])};

    context context;
    context.stop_on_signals();
    input in{context, flags.in, in_format::line,
             told.words.empty() ? std::nullopt : std::optional{told.words[0]}};
    auto push = open(flags.speaker(), told.where, [&] {
        return pusher{
            context, told.where, {.envelope = flags.envelope, .batch = flags.batch, .socket = flags.socket}};
    });
    by.hint = nobody_yet(told.where, "puller");
    by.nobody = fmt::format("nobody pulls at {}; what was not taken was not sent", told.where.describe());
    by.wait_for_taker = [&](const message&, std::chrono::nanoseconds wait) {
        return push.wait_for_peer(wait);
    };
    by.send = [&](message&& m, std::optional<ending::clock::time_point> deadline) {
        return push_one(push, std::move(m), flags, deadline);
    };
    by.close = [&] { return push.close(); };
    return send_all(context, in, flags, by);
}

constexpr std::array<std::string_view, 3> examples = {
    "ferry push :5556 'resize 1.png'", "ferry push @:5556 < jobs.txt", "ferry push :5556 -f a.png -f b.png"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry pull ./jobs.sock -n 1 -t 10s & ferry push @./jobs.sock 'resize 1.png' && wait $!"};

}  // namespace

const command push_command{"push",
                           "",
                           "push EP [MESSAGE]",
                           "Hands each message to one of the pullers, in turn; waits while there is none.",
                           examples,
                           runnable,
                           run_push};

}  // namespace ferry::cli
