// Headers as msgpack: a map of str -> str | int | bin, the same in an envelope and in a batch.
#pragma once

#include <optional>
#include <string_view>

#include "core/pack_cursor.hpp"
#include "ferry/message.hpp"

namespace ferry {

void write_headers(pack_writer& out, const header_map& headers);

/// Empty when the bytes are not exactly such a map. Integers above 2^63-1 are refused.
std::optional<header_map> read_headers(std::string_view bytes);

}  // namespace ferry
