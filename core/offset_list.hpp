// Offsets as text: `1000..1003,1010` is four and one. Both ends of a range belong to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/protocol.hpp"

namespace ferry {

/// Empty when the text is none, or a range ends before it begins.
std::optional<std::vector<protocol::run>> read_offsets(std::string_view text);

std::string write_offsets(const std::vector<protocol::run>& runs);

}  // namespace ferry
