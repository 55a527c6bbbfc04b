#include "core/protocol.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace ferry;
using namespace ferry::protocol;

TEST_CASE("protocol: a message comes back field by field") {
    stored sent{.channel = 3,
                .incarnation = 9,
                .up_to = 1'000'000'000'000,
                .runs = {{1, 5, 40, false}, {6, 1, 7, true}},
                .grade = 1,
                .window_batches = 64,
                .window_bytes = 1 << 24};
    stored back;
    REQUIRE(decode(encode(sent), back));
    CHECK(back.runs == sent.runs);
    CHECK(back.up_to == sent.up_to);
    CHECK(back.window_bytes == sent.window_bytes);

    open request{.channel = 1,
                 .stream = "jobs",
                 .producer_name = "cam",
                 .producer_id = std::nullopt,
                 .epoch = 0,
                 .options = {{"create", std::int64_t{1}}}};
    open read;
    REQUIRE(decode(encode(request), read));
    CHECK(read.producer_name == "cam");
    CHECK_FALSE(read.producer_id);
    CHECK(read.options == request.options);

    result rows{.request = 7, .code = "", .text = "", .rows = {{{"name", "a"}}, {{"next", std::int64_t{5}}}}};
    result got;
    REQUIRE(decode(encode(rows), got));
    CHECK(got.rows == rows.rows);
}

TEST_CASE("protocol: the bytes are those docs/wire.md shows") {
    CHECK(encode(put{.channel = 1,
                     .previous = 0,
                     .first = 1,
                     .count = 2,
                     .checksum_kind = 1,
                     .checksum = 0xe3069283,
                     .time_ns = 5}) ==
          std::string("\x98\x03\x01\x00\x01\x02\x01\xCE\xE3\x06\x92\x83\x05", 13));
    CHECK(encode(ping{.token = 7, .frames = 2}) == "\x93\x0F\x07\x02");
    CHECK(encode(ack{.channel = 1, .lease = 5, .runs = {{10, 3}}}) == "\x94\x08\x01\x05\x91\x92\x0A\x03");
}

TEST_CASE("protocol: fields that a newer version appends are skipped") {
    pong message;
    REQUIRE(decode(std::string{"\x96\x2A\x07\x09\x03\xA5later\x90", 12}, message));
    CHECK(message.token == 7);
    CHECK(message.incarnation == 9);
    CHECK(message.frames == 3);
}

TEST_CASE("protocol: a PING and a PONG need not say how many frames were sent") {
    ping asked;
    REQUIRE(decode("\x92\x0F\x07", asked));
    CHECK(asked.token == 7);
    CHECK(asked.frames == 0);
    pong answered;
    REQUIRE(decode("\x93\x2A\x07\x09", answered));
    CHECK(answered.incarnation == 9);
    CHECK(answered.frames == 0);
    CHECK_FALSE(decode("\x92\x2A\x07", answered));
    CHECK_FALSE(decode("\x91\x0F", asked));
}

TEST_CASE("protocol: foreign bytes are refused, whatever they are") {
    ack message;
    CHECK_FALSE(decode("", message));
    CHECK_FALSE(decode("\x91", message));
    CHECK_FALSE(decode("\x94\x08\x01\x05\xDD\xFF\xFF\xFF\xFF", message));  // four billion runs
    CHECK_FALSE(
        decode("\x94\x08\x01\x05\x91\x92\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x03", message));  // wraps round
    const std::string good = encode(ack{.channel = 1, .lease = 5, .runs = {{10, 3}, {20, 4}}});
    for (std::size_t cut = 0; cut < good.size(); ++cut) CHECK_FALSE(decode(good.substr(0, cut), message));
    std::mt19937_64 random{3};
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = good;
        for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
        if (decode(bytes, message))
            for (const run& each : message.runs) REQUIRE(each.end() >= each.first);
    }
}

TEST_CASE("protocol: names are letters, digits, dot, dash and underscore, up to 128") {
    CHECK(good_name("jobs.eu-1_a"));
    CHECK_FALSE(good_name(""));
    CHECK_FALSE(good_name("a/b"));
    CHECK_FALSE(good_name("a b"));
    CHECK_FALSE(good_name(std::string(129, 'a')));
    CHECK(good_name(std::string(128, 'a')));
}
