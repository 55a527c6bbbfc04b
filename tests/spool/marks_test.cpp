// The delivered mark: on disk before anything above it is shown to anybody.
#include <doctest/doctest.h>

#include "devices/spool/mark_pace.hpp"
#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

// All it is given, frame after frame.
std::map<std::uint64_t, std::uint64_t> taken_by(table& t, const std::string& name) {
    std::map<std::uint64_t, std::uint64_t> all;
    for (std::size_t before = 1; before != all.size();) {
        before = all.size();
        t.settle();
        all.merge(t.take(name));
    }
    return all;
}

}  // namespace

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

TEST_CASE("marks: a step doubles when deliveries waited for it, up to a limit, and shrinks when none do") {
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

// Where neighbours have different priorities each is a piece of its own, and there may be as many as the mark
// is ahead.
TEST_CASE("marks: what comes flagged after a crash may be of many pieces, whatever a record may have") {
    constexpr std::uint64_t count = 50'000;
    table t{{.segment_bytes = 1 << 20}};
    t.consumer("c", {.stream = "s", .group = "g", .credit_messages = count});
    t.settle();
    std::vector<message> mixed(count, message{"x"});
    for (std::uint64_t i = 0; i < count; i += 2) mixed[i].set_header("priority", std::int64_t{1});
    t.put(mixed);
    const auto seen = taken_by(t, "c");
    CHECK(seen.size() == count);
    t.cut_off("c");
    t.cut_power();
    t.consumer("d", {.stream = "s", .group = "g", .credit_messages = count});
    t.pass(3 * second_ns);
    const auto again = taken_by(t, "d");
    CHECK(again.size() == count);
    std::uint64_t unflagged = 0;
    for (const auto& [offset, attempt] : seen) unflagged += !again.contains(offset) || again.at(offset) == 1;
    CHECK(unflagged == 0);
}

TEST_CASE("marks: acks of many pieces that come at once are stored, whatever a record may have") {
    constexpr std::uint64_t count = 150'000;
    table t{{.segment_bytes = 1 << 20}};
    t.consumer("c", {.stream = "s", .group = "g", .credit_messages = count});
    t.settle();
    t.put(count);
    const auto taken = taken_by(t, "c");
    CHECK(taken.size() == count);
    for (const auto& [offset, attempt] : taken)
        if (offset % 2 == 0) t.ack("c", offset);
    t.settle();
    CHECK(t.session("c").all_answered());
    CHECK(t.the_group().leased_count() == count / 2);
}
