#include "cli/stream_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "cli/exit_codes.hpp"
#include "cli/units.hpp"
#include "cli/words.hpp"

namespace ferry::cli {
namespace {

constexpr std::array<std::string_view, 3> grades = {"synced", "written", "queued"};

struct setting {
    std::string_view flag;
    std::string_view unit;
    std::string_view what;
    std::string_view name;  ///< as the spool calls it
    header_value (*read)(std::string_view flag, const std::string& text);
    std::string (*show)(const header_map& row, std::string_view name);  ///< empty: as by default
};

std::int64_t number_of(const header_map& row, std::string_view name) {
    const auto found = row.find(name);
    const auto* number = found == row.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
    return number == nullptr ? 0 : *number;
}

header_value read_grade(std::string_view flag, const std::string& text) {
    if (std::find(grades.begin(), grades.end(), text) != grades.end()) return text;
    throw usage_error{
        fmt::format("{}: '{}' is not synced, written or queued{}", flag, text, did_you_mean(text, grades))};
}

header_value read_count(std::string_view flag, const std::string& text) {
    constexpr std::uint64_t most = 1ULL << 62;
    if (text == "none") return std::int64_t{0};
    return static_cast<std::int64_t>(std::min(parse_count(flag, text), most));
}

header_value read_age(std::string_view flag, const std::string& text) {
    if (text == "none") return std::int64_t{0};
    const auto age = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(flag, text));
    if (age.count() == 0) throw usage_error{fmt::format("{}: at least 1ms, or none", flag)};
    return std::int64_t{age.count()};
}

std::string show_nothing(const header_map&, std::string_view) {
    return {};
}

std::string show_count(const header_map& row, std::string_view name) {
    const std::int64_t number = number_of(row, name);
    return number == 0 ? std::string{} : std::to_string(number);
}

std::string show_age(const header_map& row, std::string_view name) {
    const std::int64_t ms = number_of(row, name);
    return ms == 0 ? std::string{} : ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

constexpr std::array<setting, 3> settings = {{
    {"--sync", "GRADE", "what a confirm means by default: synced written queued", "sync", read_grade,
     show_nothing},
    {"--dead-max-messages", "N", "dead letters kept of each group; the lowest offsets go first (none)",
     "dead_max_messages", read_count, show_count},
    {"--dead-max-age", "DUR", "how long dead letters are kept (none: until they are redriven or dropped)",
     "dead_max_age_ms", read_age, show_age},
}};

}  // namespace

void declare_settings(command_line& line, header_map& into) {
    for (const setting& each : settings)
        line.value(std::string{each.flag}, each.unit, each.what, [&into, &each](const std::string& text) {
            into.insert_or_assign(std::string{each.name}, each.read(each.flag, text));
        });
}

std::string describe_settings(const header_map& row) {
    std::string text;
    for (const setting& each : settings) {
        const std::string shown = each.show(row, each.name);
        if (shown.empty()) continue;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", each.flag.substr(2), shown);
    }
    return text;
}

}  // namespace ferry::cli
