// ferry forwarder, queue, streamer: the plain devices, one run for all three.
#include <fmt/format.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/exit_codes.hpp"
#include "cli/usr1.hpp"
#include "ferry/forwarder.hpp"
#include "ferry/queue.hpp"
#include "ferry/streamer.hpp"

namespace ferry::cli {
namespace {

std::string describe(std::string_view kind, const device_stats& counts) {
    return fmt::format(
        "{}: down {} messages {} bytes, up {} messages {} bytes, dropped {}, refused {}, captured {}, "
        "uncaptured {}",
        kind, counts.messages_down, counts.bytes_down, counts.messages_up, counts.bytes_up, counts.dropped,
        counts.refused, counts.captured, counts.uncaptured);
}

// The ends in the order given: a bound one by its real address.
std::string ready_line(std::string_view kind, const endpoints& ends, const std::vector<std::string>& bound) {
    std::string line = fmt::format("ready {}", kind);
    std::size_t next = 0;
    for (const endpoint& each : ends)
        line += ' ' + (each.at == side::bind && next < bound.size() ? bound[next++] : each.address);
    return line;
}

template <typename Device>
int run_device(command_line& line) {
    shared_flags flags;
    device_options options;
    declare(line, flags, {shared::sockets});
    line.value("--capture", "EP", "publish a copy of everything that passes here (repeat)",
               [&options](const std::string& word) { options.capture.push_back(endpoint_from(word)); });
    const std::vector<std::string> words = line.parse();
    check(flags);
    if (words.empty()) throw usage_error{"FRONT and BACK are missing"};
    if (words.size() == 1) throw usage_error{"BACK is missing"};
    if (words.size() > 2) throw usage_error{fmt::format("one argument too many: '{}'", words[2])};
    const endpoint front = endpoint_from(words[0]);
    const endpoint back = endpoint_from(words[1]);

    const usr1_signal usr1;
    context context;
    context.stop_on_signals();
    const talk talk = flags.speaker();
    options.socket = flags.socket;
    // Stopped means gone within 2 s, whatever peers do not read.
    options.socket.linger = std::min(options.socket.linger, std::chrono::milliseconds{1000});
    std::vector<endpoint> all{front, back};
    all.insert(all.end(), options.capture.begin(), options.capture.end());
    Device device = open_quietly(talk, endpoints{all}, [&] { return Device{context, front, back, options}; });
    const usr1_listener reporter{usr1, [&] { talk.announce(describe(line.what().name, device.stats())); }};
    talk.announce(ready_line(line.what().name, endpoints{all}, device.endpoints()));
    device.run();
    talk.say(describe(line.what().name, device.stats()));
    return to_int(exit_code::done);
}

constexpr std::array<std::string_view, 2> forwarder_examples = {
    "ferry forwarder @:5555 @:5556", "ferry forwarder @any:5555 @any:5556 --capture @:5557"};
constexpr std::array<std::string_view, 2> queue_examples = {"ferry queue @:5560 @:5561",
                                                            "ferry queue @./front.sock @:5561"};
constexpr std::array<std::string_view, 2> streamer_examples = {"ferry streamer @:5565 @:5566",
                                                               "ferry streamer @:5565 worker-host:5566"};
constexpr std::array<std::string_view, 1> forwarder_runnable = {
    "ferry forwarder @./in.sock @./out.sock & d=$!; ferry sub ./out.sock -n 1 -t 10s & s=$!; "
    "ferry pub ./in.sock news hello && wait $s; kill $d; wait $d"};
constexpr std::array<std::string_view, 1> queue_runnable = {
    "ferry queue @./ask.sock @./answer.sock & d=$!; ferry rep ./answer.sock --echo -n 1 -t 10s & r=$!; "
    "ferry req ./ask.sock hello && wait $r; kill $d; wait $d"};
constexpr std::array<std::string_view, 1> streamer_runnable = {
    "ferry streamer @./give.sock @./take.sock & d=$!; ferry pull ./take.sock -n 1 -t 10s & p=$!; "
    "ferry push ./give.sock 'resize 1.png' && wait $p; kill $d; wait $d"};

}  // namespace

const command forwarder_command{
    "forwarder",
    "",
    "forwarder FRONT BACK [--capture EP]",
    "Stands between publishers, who connect to FRONT, and subscribers, who connect to BACK.",
    forwarder_examples,
    forwarder_runnable,
    run_device<forwarder>};
const command queue_command{
    "queue",
    "",
    "queue FRONT BACK [--capture EP]",
    "Stands between requesters at FRONT and repliers at BACK; each request goes to one replier.",
    queue_examples,
    queue_runnable,
    run_device<queue>};
const command streamer_command{
    "streamer",
    "",
    "streamer FRONT BACK [--capture EP]",
    "Stands between pushers at FRONT and pullers at BACK; each message goes to one puller.",
    streamer_examples,
    streamer_runnable,
    run_device<streamer>};

}  // namespace ferry::cli
