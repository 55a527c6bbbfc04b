#include "cli/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "cli/units.hpp"

namespace ferry::cli {
namespace {

// The spool tells these as 1 and 0.
constexpr std::array<std::string_view, 2> yes_or_no = {"paused", "single_active"};

const header_value* value_in(const header_map& row, std::string_view name) {
    const auto found = row.find(name);
    return found == row.end() ? nullptr : &found->second;
}

bool is_yes_or_no(std::string_view name) {
    return std::find(yes_or_no.begin(), yes_or_no.end(), name) != yes_or_no.end();
}

// Ages and times, which the spool tells in milliseconds and nanoseconds, as a person writes them.
std::string in_words(std::string_view name, const std::string& text) {
    if (name != "retain" && name != "from") return text;
    const bool ago = text.starts_with('-');
    const std::string_view digits = std::string_view{text}.substr(ago || text.starts_with('@') ? 1 : 0);
    std::uint64_t number = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (problem != std::errc{}) return text;
    const std::string_view unit{end, static_cast<std::size_t>(digits.data() + digits.size() - end)};
    if (text.starts_with('@') && unit.empty()) return format_time(number);
    if (unit != "ms") return text;
    return (ago ? "-" : "") + format_duration(std::chrono::milliseconds{number});
}

std::string cell(const header_map& row, std::string_view name) {
    const header_value* value = value_in(row, name);
    if (value == nullptr) return {};
    if (const auto* number = std::get_if<std::int64_t>(value))
        return is_yes_or_no(name) ? (*number != 0 ? "yes" : "no") : std::to_string(*number);
    const auto* text = std::get_if<std::string>(value);
    if (text == nullptr) return {};
    std::string words;  // lists come one entry a line
    for (const char each : in_words(name, *text))
        words += each == '\n' ? std::string{", "} : std::string{each};
    return words;
}

// A column in which no row has anything says nothing.
bool is_empty(const std::vector<header_map>& rows, std::string_view name) {
    return !rows.empty() && std::all_of(rows.begin(), rows.end(),
                                        [name](const header_map& row) { return cell(row, name).empty(); });
}

bool holds_numbers(const std::vector<header_map>& rows, std::string_view name) {
    return std::any_of(rows.begin(), rows.end(), [name](const header_map& row) {
        const header_value* value = value_in(row, name);
        return value != nullptr && !is_yes_or_no(name) && std::holds_alternative<std::int64_t>(*value);
    });
}

}  // namespace

std::string as_table(const std::vector<header_map>& rows, columns shown) {
    std::vector<std::string> lines(rows.size() + 1);
    for (const std::string_view name : shown) {
        if (is_empty(rows, name)) continue;
        std::size_t width = name.size();
        for (const header_map& row : rows) width = std::max(width, cell(row, name).size());
        const bool right = holds_numbers(rows, name);
        const auto add = [&](std::string& line, std::string_view text) {
            if (name != shown.front()) line += "  ";
            line += right ? fmt::format("{:>{}}", text, width) : fmt::format("{:<{}}", text, width);
        };
        add(lines[0], name);
        for (std::size_t i = 0; i < rows.size(); ++i) add(lines[i + 1], cell(rows[i], name));
    }
    std::string text;
    for (std::string& line : lines) {
        line.erase(line.find_last_not_of(' ') + 1);
        text += (text.empty() ? "" : "\n") + line;
    }
    return text;
}

void append_members(json_object& into, const header_map& row, columns shown) {
    for (const std::string_view name : shown) {
        const header_value* value = value_in(row, name);
        if (value == nullptr) continue;
        const auto* number = std::get_if<std::int64_t>(value);
        if (number != nullptr && is_yes_or_no(name))
            into.boolean(name, *number != 0);
        else if (number != nullptr)
            into.number(name, static_cast<std::uint64_t>(*number));
        else if (const auto* text = std::get_if<std::string>(value))
            into.text(name, *text);
    }
}

std::string as_json(const header_map& row, columns shown) {
    std::string line;
    {
        json_object object{line};
        object.number("v", 1);
        append_members(object, row, shown);
    }
    return line;
}

std::uint64_t number_in(const header_map& row, std::string_view name) {
    const header_value* value = value_in(row, name);
    const auto* number = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
    return number == nullptr ? 0 : static_cast<std::uint64_t>(*number);
}

}  // namespace ferry::cli
