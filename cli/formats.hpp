// The forms in which messages cross stdin and stdout, by the names users give them.
#pragma once

#include <cstdint>
#include <string_view>

namespace ferry::cli {

enum class in_format : std::uint8_t { line, raw, nul, json, len32 };
enum class out_format : std::uint8_t { automatic, line, raw, nul, json, hex, msgpack, len32 };

/// How `--decode` reads the payload for the member `data`.
enum class decoding : std::uint8_t { none, json, msgpack };

/// These throw usage_error, with the nearest name, for a name that is none.
in_format parse_in_format(std::string_view name);
out_format parse_out_format(std::string_view name);
decoding parse_decoding(std::string_view name);

}  // namespace ferry::cli
