// What people type for quantities: durations `250ms 2s 5m 7d`, sizes `64KiB 10MB`, rates `100/s`, counts,
// and places in a stream `first new 1200 2026-01-31T12:00:00Z -5m`.
//
// Failure: throws usage_error naming the flag, the text and what would have been right.
//
//     parse_duration("--idle", "1.5s") == 1500ms;   parse_size("--segment-size", "64KiB") == 65536
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::cli {

std::chrono::nanoseconds parse_duration(std::string_view flag, std::string_view text);

/// Bytes: digits alone, or with B kB MB GB TB (powers of 1000) or KiB MiB GiB TiB (powers of 1024).
std::uint64_t parse_size(std::string_view flag, std::string_view text);

/// The pause between two of them: `100/s` is 10 ms; also /m and /h. Never zero.
std::chrono::nanoseconds parse_rate(std::string_view flag, std::string_view text);

/// A whole number of at least `least`.
std::uint64_t parse_count(std::string_view flag, std::string_view text, std::uint64_t least = 1);

/// Where reading starts.
struct start_point {
    enum class kind : std::uint8_t { first, newest, offset, time };
    kind at = kind::first;
    std::uint64_t value = 0;  ///< the offset, or nanoseconds since 1970
    friend bool operator==(const start_point&, const start_point&) = default;
};

/// `first`, `new`, digits (an offset), RFC 3339, or an age such as `-5m` counted back from `now_ns`.
start_point parse_start(std::string_view flag, std::string_view text, std::uint64_t now_ns);

/// In the largest unit that it is a whole number of: `7d`, `90s`, `1500ms`. What `parse_duration` reads.
std::string format_duration(std::chrono::milliseconds time);

/// Nanoseconds since 1970 as `2026-01-31T12:00:00.000001Z`.
std::string format_time(std::uint64_t wall_ns);

}  // namespace ferry::cli
