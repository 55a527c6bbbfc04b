#include "cli/template.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>

#include "cli/encoding.hpp"
#include "cli/exit_codes.hpp"
#include "cli/units.hpp"
#include "cli/words.hpp"

namespace ferry::cli {
namespace {

constexpr std::array<std::string_view, 11> field_names = {"topic",   "payload", "payload:hex", "payload:b64",
                                                          "size",    "ts",      "n",           "offset",
                                                          "attempt", "stream",  "group"};

// The character an escape stands for; moves `at` to its last character.
char escaped(std::string_view text, std::size_t& at) {
    const char kind = ++at < text.size() ? text[at] : '\0';
    switch (kind) {
        case 'n':
            return '\n';
        case 't':
            return '\t';
        case 'r':
            return '\r';
        case '0':
            return '\0';
        case '\\':
            return '\\';
        case 'x': {
            const std::string_view digits = text.substr(at + 1, 2);
            unsigned value = 0;
            const auto [end, problem] =
                std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
            if (digits.size() == 2 && problem == std::errc{} && end == digits.data() + 2) {
                at += 2;
                return static_cast<char>(value);
            }
            break;
        }
        default:
            break;
    }
    throw usage_error{"--format: an escape is one of \\n \\t \\r \\0 \\\\ \\xHH"};
}

std::string text_of(const header_value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
    return to_base64(std::get<binary>(value).bytes);
}

}  // namespace

output_template::output_template(std::string_view text, bool durable) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        const bool doubled = (c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c;
        if (c == '\\') {
            add_literal(escaped(text, at));
        } else if (doubled) {
            add_literal(c);
            ++at;
        } else if (c == '{') {
            const auto end = text.find('}', at);
            if (end == std::string_view::npos)
                throw usage_error{"--format: a { is not closed; {{ is a brace"};
            add_field(text.substr(at + 1, end - at - 1), durable);
            at = end;
        } else {
            add_literal(c);
        }
    }
}

void output_template::add_literal(char c) {
    if (parts_.empty() || parts_.back().what != field::literal) parts_.push_back({field::literal, ""});
    parts_.back().text += c;
}

void output_template::add_field(std::string_view name, bool durable) {
    if (name.starts_with("h.") && name.size() > 2) {
        parts_.push_back({field::header, std::string{name.substr(2)}});
        return;
    }
    constexpr std::array<field, field_names.size()> fields = {
        field::topic, field::payload, field::payload_hex, field::payload_b64, field::size, field::ts,
        field::n,     field::offset,  field::attempt,     field::stream,      field::group};
    for (std::size_t i = 0; i < field_names.size(); ++i) {
        if (field_names[i] != name) continue;
        if (fields[i] >= field::offset && !durable)
            throw usage_error{
                fmt::format("--format: {{{}}} is known only of messages a spool delivers", name)};
        parts_.push_back({fields[i], ""});
        return;
    }
    throw usage_error{fmt::format("--format: unknown field {{{}}}{}", name, did_you_mean(name, field_names))};
}

void output_template::fill(std::string& out, const printed_message& from) const {
    const auto append = [&out](std::uint64_t number) {
        fmt::format_to(std::back_inserter(out), "{}", number);
    };
    const message& m = from.content;
    for (const part& each : parts_) {
        switch (each.what) {
            case field::literal:
                out += each.text;
                break;
            case field::topic:
                out += m.topic();
                break;
            case field::payload:
                out += m.body();
                break;
            case field::payload_hex:
                out += to_hex(m.body());
                break;
            case field::payload_b64:
                out += to_base64(m.body());
                break;
            case field::size:
                append(m.body().size());
                break;
            case field::ts:
                out += format_time(from.time_ns);
                break;
            case field::n:
                append(from.number);
                break;
            case field::header:
                if (const auto found = m.headers().find(each.text); found != m.headers().end())
                    out += text_of(found->second);
                break;
            case field::offset:
                append(from.delivered->offset);
                break;
            case field::attempt:
                append(from.delivered->attempt);
                break;
            case field::stream:
                out += from.delivered->stream;
                break;
            case field::group:
                out += from.delivered->group;
                break;
        }
    }
}

}  // namespace ferry::cli
