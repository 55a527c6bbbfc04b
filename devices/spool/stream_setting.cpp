#include "devices/spool/stream_setting.hpp"

#include <algorithm>
#include <array>

namespace ferry {
namespace {

using settings = records::stream_settings;

constexpr std::array<std::string_view, 3> grade_names = {"synced", "written", "queued"};

template <std::uint64_t settings::*Field>
bool read_number(const header_value& from, settings& into) {
    const auto* number = std::get_if<std::int64_t>(&from);
    if (number == nullptr || *number < 0) return false;
    into.*Field = static_cast<std::uint64_t>(*number);
    return true;
}

template <std::uint64_t settings::*Field>
header_value show_number(const settings& from) {
    return static_cast<std::int64_t>(from.*Field);
}

bool read_grade(const header_value& from, settings& into) {
    const auto* name = std::get_if<std::string>(&from);
    const auto found =
        name == nullptr ? grade_names.end() : std::find(grade_names.begin(), grade_names.end(), *name);
    if (found == grade_names.end()) return false;
    into.grade = static_cast<std::uint64_t>(found - grade_names.begin());
    return true;
}

header_value show_grade(const settings& from) {
    return std::string{grade_names.at(from.grade)};
}

constexpr std::array<stream_setting, 3> table = {{
    {"sync", "synced, written or queued", read_grade, show_grade},
    {"dead_max_messages", "a number, 0 for no limit", read_number<&settings::dead_messages_max>,
     show_number<&settings::dead_messages_max>},
    {"dead_max_age_ms", "milliseconds, 0 for no limit", read_number<&settings::dead_age_ms_max>,
     show_number<&settings::dead_age_ms_max>},
}};

}  // namespace

std::span<const stream_setting> stream_setting_table() {
    return table;
}

bool read_settings(const header_map& arguments, settings& into, std::string& problem) {
    for (const auto& [name, value] : arguments) {
        if (name == "stream") continue;
        const auto row =
            std::find_if(table.begin(), table.end(),
                         [&wanted = name](const stream_setting& each) { return each.name == wanted; });
        if (row == table.end()) {
            problem = "a stream cannot be told '" + name.substr(0, 64) + "'";
            return false;
        }
        if (row->read(value, into)) continue;
        problem = name + " is " + std::string{row->expects};
        return false;
    }
    return true;
}

void show_settings(const settings& from, header_map& row) {
    for (const stream_setting& each : table) row.insert_or_assign(std::string{each.name}, each.show(from));
}

}  // namespace ferry
