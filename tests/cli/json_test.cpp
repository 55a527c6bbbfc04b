#include <doctest/doctest.h>

#include <random>

#include "cli/encoding.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_input.hpp"
#include "cli/json_writer.hpp"

using namespace ferry;
using namespace ferry::cli;
using namespace std::string_literals;

namespace {

// The members that carry the message, as `--json` writes them.
std::string to_json(const message& m) {
    std::string text;
    {
        json_object object{text};
        if (m.has_topic()) object.text("topic", m.topic());
        append_json_headers(object, m.headers());
        if (!m.frames().empty()) {
            std::string frames;
            for (const frame& each : m.frames())
                frames += (frames.empty() ? "[\"" : ",\"") + to_base64(each.view()) + '"';
            object.raw("frames", frames + ']');
        }
        object.text("payload", m.body());
    }
    return text;
}

bool same(const message& a, const message& b) {
    if (a.has_topic() != b.has_topic() || a.topic() != b.topic() || a.body() != b.body()) return false;
    if (a.headers() != b.headers() || a.frames().size() != b.frames().size()) return false;
    for (std::size_t i = 0; i < a.frames().size(); ++i)
        if (a.frames()[i].view() != b.frames()[i].view()) return false;
    return true;
}

// Bytes that are near to text: whole characters, and now and then one that breaks them.
std::string random_bytes(std::mt19937_64& random) {
    static const std::vector<std::string> pieces = {"a",
                                                    "\"",
                                                    "\\",
                                                    "\n",
                                                    "\0"s,
                                                    "\x1f",
                                                    "\x7f",
                                                    "\xC3\xA4",
                                                    "\xF0\x9F\x9B\xB3",
                                                    "\xE2\x80\xA8",
                                                    "\xff",
                                                    "\xC3",
                                                    "\xED\xA0\x80",
                                                    "{",
                                                    "/"};
    std::string bytes;
    for (auto left = random() % 12; left > 0; --left) bytes += pieces[random() % pieces.size()];
    return bytes;
}

message random_message(std::mt19937_64& random) {
    message m{frame{random_bytes(random)}};
    if (random() % 2 == 0) m.set_topic(frame{random_bytes(random)});
    for (auto left = random() % 3; left > 0; --left) m.add_frame(frame{random_bytes(random)});
    for (auto left = random() % 4; left > 0; --left) {
        const auto kind = random() % 3;
        header_value value = binary{random_bytes(random)};
        if (kind == 0) value = random_bytes(random);
        if (kind == 1) value = static_cast<std::int64_t>(random());
        m.set_header(random_bytes(random), value);
    }
    return m;
}

}  // namespace

TEST_CASE("json: any message is read back as it was written") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    for (int i = 0; i < 20'000; ++i) {
        const message m = random_message(random);
        const std::string text = to_json(m);
        CAPTURE(text);
        REQUIRE(is_json(text));
        REQUIRE(is_utf8(text));
        REQUIRE(text.find('\n') == std::string::npos);
        REQUIRE(same(message_from_json(text), m));
    }
}

TEST_CASE("json: foreign bytes are a message or a usage error, nothing else") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    int refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text = to_json(random_message(random));
        for (auto left = 1 + random() % 3; left > 0; --left)
            text[random() % text.size()] = static_cast<char>(random());
        try {
            message_from_json(text);
        } catch (const usage_error&) {
            ++refused;
        }
    }
    CHECK(refused > 10'000);
}

TEST_CASE("json: what is not the form of a message is named") {
    const auto refusal = [](const char* text) {
        try {
            message_from_json(text);
        } catch (const usage_error& problem) {
            return std::string{problem.what()};
        }
        return "taken"s;
    };
    CHECK(refusal("[1]") == "a message is a JSON object, as in {\"payload\":\"hello\"}");
    CHECK(refusal("{}") == "\"payload\" is missing");
    CHECK(refusal(R"({"paylod":"x"})") == "unknown member \"paylod\"; did you mean payload?");
    CHECK(refusal(R"({"payload":"x","payload_b64":"eA=="})") ==
          "both \"payload\" and \"payload_b64\" are given");
    CHECK(refusal(R"({"payload_b64":"?"})") == "\"payload_b64\" is no base64 text");
    CHECK(refusal(R"({"payload":1})") == "\"payload\" is no string");
    CHECK(refusal(R"({"payload":"x","headers":{"a":1.5}})").find("the header \"a\"") == 0);
    CHECK(refusal(R"({"payload":"x","headers":{"a":18446744073709551615}})").find("beyond 63 bits") !=
          std::string::npos);
    CHECK(refusal(R"({"payload":"x","v":2})") == "\"v\" is not 1, the form this ferry reads");
    CHECK(refusal(R"({"payload":"\ud800"})").find("not JSON: ") == 0);
    CHECK(refusal("{\"payload\":\"x\"").find("not JSON: ") == 0);
    CHECK(refusal((std::string(100'000, '[')).c_str()) == "the JSON is nested too deep");
    CHECK(
        refusal(
            R"({"v":1,"n":3,"ts":"x","size":1,"data":[1],"stream":"s","group":"g","offset":1,"attempt":1,"payload":"x"})") ==
        "taken");
}
