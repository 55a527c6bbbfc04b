// The delivered mark: on disk before anything above it is shown to anybody.
#include <doctest/doctest.h>

#include "devices/spool/dispatcher.hpp"
#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

// The histories of the simulator are shorter than a step of the mark.
TEST_CASE(
    "marks: nothing goes out above the mark that is on disk, so all that was seen is flagged after a power "
    "cut") {
    constexpr std::uint64_t count = 2 * dispatcher::mark_step;
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
