// The delivered mark: on disk before anything above it is shown to anybody.
#include <doctest/doctest.h>

#include "devices/spool/mark_pace.hpp"
#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

// The histories of the simulator are shorter than a step of the mark.
TEST_CASE(
    "marks: nothing goes out above the mark that is on disk, so all that was seen is flagged after a power "
    "cut") {
    constexpr std::uint64_t count = 2 * mark_pace::step_least;
    table t;
    const consumer_session_options all{.stream = "s", .group = "g", .credit_messages = count};
    t.consumer("c", all);
    t.settle();
    REQUIRE(t.tell("group.pause", {{"stream", "s"}, {"group", "g"}}).empty());
    t.put(count);
    t.settle();
    t.hold_syncs();
    t.tell("group.resume", {{"stream", "s"}, {"group", "g"}});  // not answered: the disk stands still
    t.settle();
    const auto seen = t.take("c");
    CHECK(!seen.empty());
    CHECK(seen.size() < count);
    t.cut_off("c");
    t.cut_power();
    t.tell("group.resume", {{"stream", "s"}, {"group", "g"}});
    t.consumer("d", all);
    t.pass(3 * second_ns);
    const auto again = t.take("d");
    CHECK(again.size() == count);
    std::uint64_t unflagged = 0;
    for (const auto& [offset, attempt] : seen) {
        REQUIRE(again.contains(offset));
        unflagged += again.at(offset) == 1;
    }
    CHECK(unflagged == 0);
}

TEST_CASE("marks: a step doubles when deliveries waited for it, up to a million, and shrinks when none do") {
    mark_pace pace;
    std::uint64_t now_ns = 10 * second_ns;
    const auto raised = [&](std::uint64_t after_ns = 1'000'000) { pace.raised(now_ns += after_ns); };
    CHECK(pace.step() == mark_pace::step_least);
    raised();
    CHECK(pace.step() == mark_pace::step_least);
    pace.waited();
    pace.waited();
    raised();
    CHECK(pace.step() == 2 * mark_pace::step_least);
    CHECK(pace.margin() == mark_pace::step_least);
    for (int i = 0; i < 20; ++i) {
        pace.waited();
        raised();
    }
    CHECK(pace.step() == mark_pace::step_most);
    for (int i = 0; i < 15; ++i) raised();
    CHECK(pace.step() == mark_pace::step_most);
    raised();
    CHECK(pace.step() == mark_pace::step_most / 2);
    raised(2 * second_ns);  // that was a step of a long time
    CHECK(pace.step() == mark_pace::step_most / 4);
    for (int i = 0; i < 1000; ++i) raised();
    CHECK(pace.step() == mark_pace::step_least);
}

// With one small step for each sync a consumer was given 8,192 messages a sync, however much was stored.
TEST_CASE("marks: where a sync is slow, more goes out before the next one") {
    table t;
    constexpr std::uint64_t count = 20 * mark_pace::step_least;
    t.consumer("c", {.stream = "s", .group = "g", .credit_messages = count});
    t.settle();
    REQUIRE(t.tell("group.pause", {{"stream", "s"}, {"group", "g"}}).empty());
    t.put(count);
    t.settle();
    t.hold_syncs();
    t.tell("group.resume", {{"stream", "s"}, {"group", "g"}});
    std::size_t got = 0;
    std::size_t most = 0;
    int syncs = 0;
    for (; got < count && syncs < 100; ++syncs) {
        t.settle();
        const std::size_t taken = t.take("c").size();
        most = std::max(most, taken);
        got += taken;
        t.sync_again();
        t.hold_syncs();
    }
    CHECK(got == count);
    CHECK(most >= 4 * mark_pace::step_least);
    CHECK(syncs < 12);
}
