// The run of a command that sends: read, wait for somebody, send, pace, flush, sum up.
//
// What pub, push and put share is here; what differs they hand over as functions. The first message is read
// before anybody is waited for, so that empty input ends at once with `sent 0`.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/flags.hpp"
#include "cli/input.hpp"
#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

/// What pub and push are told alike: their flags, where to, and the words behind that.
struct sender_line {
    shared_flags flags;
    endpoints where;
    std::vector<std::string> words;
};
sender_line read_sender_line(command_line& line);

/// What became of a message.
enum class fate : std::uint8_t {
    taken,
    lost,    ///< nobody took it, and waiting was not wanted
    nobody,  ///< nobody came for as long as we wait for a peer
    late,    ///< the run's time is over
    stopped,
};

struct sending {
    /// Waits until somebody would take this message.
    std::function<outcome(const message& first, std::chrono::nanoseconds wait)> wait_for_taker;
    /// Sends one; may wait until the deadline, if there is one.
    std::function<fate(message&& m, std::optional<std::chrono::steady_clock::time_point> deadline)> send;
    /// Flushes and closes; gives the number of messages that were thrown away.
    std::function<std::uint64_t()> close;
    std::string_view command;  ///< its name, for complaints
    std::string hint;          ///< said when nobody came within a second
    std::string nobody;        ///< why it fails, when nobody came in time
    std::string topic;         ///< stamped on every message when `has_topic`
    bool has_topic = false;
};

/// Sends all of `in` and gives the exit code.
int send_all(ferry::context& context, input& in, const shared_flags& flags, const sending& by);

/// The time until a deadline, if there is one; never below nothing.
std::optional<std::chrono::nanoseconds> time_until(
    std::optional<std::chrono::steady_clock::time_point> deadline);

/// The one topic of -T. Throws usage_error for several.
bool take_topic(const shared_flags& flags, std::string& topic);

/// Waits in two parts, with a hint after the first second. Calls `wait_for` with a time to wait.
outcome wait_with_hint(const talk& talk, std::string_view hint, std::chrono::nanoseconds wait,
                       const std::function<outcome(std::chrono::nanoseconds)>& wait_for);

/// Sleeps until `when`, unless the context stops first: false.
bool sleep_until(ferry::context& context, std::chrono::steady_clock::time_point when);

}  // namespace ferry::cli
