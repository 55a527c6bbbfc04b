#include "devices/spool/request_options.hpp"

#include <array>

namespace ferry {
namespace {

struct numbered_option {
    std::string_view name;
    std::int64_t least, most;
};

constexpr std::int64_t any = INT64_MAX;
constexpr std::array<numbered_option, 5> numbers{
    {{"create", 0, 1}, {"dedup", 0, 1}, {"grade", 0, 2}, {"lease_ms", 1, any}, {"until", 0, any}}};

}  // namespace

std::string wrong_value(const header_map& options) {
    for (const auto& [name, least, most] : numbers) {
        const auto found = options.find(name);
        if (found == options.end()) continue;
        const auto* const value = std::get_if<std::int64_t>(&found->second);
        if (value != nullptr && *value >= least && *value <= most) continue;
        const std::string range = most == any ? "at least " + std::to_string(least)
                                              : std::to_string(least) + " to " + std::to_string(most);
        return std::string{name} + " is a number, " + range;
    }
    for (const std::string_view name : {"from", "dead_of"})
        if (const auto found = options.find(name);
            found != options.end() && !std::holds_alternative<std::string>(found->second))
            return std::string{name} + " is text";
    return {};
}

}  // namespace ferry
