// When a command ends by itself: -n, -t and --idle, and the exit code that follows.
//
// The run begins when this is made. `-t` bounds the whole of it; fewer than `-n` by then (without `-n`:
// none) is exit 5. `--idle` counts from the last message, from the start if none came: exit 0, or 5 if `-n`
// was not reached. Ask the socket before asking the timers: a message that is there is never too late.
//
//     ending end{flags.end};
//     while (!end.complete(received) && !end.over()) {
//         if (auto m = socket.receive(end.wait())) { ++received; end.heard(); }
//     }
//     return end.code(received);
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "cli/exit_codes.hpp"

namespace ferry::cli {

struct ending_options {
    std::optional<std::uint64_t> count;
    std::optional<std::chrono::nanoseconds> timeout;
    std::optional<std::chrono::nanoseconds> idle;
};

class ending {
  public:
    using clock = std::chrono::steady_clock;

    explicit ending(const ending_options& options)
        : options_{options}, begun_{clock::now()}, heard_{begun_} {}

    /// True when -n is reached.
    bool complete(std::uint64_t done) const { return options_.count && done >= *options_.count; }
    /// True when -t or --idle has passed.
    bool over() const;
    /// True when -t has passed.
    bool run_over() const;
    /// A message came (or a command ended): the silence begins anew.
    void heard() {
        if (options_.idle) heard_ = clock::now();  // a clock costs as much as a small message
    }
    /// As if a message came that much later: silence before it does not count.
    void heard_after(std::chrono::nanoseconds wait) { heard_ = clock::now() + wait; }

    /// When -t or --idle passes, whichever is first.
    std::optional<clock::time_point> deadline() const;
    /// When -t passes.
    std::optional<clock::time_point> run_deadline() const;
    /// The time until `deadline`, at least 0.
    std::optional<std::chrono::nanoseconds> wait() const;
    /// The same, but no longer than `most`.
    std::chrono::nanoseconds wait(std::chrono::nanoseconds most) const;

    exit_code code(std::uint64_t done) const;

  private:
    ending_options options_;
    clock::time_point begun_;
    clock::time_point heard_;
};

}  // namespace ferry::cli
