// The run of a command that receives: print what comes until -n, -t, --idle or a signal ends it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "cli/flags.hpp"
#include "ferry/context.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

struct receiving {
    /// The next message; empty when none came in that time (none given: no limit).
    std::function<std::optional<message>(std::optional<std::chrono::nanoseconds> wait)> receive;
    std::function<bool()> connected;
    std::string hint;    ///< said when nobody came within a second
    std::string nobody;  ///< why it fails, when --wait was given and nobody came
};

/// How it went.
struct received {
    std::uint64_t messages = 0;
    exit_code code = exit_code::done;
};

/// Throws failure with exit_code::no_peer when nobody came within --wait.
received receive_all(ferry::context& context, const shared_flags& flags, const receiving& by);

}  // namespace ferry::cli
