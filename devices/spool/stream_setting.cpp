#include "devices/spool/stream_setting.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace ferry {
namespace {

using settings = records::stream_settings;

constexpr std::array<std::string_view, 3> grade_names = {"synced", "written", "queued"};
constexpr std::array<std::string_view, 3> full_names = {"reject", "block", "drop-oldest"};
constexpr std::array<std::string_view, 2> expired_names = {"drop", "dead-letter"};

constexpr std::uint64_t ms_max = 100ULL * 366 * 24 * 3600 * 1000;

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

template <std::uint64_t settings::*Field>
bool read_ms(const header_value& from, settings& into) {
    const auto* number = std::get_if<std::int64_t>(&from);
    return number != nullptr && *number <= static_cast<std::int64_t>(ms_max) &&
           read_number<Field>(from, into);
}

// A word of a list is kept as its place there.
template <std::uint64_t settings::*Field, const auto& Names>
bool read_word(const header_value& from, settings& into) {
    const auto* name = std::get_if<std::string>(&from);
    const auto found = name == nullptr ? Names.end() : std::find(Names.begin(), Names.end(), *name);
    if (found == Names.end()) return false;
    into.*Field = static_cast<std::uint64_t>(found - Names.begin());
    return true;
}

template <std::uint64_t settings::*Field, const auto& Names>
header_value show_word(const settings& from) {
    return std::string{Names.at(from.*Field)};
}

bool read_retain(const header_value& from, settings& into) {
    using records::retain_kind;
    const auto* text = std::get_if<std::string>(&from);
    if (text == nullptr) return false;
    const auto set = [&](retain_kind kind, std::uint64_t ms) {
        into.retain = static_cast<std::uint64_t>(kind);
        into.retain_ms = ms;
        return true;
    };
    if (*text == "acked") return set(retain_kind::acked, 0);
    if (*text == "all") return set(retain_kind::all, 0);
    std::uint64_t ms = 0;
    const char* const end = text->data() + text->size();
    const auto [unit, problem] = std::from_chars(text->data(), end, ms);
    const bool good = problem == std::errc{} && std::string_view{unit, end} == "ms" && ms > 0 && ms <= ms_max;
    return good && set(retain_kind::age, ms);
}

header_value show_retain(const settings& from) {
    using records::retain_kind;
    if (from.retain == static_cast<std::uint64_t>(retain_kind::acked)) return "acked";
    if (from.retain == static_cast<std::uint64_t>(retain_kind::all)) return "all";
    return std::to_string(from.retain_ms) + "ms";
}

constexpr std::array<stream_setting, 11> table = {{
    {"sync", "synced, written or queued", read_word<&settings::grade, grade_names>,
     show_word<&settings::grade, grade_names>},
    {"retain", "acked, all or an age such as 60000ms", read_retain, show_retain},
    {"max_bytes", "a number of bytes, 0 for no limit", read_number<&settings::bytes_max>,
     show_number<&settings::bytes_max>},
    {"max_messages", "a number, 0 for no limit", read_number<&settings::messages_max>,
     show_number<&settings::messages_max>},
    {"when_full", "reject, block or drop-oldest", read_word<&settings::when_full, full_names>,
     show_word<&settings::when_full, full_names>},
    {"ttl_ms", "milliseconds, 0 for none", read_ms<&settings::ttl_ms>, show_number<&settings::ttl_ms>},
    {"expired", "drop or dead-letter", read_word<&settings::expired, expired_names>,
     show_word<&settings::expired, expired_names>},
    {"max_message_bytes", "a number of bytes, 0 for what the spool takes",
     read_number<&settings::message_bytes_max>, show_number<&settings::message_bytes_max>},
    {"dedup_ms", "milliseconds, 0 for none", read_ms<&settings::dedup_ms>, show_number<&settings::dedup_ms>},
    {"dead_max_messages", "a number, 0 for no limit", read_number<&settings::dead_messages_max>,
     show_number<&settings::dead_messages_max>},
    {"dead_max_age_ms", "milliseconds, 0 for no limit", read_number<&settings::dead_age_ms_max>,
     show_number<&settings::dead_age_ms_max>},
}};

}  // namespace

std::span<const stream_setting> stream_setting_table() {
    return table;
}

bool read_settings(const header_map& arguments, std::uint64_t message_bytes_max, settings& into,
                   std::string& problem) {
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
    if (!arguments.contains("max_message_bytes") || into.message_bytes_max <= message_bytes_max) return true;
    problem = "max_message_bytes is at most " + std::to_string(message_bytes_max) + " in this spool";
    return false;
}

void show_settings(const settings& from, header_map& row) {
    for (const stream_setting& each : table) row.insert_or_assign(std::string{each.name}, each.show(from));
}

}  // namespace ferry
