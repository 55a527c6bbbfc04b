// ferry pull: takes messages from pushers and prints them.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"
#include "cli/receiving.hpp"
#include "ferry/puller.hpp"

namespace ferry::cli {
namespace {

int run_pull(command_line& line) {
    shared_flags flags;
    declare(line, flags,
            {shared::endpoints, shared::output, shared::ending, shared::waiting, shared::sockets});
    std::vector<std::string> words = line.parse();
    check(flags);
    const endpoints where = take_endpoint(words, flags);
    if (!words.empty()) throw usage_error{fmt::format("one argument too many: '{}'", words[0])};

    context context;
    context.stop_on_signals();
    const talk talk = flags.speaker();
    auto pull = open(talk, where, [&] {
        return puller{context, where, {.socket = flags.socket, .on_event = [&talk](const event& what) {
                                           talk.detail("dropped what is no message: " + what.text);
                                       }}};
    });
    receiving by;
    by.receive = [&](std::optional<std::chrono::nanoseconds> wait) { return pull.receive(wait); };
    by.connected = [&] { return pull.connected(); };
    by.hint = nobody_yet(where, "pusher");
    by.nobody = fmt::format("no pusher at {} in time", where.describe());
    const received got = receive_all(context, flags, by);

    talk.say(fmt::format("received {}", got.messages));
    if (context.signal() != 0) return interrupted_by(context.signal());
    return to_int(got.code);
}

constexpr std::array<std::string_view, 2> examples = {"ferry pull @:5556",
                                                      "ferry pull :5556 -n 100 --idle 5s --json"};
constexpr std::array<std::string_view, 1> runnable = {
    "ferry pull @./sink.sock -n 3 -t 10s & seq 3 | ferry push ./sink.sock && wait $!"};

}  // namespace

const command pull_command{"pull",   "",       "pull EP", "Takes messages from pushers and prints them.",
                           examples, runnable, run_pull};

}  // namespace ferry::cli
