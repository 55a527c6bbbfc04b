#include "core/envelope_batch.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace ferry;

namespace {

const stamp some_stamp{"\x01\x02\x03\x04\x05\x06\x07\x08", 3, 7, 1'000'000'000};

std::vector<frame> frames_of(std::string header, std::string items) {
    std::vector<frame> frames;
    frames.emplace_back("news");
    frames.emplace_back(std::move(header));
    frames.emplace_back(std::move(items));
    return frames;
}

}  // namespace

TEST_CASE("envelope batch: the header has the bytes that docs/wire.md shows, and the messages come back") {
    const std::string header = encode_batch_header(some_stamp, 2);
    const std::string expected{
        "\xC1"
        "fy\x02"                                    // magic, a batch
        "\x95"                                      // array of five
        "\xC4\x08\x01\x02\x03\x04\x05\x06\x07\x08"  // producer id: bin 8
        "\x03\x07"                                  // epoch 3, first sequence 7
        "\xCE\x3B\x9A\xCA\x00"                      // time_ns 1000000000
        "\x02",                                     // two messages
        4 + 1 + 10 + 2 + 5 + 1};
    CHECK(header == expected);

    message rich{"other", "2"};
    rich.set_header("k", "v");
    rich.add_frame("between");
    std::string items;
    append_payload(items, std::string(100, '1'));
    append_item(items, rich);
    std::vector<frame> frames = frames_of(header, items);
    REQUIRE(envelope_batch::is_one(frames));
    envelope_batch batch;
    REQUIRE(batch.open(frames) == nullptr);
    CHECK(batch.left() == 2);
    CHECK(batch.topic() == "news");
    const auto first = batch.next();
    REQUIRE(first);
    CHECK(first->topic() == "news");
    CHECK(first->body() == std::string(100, '1'));
    CHECK(first->sent_by() == some_stamp);
    const auto second = batch.next();
    REQUIRE(second);
    CHECK(second->topic() == "other");
    CHECK(second->body() == "2");
    CHECK(second->header("k") == "v");
    REQUIRE(second->frames().size() == 1);
    CHECK(second->sent_by()->sequence == 8);
    CHECK(batch.left() == 0);
    CHECK_FALSE(batch.next());
}

TEST_CASE("envelope batch: a message outlives the batch it came in") {
    std::optional<message> kept;
    {
        std::string items;
        append_payload(items, std::string(5000, 'x'));
        append_payload(items, "y");
        std::vector<frame> frames = frames_of(encode_batch_header(some_stamp, 2), items);
        envelope_batch batch;
        REQUIRE(batch.open(frames) == nullptr);
        kept = batch.next();
    }
    REQUIRE(kept);
    CHECK(kept->body() == std::string(5000, 'x'));
    CHECK(kept->topic() == "news");
}

TEST_CASE("envelope batch: headers that lie are said to, and bytes that are none end it") {
    const auto wrong = [](const std::string& header, const std::string& items) {
        std::vector<frame> frames = frames_of(header, items);
        envelope_batch batch;
        return batch.open(frames) != nullptr;
    };
    std::string items;
    for (int i = 0; i < 3; ++i) append_payload(items, "x");
    const std::string good = encode_batch_header(some_stamp, 3);
    CHECK_FALSE(wrong(good, items));
    for (std::size_t cut = envelope_batch_magic.size(); cut < good.size(); ++cut)
        CHECK(wrong(good.substr(0, cut), items));
    CHECK(wrong(good + "x", items));
    CHECK(wrong(encode_batch_header(some_stamp, 0), items));
    CHECK(wrong(encode_batch_header(some_stamp, 5), items));
    CHECK(wrong(encode_batch_header({"12345678", 1, ~std::uint64_t{0}, 0}, 3), items));
    std::mt19937_64 random{7};
    for (int i = 0; i < 20'000; ++i) {
        std::string header = good, spoiled = items;
        for (std::string* each : {&header, &spoiled})
            for (std::uint64_t flips = random() % 4; flips < 4; ++flips)
                (*each)[random() % each->size()] = static_cast<char>(random());
        std::vector<frame> frames = frames_of(std::move(header), std::move(spoiled));
        envelope_batch batch;
        if (!envelope_batch::is_one(frames) || batch.open(frames) != nullptr) continue;
        std::uint64_t taken = 0;
        const std::uint64_t said = batch.left();
        while (batch.next()) ++taken;
        CHECK(taken + batch.drop() == said);
    }
}
