// The window of message ids against a plain map, and what it costs.
#include "devices/spool/id_window.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "core/varint.hpp"

using namespace ferry;

namespace {

id_hash id(std::uint64_t number) {
    return id_hash::of(42, 1, "order-" + std::to_string(number));
}

}  // namespace

TEST_CASE("id window: a clock that was set back between two ids does not spoil what is saved") {
    id_window ids;
    ids.add(id_hash::of(1, 1, "first"), 10, 1'700'000'100);
    ids.add(id_hash::of(1, 1, "second"), 11, 1'700'000'050);
    id_window again;
    REQUIRE(again.load(ids.save()));
    CHECK(again.size() == 2);
    CHECK(again.find(id_hash::of(1, 1, "first"), 0) == 10);
    CHECK(again.find(id_hash::of(1, 1, "second"), 1'700'000'100) == 11);
}

TEST_CASE("id window: it finds what a plain map finds, while ids come, come again and grow old") {
    std::mt19937_64 random{5};
    id_window window;
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> plain;  // id -> offset, second
    std::uint64_t wall_s = 1'700'000'000;
    for (std::uint64_t offset = 0; offset < 50'000; ++offset) {
        wall_s += random() % 100 == 0 ? 1 : 0;
        const std::uint64_t number = random() % 20'000;
        const std::uint64_t since_s = wall_s - 60;
        const auto known = plain.find(number);
        const bool fresh = known == plain.end() || known->second.second < since_s;
        const auto found = window.find(id(number), since_s);
        REQUIRE(found.has_value() != fresh);
        if (found) REQUIRE(*found == known->second.first);
        if (fresh) {
            window.add(id(number), offset, wall_s);
            plain[number] = {offset, wall_s};
        }
        if (random() % 1000 == 0) window.forget_before(since_s);
        if (random() % 10'000 == 0) {
            id_window again;
            REQUIRE(again.load(window.save()));
            CHECK(again.save() == window.save());
            window = std::move(again);
        }
    }
}

TEST_CASE("id window: a million ids are kept, then the oldest goes for each new one") {
    id_window window;
    constexpr std::uint64_t more = 1000;
    for (std::uint64_t i = 0; i < id_window::ids_max + more; ++i)
        window.add(id(i), i, 1'700'000'000 + i / 1000);
    CHECK(window.size() == id_window::ids_max);
    CHECK_FALSE(window.find(id(more - 1), 0));
    CHECK(window.find(id(more), 0) == more);
    CHECK(window.find(id(id_window::ids_max + more - 1), 0) == id_window::ids_max + more - 1);
    CHECK(window.oldest_s() == 1'700'000'001);
    CHECK(window.save().size() < 16 * id_window::ids_max);
}

TEST_CASE("id window: the same id is another one in another stream and in another spool") {
    CHECK_FALSE(id_hash::of(1, 1, "a") == id_hash::of(1, 2, "a"));
    CHECK_FALSE(id_hash::of(1, 1, "a") == id_hash::of(2, 1, "a"));
    CHECK(id_hash::of(1, 1, "a") == id_hash::of(1, 1, "a"));
}

TEST_CASE("id window: bytes that are cut short are no window") {
    id_window window;
    for (std::uint64_t i = 0; i < 20; ++i) window.add(id(i), 1000 * i, 1'700'000'000);
    const std::string saved = window.save();
    CHECK_FALSE(window.load(saved.substr(0, saved.size() - 1)));
    CHECK_FALSE(window.load(saved.substr(0, 7)));
}

TEST_CASE("id window: bytes in which time runs backwards are no window") {
    std::string saved;
    for (const std::uint64_t later : {std::uint64_t{1'700'000'000}, ~std::uint64_t{0}}) {
        saved.append(12, 'h');
        put_varint(saved, 0);
        put_varint(saved, later);
    }
    id_window window;
    CHECK_FALSE(window.load(saved));
}
