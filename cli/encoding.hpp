// Bytes as text and back: UTF-8 check, base64, hex, and what a terminal may be shown.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ferry::cli {

/// Well-formed UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view bytes);

std::string to_base64(std::string_view bytes);

/// RFC 4648 with padding; empty optional for anything else.
std::optional<std::string> from_base64(std::string_view text);

/// Lower case, with `between` after each byte but the last.
std::string to_hex(std::string_view bytes, std::string_view between = "");

/// What a terminal shows of a payload: control characters escaped, other bytes as `<3 bytes ff 00 01>`.
std::string for_terminal(std::string_view bytes);

}  // namespace ferry::cli
