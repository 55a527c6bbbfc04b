#include "devices/spool/start_place.hpp"

#include <algorithm>
#include <charconv>

#include "devices/spool/request_options.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, value);
    if (text.empty() || problem != std::errc{} || stop != end) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::uint64_t> start_wall_ns(const header_map& options, instant now) {
    const std::string from = text_of(options, "from").value_or("");
    if (from.starts_with('@')) return number(std::string_view{from}.substr(1));
    if (!from.starts_with('-') || !from.ends_with("ms")) return std::nullopt;
    const auto age_ms = number(std::string_view{from}.substr(1, from.size() - 3));
    if (!age_ms) return std::nullopt;
    return *age_ms >= now.wall_ns / ns_per_ms ? 0 : now.wall_ns - *age_ms * ns_per_ms;
}

std::optional<std::uint64_t> start_offset(const stream& in, const header_map& options) {
    const std::string from = text_of(options, "from").value_or("first");
    if (from == "first") return in.first;
    if (from == "new") return in.next;
    // A time in a stream that was not there when it should be looked up: it holds nothing older.
    if (start_wall_ns(options, {}))
        return std::min(number_of(options, found_option).value_or(in.first), in.next);
    return number(from);
}

std::string not_there_yet(const stream& in, std::uint64_t offset) {
    return "offset " + std::to_string(offset) + " is not there yet: the next message of stream '" + in.name +
           "' will be " + std::to_string(in.next);
}

}  // namespace ferry
