#include "cli/json_writer.hpp"

#include <fmt/format.h>

#include <iterator>

#include "cli/encoding.hpp"

namespace ferry::cli {
namespace {

void append_value(std::string& out, const header_value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        fmt::format_to(std::back_inserter(out), "{}", *number);
        return;
    }
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && is_utf8(*text)) {
        append_json_string(out, *text);
        return;
    }
    const std::string& bytes = text != nullptr ? *text : std::get<binary>(value).bytes;
    fmt::format_to(std::back_inserter(out), R"({{"{}":"{}"}})", text != nullptr ? "text_b64" : "b64",
                   to_base64(bytes));
}

// The headers whose names are (or are not) text, as one object; empty when there is none.
std::string headers_named(const header_map& headers, bool in_utf8) {
    std::string out;
    for (const auto& [name, value] : headers) {
        if (is_utf8(name) != in_utf8) continue;
        out += out.empty() ? '{' : ',';
        append_json_string(out, in_utf8 ? name : to_base64(name));
        out += ':';
        append_value(out, value);
    }
    return out.empty() ? out : out + '}';
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t copied = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
        out.append(text, copied, i - copied);
        copied = i + 1;
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        }
    }
    out.append(text, copied, std::string_view::npos);
    out += '"';
}

void json_object::key(std::string_view name, std::string_view suffix) {
    if (!first_) out_ += ',';
    first_ = false;
    out_.append("\"").append(name).append(suffix).append("\":");
}

json_object& json_object::number(std::string_view name, std::uint64_t value) {
    key(name);
    fmt::format_to(std::back_inserter(out_), "{}", value);
    return *this;
}

json_object& json_object::boolean(std::string_view name, bool value) {
    return raw(name, value ? "true" : "false");
}

json_object& json_object::null(std::string_view name) {
    return raw(name, "null");
}

json_object& json_object::text(std::string_view name, std::string_view bytes) {
    const bool readable = is_utf8(bytes);
    key(name, readable ? "" : "_b64");
    append_json_string(out_, readable ? bytes : std::string_view{to_base64(bytes)});
    return *this;
}

json_object& json_object::raw(std::string_view name, std::string_view json) {
    key(name);
    out_ += json;
    return *this;
}

void append_json_headers(json_object& into, const header_map& headers) {
    const std::string readable = headers_named(headers, true);
    const std::string others = headers_named(headers, false);
    into.raw("headers", readable.empty() ? "{}" : readable);
    if (!others.empty()) into.raw("headers_b64", others);
}

}  // namespace ferry::cli
