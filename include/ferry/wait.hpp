// How long a call may take, and how it ended.
//
// A wait is an optional duration: `forever` waits until the context stops, zero tries once.
//
//     using namespace std::chrono_literals;
//     if (jobs.send("resize 7", 2s) == ferry::outcome::timed_out) ...      // nobody took it in 2 seconds
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace ferry {

using duration = std::chrono::nanoseconds;

/// No deadline: wait for as long as it takes, or until the context stops.
inline constexpr std::optional<duration> forever = std::nullopt;

/// How a wait ended.
enum class outcome : std::uint8_t { done, timed_out, stopped };

}  // namespace ferry
