// Reading the options of OPEN, JOIN and ADMIN, which are header maps.
#pragma once

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

}  // namespace ferry
