// Message ids: what is put twice is stored once, within the stream's window and across crashes.
#include <doctest/doctest.h>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

message with_id(const std::string& id, const std::string& body = "x") {
    message made{body};
    made.set_header("message-id", id);
    return made;
}

std::vector<message> with_ids(int from, int count) {
    std::vector<message> all;
    for (int i = from; i < from + count; ++i) all.push_back(with_id("id-" + std::to_string(i)));
    return all;
}

using fates = std::vector<std::pair<std::uint64_t, bool>>;  // offset, duplicate

}  // namespace

TEST_CASE("dedup: a message with an id that is known is confirmed as a duplicate at its true offset") {
    table t;
    CHECK(t.fates_of({with_id("a"), with_id("b")}) == fates{{0, false}, {1, false}});
    CHECK(t.fates_of({with_id("b"), with_id("c"), message{"x"}, with_id("a")}) ==
          fates{{1, true}, {3, false}, {4, false}, {0, true}});
    CHECK(t.counters().messages_duplicate == 2);
    t.consumer("c");
    CHECK(t.work("c") == std::vector<std::uint64_t>{0, 1, 3, 4});
    CHECK(t.the_stream().messages() == 0);
    CHECK(t.the_group().floor(t.the_stream().lanes) == t.the_stream().next);
}

TEST_CASE("dedup: the same id twice in one batch is stored once") {
    table t;
    CHECK(t.fates_of({with_id("a"), with_id("a"), with_id("a")}) == fates{{0, false}, {0, true}, {0, true}});
    CHECK(t.the_stream().messages() == 1);
}

TEST_CASE("dedup: 10,000 resends, before and after a stop, a crash and a snapshot, store nothing twice") {
    table t;
    constexpr int count = 10'000;
    const auto all = with_ids(0, count);
    fates first = t.fates_of(all);
    for (auto& [offset, duplicate] : first) {
        REQUIRE_FALSE(duplicate);
        duplicate = true;
    }
    CHECK(t.fates_of(all) == first);
    for (const bool clean : {true, false, false}) {
        t.restart(clean);
        CHECK(t.fates_of(all) == first);
        t.want_snapshot();
        t.settle();
    }
    CHECK(t.the_stream().messages() == count);
    t.consumer("c");
    CHECK(t.work("c").size() == count);
    CHECK(t.fates_of(all) == first);  // done, and still known
}

TEST_CASE("dedup: an id is forgotten when its window is over, and not before, whatever the clock is set to") {
    table t;
    REQUIRE(t.admin("stream.create", {{"dedup_ms", 60'000}}).code.empty());
    CHECK(t.fates_of({with_id("a")}) == fates{{0, false}});
    t.set_clock(3600LL * 1'000'000'000);
    t.pass(30 * second_ns);
    CHECK(t.fates_of({with_id("a")}) == fates{{0, true}});
    t.set_clock(-7200LL * 1'000'000'000);
    CHECK(t.fates_of({with_id("a")}) == fates{{0, true}});
    t.pass(45 * second_ns);
    CHECK(t.fates_of({with_id("a")}).at(0).second == false);
}

TEST_CASE("dedup: a stream that was told not to look at ids stores every message") {
    table t;
    REQUIRE(t.admin("stream.create", {{"dedup_ms", 0}}).code.empty());
    CHECK(t.fates_of({with_id("a"), with_id("a")}) == fates{{0, false}, {1, false}});
}

TEST_CASE(
    "dedup: a batch that is sent again is answered with the same offsets, also of what was known in it") {
    table t;
    t.fates_of({with_id("a")});
    const std::vector<message> batch = {message{"x"}, with_id("a"), with_id("b")};
    const auto once = t.fates_of(batch);
    CHECK(once == fates{{1, false}, {0, true}, {3, false}});
    // A producer whose confirm was lost resends the batch under the same sequence.
    t.lose_confirms = true;
    CHECK(t.fates_of({message{"x"}, with_id("a"), with_id("d")}, "again").empty());
    t.lose_confirms = false;
    CHECK(t.fates_of({}, "again") == fates{{4, true}, {0, true}, {6, true}});
}

TEST_CASE("dedup: an id that cannot be one is refused, and only its message") {
    table t;
    CHECK(t.put({with_id("")}) == protocol::code::unsupported);
    CHECK(t.put({with_id(std::string(2000, 'x'))}) == protocol::code::unsupported);
    const auto mixed = t.fates_of({message{"x"}, with_id(""), with_id("fine")});
    CHECK(t.the_stream().messages() == 2);
    CHECK(mixed.size() == 2);
}

TEST_CASE(
    "dedup: ten thousand messages that are sent again, before and after a stop and a crash, are stored "
    "once") {
    table t;
    std::uint64_t again = 0;
    std::uint64_t stored = 0;
    for (int round = 0; again < 10'000; ++round) {
        REQUIRE(round < 1000);
        CAPTURE(round);
        // Their confirms are lost. What had no room in the window of a producer that hears nothing was not
        // sent.
        t.lose_confirms = true;
        t.fates_of(std::vector<message>(500, message{std::string(30, 'x')}), "p");
        const std::uint64_t known = t.the_stream().next - stored;
        CHECK(known > 0);
        if (round % 3 == 1) t.restart(true);
        if (round % 3 == 2) t.restart(false);
        t.lose_confirms = false;
        const fates all = t.fates_of({}, "p");
        REQUIRE(all.size() == 500);
        for (std::size_t i = 0; i < all.size(); ++i)
            REQUIRE(all[i] == std::pair<std::uint64_t, bool>{stored + i, i < known});
        stored += all.size();
        again += known;
        CHECK(t.the_stream().next == stored);
    }
}

TEST_CASE("dedup: a producer that asks for it has its ids known, and is told of none") {
    table t;
    t.fates_of({with_id("a")});
    producer_session& copying = t.producer("copying", {.stream = "s", .dedup = false});
    std::vector<put_place> places;
    for (const char* id : {"a", "b", "b"}) places.push_back(copying.put(with_id(id), t.now()));
    copying.flush();
    t.settle();
    for (std::size_t i = 0; i < places.size(); ++i) {
        CHECK(places[i].now().offset == 1 + i);
        CHECK_FALSE(places[i].now().duplicate);
    }
    CHECK(t.fates_of({with_id("a"), with_id("b")}) == fates{{0, true}, {2, true}});
}
