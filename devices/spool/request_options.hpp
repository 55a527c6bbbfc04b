// Reading the options of OPEN, JOIN and ADMIN, which are header maps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/message.hpp"

namespace ferry {

inline std::optional<std::uint64_t> number_of(const header_map& options, std::string_view name) {
    const auto found = options.find(name);
    const auto* value = found == options.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
    return value == nullptr || *value < 0 ? std::nullopt : std::optional{static_cast<std::uint64_t>(*value)};
}

inline std::optional<std::string> text_of(const header_map& options, std::string_view name) {
    const auto found = options.find(name);
    const auto* value = found == options.end() ? nullptr : std::get_if<std::string>(&found->second);
    return value == nullptr ? std::nullopt : std::optional{*value};
}

inline bool flag_of(const header_map& options, std::string_view name, bool otherwise) {
    const auto value = number_of(options, name);
    return value ? *value != 0 : otherwise;
}

/// The first option with another name than these; empty when all are known.
template <typename Names>
std::string_view unknown_option(const header_map& options, const Names& known) {
    for (const auto& [name, value] : options)
        if (std::ranges::find(known, std::string_view{name}) == std::ranges::end(known)) return name;
    return {};
}

/// What is wrong with the value of an option that OPEN, JOIN and ADMIN share; empty when nothing is.
std::string wrong_value(const header_map& options);

/// How an option that nobody knows is refused: what is not built is not ignored.
inline std::string unknown_text(std::string_view name) {
    return "unknown option '" + std::string{name.substr(0, 64)} + "'";
}

}  // namespace ferry
