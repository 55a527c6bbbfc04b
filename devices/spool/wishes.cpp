#include "devices/spool/wishes.hpp"

#include <algorithm>

#include "core/header_map.hpp"

namespace ferry {
namespace {

// Longer than anybody plans; it keeps sums far from the end of 64 bits.
constexpr std::int64_t longest_ms = 100LL * 366 * 24 * 3600 * 1000;
constexpr std::int64_t latest_ms = 400LL * 366 * 24 * 3600 * 1000;  // since 1970: 44 bits

constexpr std::size_t id_bytes_max = 1024;

std::optional<std::uint64_t> number(const header_map& headers, const char* name, std::int64_t most,
                                    std::string& problem) {
    const auto found = headers.find(name);
    if (found == headers.end()) return std::nullopt;
    const auto* value = std::get_if<std::int64_t>(&found->second);
    if (value != nullptr && *value >= 0 && *value <= most) return static_cast<std::uint64_t>(*value);
    problem = std::string{"the header '"} + name + "' is an int from 0 to " + std::to_string(most);
    return std::nullopt;
}

// The number 7 is another id than the text "7".
std::string id_of(const header_map& headers, std::string& problem) {
    const auto found = headers.find("message-id");
    if (found == headers.end()) return {};
    if (const auto* number = std::get_if<std::int64_t>(&found->second)) return "i" + std::to_string(*number);
    const auto* text = std::get_if<std::string>(&found->second);
    const auto* bytes = std::get_if<binary>(&found->second);
    const std::size_t size = text != nullptr ? text->size() : bytes->bytes.size();
    if (size == 0 || size > id_bytes_max)
        problem = "the header 'message-id' has 1 to " + std::to_string(id_bytes_max) + " bytes";
    if (text != nullptr) return "s" + *text;
    return "b" + bytes->bytes;
}

}  // namespace

std::optional<asked> read_wishes(std::string_view bytes, std::uint64_t wall_ms, std::string& problem) {
    const auto headers = read_headers(bytes);
    if (!headers) {
        problem = "headers that are no map of str to str, int or bin";
        return std::nullopt;
    }
    asked found;
    found.id = id_of(*headers, problem);
    wishes& asked = found.wishes;
    asked.priority = number(*headers, "priority", 9, problem).value_or(0);
    const auto delay = number(*headers, "delay", longest_ms, problem);
    const auto deliver_at = number(*headers, "deliver-at", latest_ms, problem);
    const auto ttl = number(*headers, "ttl", longest_ms, problem);
    const auto expires_at = number(*headers, "expires-at", latest_ms, problem);
    if ((delay && deliver_at) || (ttl && expires_at))
        problem = "a message has a delay or a deliver-at, and a ttl or an expires-at, not both";
    if (!problem.empty()) return std::nullopt;
    const std::uint64_t due = delay ? wall_ms + *delay : deliver_at.value_or(0);
    asked.due_ms = due > wall_ms ? due : 0;
    if (ttl) asked.expires_ms = wall_ms + *ttl;
    if (expires_at) asked.expires_ms = std::max<std::uint64_t>(*expires_at, 1);
    return found;
}

}  // namespace ferry
