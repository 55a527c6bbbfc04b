#include "core/envelope.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "ferry/error.hpp"

using namespace ferry;

namespace {

const stamp some_stamp{"\x01\x02\x03\x04\x05\x06\x07\x08", 3, 7, 1'000'000'000};

std::vector<frame> frames_of(std::initializer_list<std::string_view> parts) {
    return {parts.begin(), parts.end()};
}

decoded_message decoded(std::vector<frame> frames) {
    return from_frames(frames);
}

}  // namespace

TEST_CASE("envelope: the header frame has the bytes that docs/wire.md shows") {
    const std::string header = encode_header(some_stamp, {{"key", std::string{"a"}}});
    const std::string expected{
        "\xC1"
        "fy\x01"                                    // magic, version 1
        "\x95"                                      // array of five
        "\xC4\x08\x01\x02\x03\x04\x05\x06\x07\x08"  // producer id: bin 8
        "\x03\x07"                                  // epoch 3, sequence 7
        "\xCE\x3B\x9A\xCA\x00"                      // time_ns 1000000000
        "\x81\xA3key\xA1"
        "a",  // headers {"key": "a"}
        4 + 1 + 10 + 2 + 5 + 7};
    CHECK(header == expected);
}

TEST_CASE("envelope: topic, stamp, every kind of header and the payload come back") {
    message sent{"news", "hello"};
    sent.set_header("text", std::string{"t\0x", 3});
    sent.set_header("number", std::int64_t{-5});
    sent.set_header("bytes", binary{std::string{"\xff\x00", 2}});
    sent.set_sent_by(some_stamp);
    sent.add_frame("between");
    const decoded_message back = decoded(to_frames(sent, envelope_mode::automatic));
    REQUIRE(back.good);
    CHECK(back.content.topic() == "news");
    CHECK(back.content.body() == "hello");
    CHECK(back.content.headers() == sent.headers());
    CHECK(back.content.sent_by() == some_stamp);
    REQUIRE(back.content.frames().size() == 1);
    CHECK(back.content.frames()[0].view() == "between");
}

TEST_CASE("envelope: plain messages stay as plain peers send them") {
    CHECK(to_frames(message{"x"}, envelope_mode::automatic).size() == 1);
    CHECK(to_frames(message{"t", "x"}, envelope_mode::automatic).size() == 2);
    CHECK(to_frames(message{"x"}, envelope_mode::full).size() == 3);
    const decoded_message one = decoded(frames_of({"x"}));
    CHECK_FALSE(one.content.has_topic());
    const decoded_message two = decoded(frames_of({"", "x"}));
    CHECK(two.content.has_topic());
    CHECK(two.content.body() == "x");
    const decoded_message four = decoded(frames_of({"t", "a", "b", "x"}));
    CHECK(four.content.frames().size() == 2);
    CHECK_FALSE(four.content.sent_by());
}

TEST_CASE("envelope: a header that lies is bad and never throws") {
    const std::string good = encode_header(some_stamp, {{"key", std::string{"a"}}, {"n", std::int64_t{1}}});
    for (std::size_t cut = envelope_magic.size(); cut < good.size(); ++cut)
        CHECK_FALSE(decode_header(good.substr(0, cut)).good);
    CHECK_FALSE(decode_header(good + "x").good);
    // five bytes that claim four billion elements
    CHECK_FALSE(decode_header(std::string{envelope_magic} + "\xDD\xFF\xFF\xFF\xFF").good);
    // nested deeper than 4
    CHECK_FALSE(decode_header(std::string{envelope_magic} + "\x91\x91\x91\x91\x91\x91\x91").good);
    CHECK_FALSE(decoded(frames_of({"t", std::string{envelope_magic} + "junk", "x"})).good);
    std::mt19937_64 random{7};
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = good;
        for (std::uint64_t flips = random() % 4; flips < 4; ++flips)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        decode_header(bytes);
    }
}

TEST_CASE("envelope: headers above 64 KiB are refused when sending and when receiving") {
    CHECK_THROWS_AS(encode_header(some_stamp, {{"big", std::string(70'000, 'x')}}), error);
    std::string bytes = encode_header(some_stamp, {});
    bytes.resize(envelope_header_bytes_max + 1);
    CHECK_FALSE(decode_header(bytes).good);
}
