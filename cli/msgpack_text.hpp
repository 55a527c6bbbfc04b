// msgpack as something to read: one line, JSON-like, nothing hidden.
//
//     {"bid": 1.09, 7: bin(3) ff0001, "at": 2026-01-31T12:00:00Z, "kind": ext(5, 2) 0a0b}
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ferry::cli {

/// Empty optional for bytes that are not exactly one msgpack value.
std::optional<std::string> msgpack_to_text(std::string_view bytes);

/// As JSON, for the member `data`: a view, not a way back. Bytes are `{"b64":"..."}`, an extension is
/// `{"ext":5,"b64":"..."}`, a timestamp is a string, a key that is no text is its own JSON in quotes.
std::optional<std::string> msgpack_to_json(std::string_view bytes);

}  // namespace ferry::cli
