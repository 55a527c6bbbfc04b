#include "core/batch.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace ferry;

TEST_CASE("batch: every field of a message comes back") {
    message full{"topic", "payload"};
    full.set_header("text", "x");
    full.set_header("number", std::int64_t{-70000});
    full.set_header("bytes", binary{"\xff"});
    full.add_frame("between");
    std::string batch;
    append_item(batch, full);
    append_item(batch, message{"bare"});
    append_payload(batch, std::string(70'000, 'x'));
    message no_topic{"p"};
    no_topic.set_header("h", "1");
    append_item(batch, no_topic);

    batch_cursor cursor{batch};
    const auto first = to_message(*cursor.next());
    REQUIRE(first);
    CHECK(first->topic() == "topic");
    CHECK(first->headers() == full.headers());
    CHECK(first->frames()[0].view() == "between");
    CHECK(first->body() == "payload");
    CHECK_FALSE(to_message(*cursor.next())->has_topic());
    CHECK(cursor.next()->payload.size() == 70'000);
    const auto last = to_message(*cursor.next());
    CHECK_FALSE(last->has_topic());
    CHECK(last->header("h") == "1");
    CHECK_FALSE(cursor.next());
    CHECK(cursor.good());
}

TEST_CASE("batch: the size foretold is never too small, and exact for a bare payload") {
    for (const std::size_t size : {0, 1, 255, 256, 65535, 65536, 200'000}) {
        std::string batch;
        append_payload(batch, std::string(size, 'x'));
        CHECK(item_bytes_max(message{std::string(size, 'x')}) == batch.size());
    }
    message full{std::string(300, 't'), std::string(300, 'x')};
    full.set_header(std::string(40, 'k'), std::string(300, 'v'));
    full.add_frame(std::string(300, 'f'));
    std::string batch;
    append_item(batch, full);
    CHECK(item_bytes_max(full) >= batch.size());
}

TEST_CASE("batch: foreign bytes end the walk and are said to be bad") {
    std::mt19937_64 random{11};
    std::string good;
    for (int i = 0; i < 5; ++i) append_item(good, message{"topic", "payload"});
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = good.substr(0, random() % (good.size() + 1));
        if (!bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random());
        batch_cursor cursor{bytes};
        std::size_t walked = 0;
        while (const auto item = cursor.next()) {
            walked += item->all.size();
            to_message(*item);
        }
        if (cursor.good()) REQUIRE(walked == bytes.size());
    }
    batch_cursor lies{"\x91\xC6\xFF\xFF\xFF\xFFx"};
    CHECK_FALSE(lies.next());
    CHECK_FALSE(lies.good());
}
