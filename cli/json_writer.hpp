// Writes JSON text, which is never invalid: strings are escaped, and bytes that are not UTF-8 are not let in.
//
//     std::string line;
//     json_object{line}.number("v", 1).text("name", "jobs").boolean("paused", false);
//     line == R"({"v":1,"name":"jobs","paused":false})"
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/message.hpp"

namespace ferry::cli {

/// `text` (valid UTF-8) as a JSON string, with its quotes.
void append_json_string(std::string& out, std::string_view text);

/// One object, closed when this goes out of scope. The names are ours and need no escape.
class json_object {
  public:
    explicit json_object(std::string& out) : out_{out} { out_ += '{'; }
    ~json_object() { out_ += '}'; }
    json_object(const json_object&) = delete;
    json_object& operator=(const json_object&) = delete;

    json_object& number(std::string_view name, std::uint64_t value);
    json_object& boolean(std::string_view name, bool value);
    json_object& null(std::string_view name);
    /// Bytes that may be text: `"name":"..."`, or `"name_b64":"..."` when they are not valid UTF-8.
    json_object& text(std::string_view name, std::string_view bytes);
    /// What `json` holds already is JSON.
    json_object& raw(std::string_view name, std::string_view json);

  private:
    void key(std::string_view name, std::string_view suffix = "");

    std::string& out_;
    bool first_ = true;
};

/// The members `"headers":{...}` and, for names that are not valid UTF-8, `"headers_b64":{...}` of a message.
/// A value is a string, a number, `{"b64":"..."}` for bytes, or `{"text_b64":"..."}` for text that is not
/// UTF-8.
void append_json_headers(json_object& into, const header_map& headers);

}  // namespace ferry::cli
