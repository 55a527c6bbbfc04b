#include "devices/spool/filter.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "core/wildcard.hpp"

namespace ferry {
namespace {

// Steps over a value; true when it is the wanted one.
bool value_is(pack_cursor& from, std::string_view wanted) {
    if (from.next_is_text() || from.next_is_bytes()) return from.bytes() == wanted;
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.begin(), digits.end(), from.integer()).ptr;
    return std::string_view{digits.data(), static_cast<std::size_t>(end - digits.data())} == wanted;
}

bool has_header(std::string_view headers, std::string_view wanted) {
    const std::string_view name = wanted.substr(0, wanted.find('='));
    const std::string_view value = wanted.substr(std::min(name.size() + 1, wanted.size()));
    pack_cursor from{headers};
    for (std::uint32_t left = from.map(); left > 0 && from.good(); --left) {
        const bool named = from.text() == name;
        if (value_is(from, value) && named) return from.good();
    }
    return false;
}

}  // namespace

bool filter::takes(const item_view& item) const {
    const std::string_view topic = item.topic.value_or(std::string_view{});
    const bool fits =
        (patterns.empty() && prefixes.empty()) ||
        std::ranges::any_of(patterns, [&](const std::string& each) { return matches(each, topic); }) ||
        std::ranges::any_of(prefixes, [&](const std::string& each) { return topic.starts_with(each); });
    return fits && std::ranges::all_of(where, [&](const std::string& each) {
               return !item.headers.empty() && has_header(item.headers, each);
           });
}

}  // namespace ferry
