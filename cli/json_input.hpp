// Messages out of JSON: reads what `--json` writes, byte for byte (docs/cli.md, "JSON").
//
// Failure: throws usage_error saying what is wrong with the text; no member is guessed at.
#pragma once

#include <string_view>

#include "ferry/message.hpp"

namespace ferry::cli {

/// One object: `payload` or `payload_b64`, and maybe `topic` or `topic_b64`, `headers`, `headers_b64`,
/// `frames`. Members that describe (v n ts size data stream group offset attempt) are passed over, others
/// refused.
message message_from_json(std::string_view text);

/// Whether `text` is one JSON value and nothing else.
bool is_json(std::string_view text);

}  // namespace ferry::cli
