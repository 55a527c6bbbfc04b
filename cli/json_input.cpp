#include "cli/json_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cli/encoding.hpp"
#include "cli/exit_codes.hpp"
#include "cli/words.hpp"

namespace ferry::cli {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 16> known_members = {
    "v",     "n",       "ts",          "size",   "data",      "stream",  "group",       "offset",
    "topic", "payload", "payload_b64", "frames", "topic_b64", "headers", "headers_b64", "attempt"};

// Nesting costs stack when the value is destroyed; no message needs more.
constexpr int depth_max = 64;

std::string bytes_of(const json& value, std::string_view name) {
    const auto* text = value.get_ptr<const std::string*>();
    auto bytes = text != nullptr ? from_base64(*text) : std::nullopt;
    if (!bytes) throw usage_error{fmt::format("\"{}\" is no base64 text", name)};
    return *std::move(bytes);
}

std::string text_of(const json& value, std::string_view name) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr) throw usage_error{fmt::format("\"{}\" is no string", name)};
    return *text;
}

// The member `name` as text, or `name_b64` as bytes; nothing when neither is there.
std::optional<std::string> text_or_bytes(const json& object, const std::string& name) {
    const auto text = object.find(name);
    const auto bytes = object.find(name + "_b64");
    if (text != object.end() && bytes != object.end())
        throw usage_error{fmt::format("both \"{0}\" and \"{0}_b64\" are given", name)};
    if (text != object.end()) return text_of(*text, name);
    if (bytes != object.end()) return bytes_of(*bytes, name + "_b64");
    return std::nullopt;
}

header_value header_from(const json& value, const std::string& name) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{INT64_MAX})
        throw usage_error{fmt::format("the header \"{}\" is a number beyond 63 bits", name)};
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (value.is_object() && value.size() == 1 && value.contains("b64"))
        return binary{bytes_of(value["b64"], name)};
    if (value.is_object() && value.size() == 1 && value.contains("text_b64"))
        return bytes_of(value["text_b64"], name);
    throw usage_error{
        fmt::format("the header \"{}\" is no string, whole number or {{\"b64\":\"...\"}}", name)};
}

void read_headers(const json& object, const char* member, bool names_in_base64, message& into) {
    const auto found = object.find(member);
    if (found == object.end()) return;
    if (!found->is_object()) throw usage_error{fmt::format("\"{}\" is no object", member)};
    for (const auto& [name, value] : found->items()) {
        auto plain = names_in_base64 ? from_base64(name) : std::optional{name};
        if (!plain) throw usage_error{fmt::format("\"{}\" has a name that is no base64", member)};
        into.set_header(*std::move(plain), header_from(value, name));
    }
}

json parse(std::string_view text) {
    const json::parser_callback_t shallow = [](int depth, json::parse_event_t, json&) {
        if (depth > depth_max) throw usage_error{"the JSON is nested too deep"};
        return true;
    };
    try {
        return json::parse(text, shallow);
    } catch (const json::out_of_range&) {
        throw usage_error{"not JSON that can be read: a number is out of range"};
    } catch (const json::parse_error& problem) {
        // "[json.exception.parse_error.101] parse error at line 1, column 5: reason; ..."
        const std::string_view what = problem.what();
        const auto colon = what.find(": ");
        throw usage_error{fmt::format("not JSON: {} (at byte {})",
                                      colon == std::string_view::npos ? what : what.substr(colon + 2),
                                      problem.byte)};
    }
}

}  // namespace

message message_from_json(std::string_view text) {
    const json object = parse(text);
    if (!object.is_object()) throw usage_error{"a message is a JSON object, as in {\"payload\":\"hello\"}"};
    for (const auto& [name, value] : object.items())
        if (std::find(known_members.begin(), known_members.end(), name) == known_members.end())
            throw usage_error{
                fmt::format("unknown member \"{}\"{}", name, did_you_mean(name, known_members))};
    if (object.contains("v") && object["v"] != 1)
        throw usage_error{"\"v\" is not 1, the form this ferry reads"};
    auto payload = text_or_bytes(object, "payload");
    if (!payload) throw usage_error{"\"payload\" is missing"};
    message read{frame{*std::move(payload)}};
    auto topic = text_or_bytes(object, "topic");
    if (topic) read.set_topic(frame{*std::move(topic)});
    read_headers(object, "headers", false, read);
    read_headers(object, "headers_b64", true, read);
    if (const auto frames = object.find("frames"); frames != object.end()) {
        if (!frames->is_array()) throw usage_error{"\"frames\" is no array"};
        for (const json& each : *frames) read.add_frame(frame{bytes_of(each, "frames")});
    }
    return read;
}

bool is_json(std::string_view text) {
    return json::accept(text);
}

}  // namespace ferry::cli
