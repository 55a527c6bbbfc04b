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
constexpr std::array<std::string_view, 3> full_words = {"reject", "block", "drop-oldest"};
constexpr std::array<std::string_view, 2> expired_words = {"drop", "dead-letter"};
constexpr std::array<std::string_view, 2> retain_words = {"acked", "all"};

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

template <const auto& Words>
header_value read_word(std::string_view flag, const std::string& text) {
    if (std::find(Words.begin(), Words.end(), text) != Words.end()) return text;
    std::string all;
    for (const std::string_view each : Words)
        all += fmt::format("{}{}", all.empty() ? "" : each == Words.back() ? " or " : ", ", each);
    throw usage_error{fmt::format("{}: '{}' is not {}{}", flag, text, all, did_you_mean(text, Words))};
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

header_value read_bytes(std::string_view flag, const std::string& text) {
    if (text == "none") return std::int64_t{0};
    const std::uint64_t bytes = parse_size(flag, text);
    if (bytes == 0) throw usage_error{fmt::format("{}: at least 1 byte, or none", flag)};
    return static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, 1ULL << 62));
}

header_value read_retain(std::string_view flag, const std::string& text) {
    if (std::find(retain_words.begin(), retain_words.end(), text) != retain_words.end()) return text;
    if (text.empty() || text[0] < '0' || text[0] > '9')
        throw usage_error{fmt::format("{}: '{}' is not acked, all or an age such as 7d{}", flag, text,
                                      did_you_mean(text, retain_words))};
    const auto age = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(flag, text));
    if (age.count() == 0) throw usage_error{fmt::format("{}: an age of at least 1ms", flag)};
    return fmt::format("{}ms", age.count());
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
    return ms == 0 ? std::string{} : format_duration(std::chrono::milliseconds{ms});
}

// A word that is not the usual one.
template <const auto& Words>
std::string show_word(const header_map& row, std::string_view name) {
    const auto found = row.find(name);
    const auto* text = found == row.end() ? nullptr : std::get_if<std::string>(&found->second);
    return text == nullptr || *text == Words.front() ? std::string{} : *text;
}

constexpr std::int64_t usual_dedup_ms = 600'000;

std::string show_dedup(const header_map& row, std::string_view name) {
    if (number_of(row, name) == usual_dedup_ms) return {};
    const std::string shown = show_age(row, name);
    return shown.empty() ? "none" : shown;
}

constexpr std::array<setting, 11> settings = {{
    {"--retain", "WHAT", "what is kept: acked (until all groups are through), all, or an age as 7d (acked)",
     "retain", read_retain, show_nothing},
    {"--max-bytes", "SIZE", "bytes of messages the stream may hold (none)", "max_bytes", read_bytes,
     show_count},
    {"--max-messages", "N", "messages the stream may hold (none)", "max_messages", read_count, show_count},
    {"--when-full", "WHAT", "then: reject what comes, block its producer, or drop-oldest (reject)",
     "when_full", read_word<full_words>, show_word<full_words>},
    {"--ttl", "DUR", "how long a message is worth delivering that does not say so itself (none)", "ttl_ms",
     read_age, show_age},
    {"--expired", "WHAT", "what becomes of the expired: drop or dead-letter (drop)", "expired",
     read_word<expired_words>, show_word<expired_words>},
    {"--sync", "GRADE", "what a confirm means by default: synced written queued", "sync", read_word<grades>,
     show_nothing},
    {"--max-message", "SIZE", "payload of one message (none: what the spool takes, 16MiB)",
     "max_message_bytes", read_bytes, show_count},
    {"--dedup", "DUR", "how long a message id is remembered (10m; none: ids are not looked at)", "dedup_ms",
     read_age, show_dedup},
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
