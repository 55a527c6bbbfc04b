#include "devices/spool/group_setting.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/wildcard.hpp"

namespace ferry {
namespace {

using settings = group_settings;

constexpr std::uint64_t lease_ms_max = 12ULL * 3600 * 1000;
constexpr std::uint64_t backoff_ms_max = 365ULL * 24 * 3600 * 1000;
constexpr std::size_t backoff_steps_max = 64;

template <std::uint64_t settings::*Field, std::uint64_t Least, std::uint64_t Most>
bool read_number(const header_value& from, settings& into) {
    const auto* number = std::get_if<std::int64_t>(&from);
    if (number == nullptr || *number < 0) return false;
    const auto value = static_cast<std::uint64_t>(*number);
    if (value < Least || value > Most) return false;
    into.*Field = value;
    return true;
}

template <std::uint64_t settings::*Field>
header_value show_number(const settings& from) {
    return static_cast<std::int64_t>(from.*Field);
}

template <bool settings::*Field>
bool read_flag(const header_value& from, settings& into) {
    const auto* number = std::get_if<std::int64_t>(&from);
    if (number == nullptr || *number < 0 || *number > 1) return false;
    into.*Field = *number == 1;
    return true;
}

template <bool settings::*Field>
header_value show_flag(const settings& from) {
    return static_cast<std::int64_t>(from.*Field);
}

bool read_order(const header_value& from, settings& into) {
    const auto* text = std::get_if<std::string>(&from);
    if (text == nullptr || (*text != "none" && *text != "key")) return false;
    into.ordered = *text == "key";
    return true;
}

header_value show_order(const settings& from) {
    return std::string{from.ordered ? "key" : "none"};
}

bool read_backoff(const header_value& from, settings& into) {
    const auto* text = std::get_if<std::string>(&from);
    if (text == nullptr || text->empty()) return false;
    std::vector<std::uint64_t> steps;
    const char* at = text->data();
    const char* const end = at + text->size();
    while (true) {
        const auto [next, failure] = std::from_chars(at, end, steps.emplace_back());
        if (failure != std::errc{} || steps.back() > backoff_ms_max || steps.size() > backoff_steps_max)
            return false;
        if (next == end) break;
        if (*next != ',') return false;
        at = next + 1;
    }
    into.backoff_ms = std::move(steps);
    return true;
}

header_value show_backoff(const settings& from) {
    std::string text;
    for (const std::uint64_t each : from.backoff_ms) text += (text.empty() ? "" : ",") + std::to_string(each);
    return text;
}

// One of the lists of a filter: text with one entry a line.
template <std::vector<std::string> filter::*List>
bool read_lines(const header_value& from, settings& into) {
    const auto* text = std::get_if<std::string>(&from);
    if (text == nullptr) return false;
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text->size();) {
        const std::size_t end = std::min(text->find('\n', at), text->size());
        lines.push_back(text->substr(at, end - at));
        if (lines.back().empty() || lines.back().size() > filter::line_bytes_max) return false;
        at = end + 1;
    }
    if (lines.size() > filter::lines_max) return false;
    into.wants.*List = std::move(lines);
    return true;
}

bool read_patterns(const header_value& from, settings& into) {
    settings read;
    if (!read_lines<&filter::patterns>(from, read)) return false;
    for (const std::string& each : read.wants.patterns)
        if (!pattern_problem(each).empty()) return false;
    into.wants.patterns = std::move(read.wants.patterns);
    return true;
}

bool read_where(const header_value& from, settings& into) {
    settings read;
    if (!read_lines<&filter::where>(from, read)) return false;
    for (const std::string& each : read.wants.where)
        if (each.find('=') == std::string::npos || each.starts_with('=')) return false;
    into.wants.where = std::move(read.wants.where);
    return true;
}

template <std::vector<std::string> filter::*List>
header_value show_lines(const settings& from) {
    std::string text;
    for (const std::string& each : from.wants.*List) text += (text.empty() ? "" : "\n") + each;
    return text;
}

constexpr std::array<group_setting, 10> table = {{
    {"group_lease_ms", "lease_ms", "1 ms to 12 h, in milliseconds",
     read_number<&settings::lease_ms, 1, lease_ms_max>, show_number<&settings::lease_ms>},
    {"lease_max_ms", "lease_max_ms", "1 ms to 12 h, in milliseconds",
     read_number<&settings::lease_max_ms, 1, lease_ms_max>, show_number<&settings::lease_max_ms>},
    {"max_attempts", "max_attempts", "at least 1",
     read_number<&settings::max_attempts, 1, std::uint64_t{1} << 62>, show_number<&settings::max_attempts>},
    {"backoff_ms", "backoff_ms",
     "milliseconds after the 1st, 2nd, ... attempt, with commas between, 64 at most", read_backoff,
     show_backoff},
    {"max_in_flight", "max_in_flight", "a number of messages, 0 for no limit",
     read_number<&settings::max_in_flight, 0, std::uint64_t{1} << 62>, show_number<&settings::max_in_flight>},
    {"filter", "filter",
     "patterns over topics, one a line, 32 at most of 256 bytes: * is one token, a last > the rest",
     read_patterns, show_lines<&filter::patterns>},
    {"filter_prefix", "filter_prefix", "beginnings of topics, one a line, 32 at most of 256 bytes",
     read_lines<&filter::prefixes>, show_lines<&filter::prefixes>},
    {"where", "where", "headers as NAME=VALUE, one a line, 32 at most of 256 bytes", read_where,
     show_lines<&filter::where>},
    {"single_active", "single_active", "0 or 1", read_flag<&settings::single_active>,
     show_flag<&settings::single_active>},
    {"ordered", "ordered", "none or key", read_order, show_order},
}};

}  // namespace

std::span<const group_setting> group_setting_table() {
    return table;
}

std::vector<std::string_view> setting_names_and(std::initializer_list<std::string_view> more) {
    std::vector<std::string_view> names{more};
    for (const group_setting& each : table) names.push_back(each.name);
    return names;
}

bool read_settings(const header_map& options, settings& into, std::string& problem) {
    for (const group_setting& each : table) {
        const auto found = options.find(std::string{each.name});
        if (found == options.end() || each.read(found->second, into)) continue;
        problem = std::string{each.name} + " is " + std::string{each.expects};
        return false;
    }
    if (!options.contains("group_lease_ms")) into.lease_ms = std::min(into.lease_ms, into.lease_max_ms);
    if (into.lease_ms <= into.lease_max_ms) return true;
    problem = "a lease is no longer than the longest one may become (lease_max_ms)";
    return false;
}

std::string show_differences(const settings& has, const settings& asked) {
    const auto words = [](const header_value& value) {
        const auto* const number = std::get_if<std::int64_t>(&value);
        return number != nullptr ? std::to_string(*number) : std::get<std::string>(value);
    };
    std::string text;
    const auto add = [&](std::string_view name, const std::string& one, const std::string& other) {
        if (one == other) return;
        text += (text.empty() ? "" : ", ") + std::string{name} + " is '" + one.substr(0, 64) + "', not '" +
                other.substr(0, 64) + "'";
    };
    add("from", has.from, asked.from);
    for (const group_setting& each : table) add(each.shown, words(each.show(has)), words(each.show(asked)));
    return text;
}

void show_settings(const settings& from, header_map& row) {
    for (const group_setting& each : table) row.insert_or_assign(std::string{each.shown}, each.show(from));
}

}  // namespace ferry
