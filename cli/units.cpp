#include "cli/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <optional>

#include "cli/exit_codes.hpp"

namespace ferry::cli {
namespace {

using std::chrono::nanoseconds;

struct unit {
    std::string_view name;
    double worth;
};

constexpr std::array<unit, 7> duration_units{
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};

constexpr std::array<unit, 11> size_units{{{"", 1},
                                           {"B", 1},
                                           {"kB", 1e3},
                                           {"KB", 1e3},
                                           {"MB", 1e6},
                                           {"GB", 1e9},
                                           {"TB", 1e12},
                                           {"KiB", 1024.0},
                                           {"MiB", 1024.0 * 1024},
                                           {"GiB", 1024.0 * 1024 * 1024},
                                           {"TiB", 1024.0 * 1024 * 1024 * 1024}}};

constexpr std::array<unit, 3> rate_units{{{"/s", 1e9}, {"/m", 60e9}, {"/h", 3600e9}}};

[[noreturn]] void refuse(std::string_view flag, std::string_view text, std::string_view what) {
    throw usage_error{fmt::format("{}: '{}' is no {}", flag, text, what)};
}

// A number and what stands behind it; nothing for a text that does not start with digits.
std::optional<std::pair<double, std::string_view>> split_number(std::string_view text) {
    const auto end = std::min(text.find_first_not_of("0123456789."), text.size());
    double number = 0;
    const auto [stop, problem] =
        std::from_chars(text.data(), text.data() + end, number, std::chars_format::fixed);
    if (problem != std::errc{} || stop != text.data() + end) return std::nullopt;
    return std::pair{number, text.substr(end)};
}

template <std::size_t N>
std::optional<double> measure(std::string_view text, const std::array<unit, N>& units) {
    const auto parts = split_number(text);
    if (!parts) return std::nullopt;
    for (const unit& each : units)
        if (each.name == parts->second) return parts->first * each.worth;
    return std::nullopt;
}

constexpr double most = 9.2e18;           // what 63 bits hold
constexpr double duration_max_ns = 3e18;  // 95 years, so that adding one to a clock cannot overflow

bool read_digits(std::string_view& text, std::size_t digits, int& into) {
    if (text.size() < digits) return false;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + digits, into);
    if (problem != std::errc{} || end != text.data() + digits || text[0] == '-') return false;
    text.remove_prefix(digits);
    return true;
}

bool read_char(std::string_view& text, std::string_view any_of) {
    if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
}

// The part behind the seconds: a fraction, then Z or +hh:mm.
bool read_fraction_and_zone(std::string_view text, std::int64_t& fraction_ns, std::int64_t& offset_s) {
    if (read_char(text, ".")) {
        std::int64_t worth = 100'000'000;
        if (text.empty() || text[0] < '0' || text[0] > '9') return false;
        while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
            fraction_ns += (text[0] - '0') * worth;
            worth /= 10;
            text.remove_prefix(1);
        }
    }
    if (read_char(text, "Zz")) return text.empty();
    const bool west = text.starts_with('-');
    int hours = 0;
    int minutes = 0;
    if (!read_char(text, "+-") || !read_digits(text, 2, hours) || !read_char(text, ":") ||
        !read_digits(text, 2, minutes) || hours > 23 || minutes > 59)
        return false;
    offset_s = (hours * 60 + minutes) * (west ? -60 : 60);
    return text.empty();
}

std::optional<std::uint64_t> parse_rfc3339(std::string_view text) {
    std::tm at{};
    if (!read_digits(text, 4, at.tm_year) || !read_char(text, "-") || !read_digits(text, 2, at.tm_mon) ||
        !read_char(text, "-") || !read_digits(text, 2, at.tm_mday) || !read_char(text, "Tt ") ||
        !read_digits(text, 2, at.tm_hour) || !read_char(text, ":") || !read_digits(text, 2, at.tm_min) ||
        !read_char(text, ":") || !read_digits(text, 2, at.tm_sec))
        return std::nullopt;
    const bool possible = at.tm_year >= 1970 && at.tm_year < 2262 && at.tm_mon >= 1 && at.tm_mon <= 12 &&
                          at.tm_mday >= 1 && at.tm_mday <= 31 && at.tm_hour <= 23 && at.tm_min <= 59 &&
                          at.tm_sec <= 60;
    std::int64_t fraction_ns = 0;
    std::int64_t offset_s = 0;
    if (!possible || !read_fraction_and_zone(text, fraction_ns, offset_s)) return std::nullopt;
    at.tm_year -= 1900;
    at.tm_mon -= 1;
    const int day = at.tm_mday;
    const std::int64_t seconds = timegm(&at) - offset_s;
    if (seconds < 0 || at.tm_mday != day) return std::nullopt;
    return static_cast<std::uint64_t>(seconds * 1'000'000'000 + fraction_ns);
}

}  // namespace

nanoseconds parse_duration(std::string_view flag, std::string_view text) {
    if (text == "0") return nanoseconds{0};
    const auto value = measure(text, duration_units);
    if (!value) refuse(flag, text, "duration, which is written 250ms, 2s, 5m, 7d");
    if (*value > duration_max_ns)
        throw usage_error{fmt::format("{}: '{}' is too long: 34675d, 95 years, is the most", flag, text)};
    return nanoseconds{std::llround(*value)};
}

std::uint64_t parse_size(std::string_view flag, std::string_view text) {
    const auto value = measure(text, size_units);
    if (!value || *value > most) refuse(flag, text, "size, which is written 4096, 64KiB, 10MB");
    return static_cast<std::uint64_t>(std::llround(*value));
}

nanoseconds parse_rate(std::string_view flag, std::string_view text) {
    const auto parts = split_number(text);
    if (parts && parts->first > 0)
        for (const unit& each : rate_units)
            if (each.name == parts->second && each.worth / parts->first < most)
                return nanoseconds{std::max(std::llround(each.worth / parts->first), 1LL)};
    refuse(flag, text, "rate, which is written 100/s, 30/m, 5/h");
}

std::uint64_t parse_count(std::string_view flag, std::string_view text, std::uint64_t least) {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc{} || end != text.data() + text.size() || value < least)
        refuse(flag, text, fmt::format("whole number from {} up", least));
    return value;
}

start_point parse_start(std::string_view flag, std::string_view text, std::uint64_t now_ns) {
    using kind = start_point::kind;
    if (text == "first") return {kind::first, 0};
    if (text == "new") return {kind::newest, 0};
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos)
        return {kind::offset, parse_count(flag, text, 0)};
    if (text.starts_with('-')) {
        const auto age = static_cast<std::uint64_t>(parse_duration(flag, text.substr(1)).count());
        return {kind::time, age > now_ns ? 0 : now_ns - age};
    }
    const auto time = parse_rfc3339(text);
    if (!time)
        refuse(flag, text, "place: first, new, an offset, 2026-01-31T12:00:00Z, or an age such as -5m");
    return {kind::time, *time};
}

std::string format_duration(std::chrono::milliseconds time) {
    constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> units{
        {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}}};
    for (const auto& [ms, name] : units)
        if (time.count() != 0 && time.count() % ms == 0) return fmt::format("{}{}", time.count() / ms, name);
    return fmt::format("{}ms", time.count());
}

std::string format_time(std::uint64_t wall_ns) {
    const auto seconds = static_cast<std::time_t>(wall_ns / 1'000'000'000);
    std::tm at{};
    gmtime_r(&seconds, &at);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", at.tm_year + 1900, at.tm_mon + 1,
                       at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec, wall_ns % 1'000'000'000 / 1000);
}

}  // namespace ferry::cli
