// What a stream lets go, or does not let in: retain, limits and what happens at them, ttl, max-message.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

using offsets = std::vector<std::uint64_t>;

void make(table& t, header_map settings) {
    const auto made = t.admin("stream.create", std::move(settings));
    REQUIRE_MESSAGE(made.code.empty(), made.text);
}

std::vector<message> some(std::size_t count, std::size_t bytes = 1) {
    return std::vector<message>(count, message{std::string(bytes, 'x')});
}

offsets read_all(table& t) {
    static int readers = 0;
    const std::string name = "reader " + std::to_string(++readers);
    consumer_session& reader =
        t.consumer(name, {.stream = "s", .group = std::nullopt, .credit_messages = 5000});
    t.settle();
    offsets seen;
    while (const auto item = reader.next(t.now().monotonic_ns)) seen.push_back(item->offset);
    t.cut_off(name);
    return seen;
}

offsets counting(std::uint64_t from, std::uint64_t end) {
    offsets all;
    for (; from < end; ++from) all.push_back(from);
    return all;
}

}  // namespace

TEST_CASE("retention: a stream that keeps all keeps what was acked, for groups to come and over crashes") {
    table t;
    make(t, {{"retain", "all"}});
    t.put(10);
    t.consumer("c");
    CHECK(t.work("c").size() == 10);
    CHECK(t.the_stream().messages() == 10);
    for (const bool clean : {true, false}) {
        t.restart(clean);
        CHECK(read_all(t) == counting(0, 10));
    }
    t.consumer("late", {.stream = "s", .group = "late", .credit_messages = 100});
    t.pass(3 * second_ns);
    CHECK(t.work("late") == counting(0, 10));
    REQUIRE(t.admin("stream.set", {{"retain", "acked"}}).code.empty());
    t.settle();
    CHECK(t.the_stream().messages() == 0);
}

TEST_CASE("retention: what was let go before a stream was told to keep all does not come back") {
    table t;
    t.put(10);
    consumer_session& c = t.consumer("c");
    t.settle();
    while (const auto item = c.next(t.now().monotonic_ns))
        if (item->offset % 2 == 1) c.ack(item->lease, item->offset);
    t.settle();
    REQUIRE(t.admin("stream.set", {{"retain", "all"}}).code.empty());
    CHECK(t.the_stream().messages() == 5);
    CHECK(read_all(t) == offsets{0, 2, 4, 6, 8});
}

TEST_CASE("retention: messages older than their stream keeps them go, acked or not, and are counted") {
    table t;
    make(t, {{"retain", "60000ms"}});
    t.put(5);
    t.consumer("c");
    CHECK(t.work("c").size() == 5);
    t.pass(40 * second_ns);
    t.put(3);
    t.settle();
    t.pass(19 * second_ns);
    CHECK(t.the_stream().messages() == 8);
    t.pass(2 * second_ns);
    CHECK(t.the_stream().messages() == 3);
    CHECK(read_all(t) == counting(5, 8));
    t.restart(false);
    t.pass(41 * second_ns);
    CHECK(t.the_stream().messages() == 0);
    CHECK(t.the_stream().removed.at(static_cast<std::size_t>(records::removal_reason::retention)) == 8);
}

TEST_CASE("retention: a clock that is set back takes no message before its age") {
    table t;
    make(t, {{"retain", "60000ms"}});
    t.consumer("c");
    t.set_clock(-3600 * static_cast<std::int64_t>(second_ns));
    t.put(3);
    CHECK(t.work("c").size() == 3);
    t.pass(30 * second_ns);
    CHECK(t.the_stream().messages() == 3);
    // Set right again, it does not make them older either.
    t.set_clock(3600 * static_cast<std::int64_t>(second_ns));
    t.pass(second_ns);
    CHECK(t.the_stream().messages() == 3);
    // After the next start the clock counts as it is then.
    t.restart(true, 60 * second_ns);
    t.pass(second_ns);
    CHECK(t.the_stream().messages() == 0);
}

TEST_CASE("retention: dead letters do not go with their age, nor to make room") {
    table t;
    make(t, {{"retain", "60000ms"}, {"max_messages", 4}, {"when_full", "drop-oldest"}});
    REQUIRE(t.admin("group.create", {{"group", "g"}, {"max_attempts", 1}}).code.empty());
    consumer_session& c = t.consumer("c");
    t.put(3);
    t.settle();
    const auto first = c.next(t.now().monotonic_ns);
    c.nack(first->lease, first->offset, 0, "bad");
    t.settle();
    REQUIRE(t.the_group().dead_count() == 1);
    t.put(4);
    CHECK(t.the_stream().messages() == 5);
    t.pass(120 * second_ns);
    CHECK(t.the_stream().messages() == 1);
    CHECK(t.the_group().dead_count() == 1);
    CHECK(read_all(t) == offsets{0});
    t.restart(false);
    CHECK(read_all(t) == offsets{0});
}

TEST_CASE("retention: a full stream takes what fits, refuses the rest, and takes again when there is room") {
    table t;
    make(t, {{"max_messages", 10}});
    REQUIRE(t.admin("group.create", {{"group", "g"}}).code.empty());
    CHECK(t.fates_of(some(15)).size() == 10);
    CHECK(t.the_stream().messages() == 10);
    CHECK(t.put(some(1)) == protocol::code::full);
    t.consumer("c", {.stream = "s", .group = "g", .credit_messages = 1});
    t.settle();
    consumer_session& c = t.consumer("one", {.stream = "s", .group = "g", .credit_messages = 3});
    t.settle();
    for (int i = 0; i < 3; ++i) {
        const auto item = c.next(t.now().monotonic_ns);
        REQUIRE(item);
        c.ack(item->lease, item->offset);
    }
    t.settle();
    CHECK(t.fates_of(some(15)).size() == 3);
}

TEST_CASE("retention: a limit of bytes counts the bytes of what is kept") {
    table t;
    make(t, {{"max_bytes", 10'000}});
    const std::size_t stored = t.fates_of(some(50, 1000)).size();
    CHECK(stored == 9);
    CHECK(t.the_stream().bytes() <= 10'000);
    CHECK(t.the_stream().bytes() > 9'000);
    CHECK(t.put(some(1, 2000)) == protocol::code::full);
    CHECK(t.put(some(1, 20'000)) == protocol::code::too_large);
    CHECK(t.fates_of(some(1, 500)).size() == 1);
}

TEST_CASE("retention: the oldest make room when the stream was told so, and are counted") {
    table t;
    make(t, {{"max_messages", 10}, {"when_full", "drop-oldest"}});
    for (int i = 0; i < 7; ++i) CHECK(t.fates_of(some(5)).size() == 5);
    CHECK(read_all(t) == counting(25, 35));
    CHECK(t.counters().messages_dropped == 25);
    t.restart(false);
    CHECK(read_all(t) == counting(25, 35));
    CHECK(t.the_stream().removed.at(static_cast<std::size_t>(records::removal_reason::drop_oldest)) == 25);
    // More than the stream holds at all: the last ones stay.
    CHECK(t.fates_of(some(25)).size() == 25);
    CHECK(t.the_stream().messages() == 10);
    REQUIRE(t.admin("stream.set", {{"max_bytes", 10}}).code.empty());
    t.settle();
    CHECK(t.the_stream().bytes() <= 10);
    CHECK(t.the_stream().messages() == 2);
}

TEST_CASE("retention: what is leased and dropped for room is gone, and its ack says so") {
    table t;
    make(t, {{"max_messages", 2}, {"when_full", "drop-oldest"}});
    consumer_session& c = t.consumer("c");
    t.put(2);
    t.settle();
    const auto held = c.next(t.now().monotonic_ns);
    REQUIRE(held);
    t.put(2);
    c.ack(held->lease, held->offset);
    t.settle();
    CHECK(c.all_answered());
    CHECK(c.take_settled().done.empty());
    CHECK(t.the_stream().messages() == 2);
}

TEST_CASE(
    "retention: a producer waits in front of a full stream that blocks, and loses and doubles nothing") {
    table t;
    make(t, {{"max_messages", 10}, {"when_full", "block"}});
    REQUIRE(t.admin("group.create", {{"group", "g"}}).code.empty());
    t.fates_of(some(10), "p");
    CHECK(t.fates_of(some(5), "p").size() == 0);
    CHECK(t.waiting("p") == 5);
    CHECK(t.the_stream().messages() == 10);
    t.consumer("c", {.stream = "s", .group = "g", .credit_messages = 2});
    CHECK(t.work("c").size() == 10);  // the first places that come free are for the first messages that wait
    CHECK(t.fates_of({}, "p").size() == 5);
    CHECK(t.work("c").size() == 5);
    CHECK(t.waiting("p") == 0);
    CHECK(t.the_stream().next == 15);
}

TEST_CASE(
    "retention: a stream that blocks takes what fits of a batch, though something stuck holds a place") {
    table t;
    make(t, {{"max_messages", 10}, {"when_full", "block"}});
    REQUIRE(t.admin("group.create", {{"group", "g"}}).code.empty());
    message late{"late"};
    late.set_header("delay", std::int64_t{3'600'000});
    t.fates_of({late}, "p");
    t.fates_of(some(100), "p");  // which is one batch, ten times larger than the stream may ever be
    CHECK(t.the_stream().messages() == 10);
    t.consumer("c", {.stream = "s", .group = "g", .credit_messages = 2});
    std::size_t taken = 0;
    for (int round = 0; round < 30 && t.waiting("p") > 0; ++round) {
        taken += t.work("c").size();
        t.pass(second_ns / 4);  // less than half of what waits fits: that waits a while for more room
        t.fates_of({}, "p");
        CHECK(t.the_stream().messages() <= 10);
    }
    taken += t.work("c").size();
    CHECK(t.waiting("p") == 0);
    CHECK(taken == 100);
    CHECK(t.the_stream().next == 101);
}

TEST_CASE("retention: a batch that waits for room is not stored twice when its producer opens again") {
    table t;
    make(t, {{"max_messages", 1}, {"when_full", "block"}});
    REQUIRE(t.admin("group.create", {{"group", "g"}}).code.empty());
    t.put(1);
    for (int i = 0; i < 4; ++i) {
        CHECK(t.fates_of(i == 0 ? some(1) : some(0), "p").empty());
        t.pass(10 * second_ns);
    }
    t.consumer("c");
    CHECK(t.work("c").size() >= 1);
    CHECK(t.fates_of({}, "p").size() == 1);
    CHECK(t.the_stream().next == 2);
}

TEST_CASE("retention: a stream's ttl counts for messages that name none, and drops what nobody took") {
    table t;
    make(t, {{"ttl_ms", 10'000}});
    message lasting{"x"};
    lasting.set_header("ttl", 60'000);
    t.put({message{"x"}, lasting, message{"x"}});
    t.pass(9 * second_ns);
    CHECK(t.the_stream().messages() == 3);
    t.pass(2 * second_ns);
    CHECK(read_all(t) == offsets{1});
    CHECK(t.counters().messages_expired == 2);
    t.pass(60 * second_ns);
    CHECK(t.the_stream().messages() == 0);
}

TEST_CASE("retention: the expired become dead letters of every group that was not through with them") {
    table t;
    make(t, {{"ttl_ms", 10'000}, {"expired", "dead-letter"}});
    REQUIRE(t.admin("group.create", {{"group", "h"}}).code.empty());
    t.put(3);
    consumer_session& c = t.consumer("c");
    t.settle();
    const auto done = c.next(t.now().monotonic_ns);
    c.ack(done->lease, done->offset);
    t.settle();
    t.pass(11 * second_ns);
    CHECK(t.the_group().dead_count() == 2);
    const auto listed = t.admin("dead.list", {{"group", "h"}});
    REQUIRE(listed.rows.size() >= 1);
    CHECK(std::get<std::string>(listed.rows.front().at("reason")) == "expired");
    t.restart(false);
    CHECK(t.the_group().dead_count() == 2);
    CHECK(t.the_stream().messages() == 3);  // the first is a dead letter of the other group
    REQUIRE(t.admin("dead.redrive", {{"group", "g"}}).code.empty());
    t.pass(3 * second_ns);
    const offsets again = t.work("c");
    REQUIRE(again.size() == 2);
    CHECK(again[0] == 1);
    CHECK(again[1] == 2);
}

TEST_CASE("retention: only the message that is too large for its stream is refused") {
    table t;
    make(t, {{"max_message_bytes", 100}});
    const auto fates = t.fates_of(
        {message{"a"}, message{std::string(101, 'x')}, message{"b"}, message{std::string(100, 'y')}});
    REQUIRE(fates.size() == 3);
    for (std::uint64_t i = 0; i < fates.size(); ++i) CHECK(fates[i] == std::pair{i, false});
}

TEST_CASE("retention: a producer that is refused a thousand times can go on") {
    table t;
    make(t, {{"max_message_bytes", 100}});
    for (int i = 0; i < 1100; ++i) t.fates_of({message{std::string(101, 'x')}}, "p");
    CHECK(t.fates_of(some(1), "p").size() == 1);
}

TEST_CASE("retention: a stream that is told to keep less long lets go at once") {
    table t;
    REQUIRE(t.admin("stream.create", {{"retain", "600000ms"}}).code.empty());
    t.put(3);
    t.pass(5 * second_ns);
    t.put(2);
    REQUIRE(t.admin("stream.set", {{"retain", "4000ms"}}).code.empty());
    t.pass(second_ns);
    CHECK(t.the_stream().messages() == 2);
}

TEST_CASE(
    "retention: what expires as another group's dead letter does not come back to who was through with it") {
    table t;
    REQUIRE(t.admin("stream.create", {{"retain", "all"}, {"expired", "dead-letter"}}).code.empty());
    message late{"x"};
    late.set_header("delay", std::int64_t{5000});
    late.set_header("ttl", std::int64_t{3000});
    t.put({late});
    REQUIRE(t.admin("group.create", {{"group", "new"}, {"from", "new"}}).code.empty());
    REQUIRE(t.admin("group.create", {{"group", "g"}}).code.empty());
    t.pass(8 * second_ns);
    CHECK(t.the_group().dead_count() == 1);
    const group& through = t.group_named("new");
    CHECK(through.ready_count(t.the_stream().next, t.the_stream().lanes) == 0);
    CHECK(through.waiting_count(t.the_stream().lanes) == 0);
}

TEST_CASE("retention: a dead letter that is redriven after its time does not expire, nor after a crash") {
    table t;
    REQUIRE(t.admin("stream.create", {}).code.empty());
    REQUIRE(t.admin("group.create", {{"group", "g"}, {"max_attempts", 1}}).code.empty());
    t.consumer("a");
    message brief{"x"};
    brief.set_header("ttl", std::int64_t{2000});
    t.put({brief});
    t.settle();
    t.take("a");
    t.nack("a", 0);
    t.settle();
    CHECK(t.the_group().dead_count() == 1);
    t.disconnect("a");
    t.pass(3 * second_ns);
    REQUIRE(t.admin("dead.redrive", {{"group", "g"}}).code.empty());
    for (const bool clean : {false, true}) {
        t.restart(clean);
        t.pass(3 * second_ns);
        CHECK(t.the_stream().messages() == 1);
    }
}

TEST_CASE("retention: what is let go for good is not counted as waiting any more") {
    table t;
    REQUIRE(t.admin("group.create", {{"group", "g"}}).code == protocol::code::no_such_stream);
    t.consumer("a");
    message late{"x"};
    late.set_header("delay", std::int64_t{1000});
    t.put({message{"stays"}, late, late});
    t.pass(2 * second_ns);
    t.take("a");
    t.ack("a", 1);
    t.ack("a", 2);
    t.settle();
    REQUIRE(t.admin("stream.set", {{"retain", "acked"}}).code.empty());
    CHECK(t.the_group().waiting_count(t.the_stream().lanes) == 0);
    CHECK(t.the_stream().messages() == 1);
}

TEST_CASE("retention: a first group that wants only what is new lets go of what was there") {
    table t;
    t.put(3);
    REQUIRE(t.admin("group.create", {{"group", "g"}, {"from", "new"}}).code.empty());
    CHECK(t.the_stream().first == 3);
    t.restart(false);
    CHECK(t.the_stream().first == 3);
}

namespace {

// Message 0 is dead in group g and out again in group h, which has it on lease.
void die_twice_and_redrive(table& t) {
    for (const char* const name : {"g", "h"})
        REQUIRE(t.admin("group.create", {{"group", name}, {"max_attempts", 1}}).code.empty());
    t.put(1);
    for (const char* const name : {"g", "h"}) {
        consumer_session& c = t.consumer(name, {.stream = "s", .group = name, .credit_messages = 1});
        t.settle();
        const auto first = c.next(t.now().monotonic_ns);
        REQUIRE(first);
        c.nack(first->lease, first->offset, 0, "bad");
        t.settle();
    }
    REQUIRE(t.admin("dead.redrive", {{"group", "h"}}).code.empty());
    t.settle();
    REQUIRE(t.group_named("g").dead_count() == 1);
    REQUIRE(t.group_named("h").dead_count() == 0);
}

bool has_first(table& t, const std::string& name) {
    return t.group_named(name).needs(0, t.the_stream().lanes);
}

std::uint64_t removed_for(table& t, records::removal_reason why) {
    return t.the_stream().removed.at(static_cast<std::size_t>(why));
}

}  // namespace

TEST_CASE("retention: what is a dead letter of one group makes no room, and stays for the others as well") {
    table t;
    make(t, {{"max_messages", 3}, {"when_full", "drop-oldest"}});
    die_twice_and_redrive(t);
    t.put(4);
    CHECK(removed_for(t, records::removal_reason::drop_oldest) == 1);
    CHECK(has_first(t, "h"));
    t.restart(false);
    CHECK(has_first(t, "h"));
    REQUIRE(t.admin("dead.drop", {{"group", "g"}}).code.empty());
    t.settle();
    CHECK(removed_for(t, records::removal_reason::drop_oldest) == 2);
    CHECK_FALSE(has_first(t, "h"));
}

TEST_CASE("retention: what is a dead letter of one group does not grow too old for the others") {
    table t;
    make(t, {{"retain", "60000ms"}});
    die_twice_and_redrive(t);
    t.put(1);
    t.pass(62 * second_ns);
    CHECK(removed_for(t, records::removal_reason::retention) == 1);
    CHECK(t.the_stream().messages() == 1);
    CHECK(has_first(t, "h"));
}

TEST_CASE("retention: what expires for one group is counted, though it is a dead letter of another") {
    table t;
    make(t, {{"ttl_ms", 10'000}});
    die_twice_and_redrive(t);
    t.pass(11 * second_ns);
    CHECK(removed_for(t, records::removal_reason::expiry) == 1);
    CHECK_FALSE(has_first(t, "h"));
    CHECK(t.group_named("g").dead_count() == 1);
}

TEST_CASE("retention: a message that is known already takes no room, so nothing makes room for it") {
    table t;
    make(t, {{"max_bytes", 400}, {"when_full", "drop-oldest"}});
    message known{std::string(200, 'x')};
    known.set_header("message-id", "a");
    t.put({known});
    t.put(some(1, 100));
    CHECK(t.fates_of({known}) == std::vector<std::pair<std::uint64_t, bool>>{{0, true}});
    CHECK(t.the_stream().messages() == 2);
    CHECK(removed_for(t, records::removal_reason::drop_oldest) == 0);
}

TEST_CASE("retention: wherever a crash cuts what says that messages expired, they expire") {
    int cut_short = 0;
    for (const std::string expired : {"drop", "dead-letter"})
        for (std::uint64_t call = 1; call <= 12; ++call)
            for (int messages = 1; messages <= 8; ++messages) {
                CAPTURE(expired);
                CAPTURE(call);
                CAPTURE(messages);
                table t;
                REQUIRE(t.admin("stream.create", {{"expired", expired}}).code.empty());
                REQUIRE(t.admin("group.create", {{"group", "g"}}).code.empty());
                message brief{"x"};
                brief.set_header("ttl", std::int64_t{1000});
                t.put(std::vector<message>(static_cast<std::size_t>(messages), brief));
                t.settle();
                t.disk().fail_call(call, fault::short_write, true);
                try {
                    t.pass(2 * second_ns);
                } catch (const std::system_error&) {
                    ++cut_short;
                }
                t.crash(call % 2 == 0);
                t.pass(3 * second_ns);
                CHECK(t.the_group().ready_count(t.the_stream().next, t.the_stream().lanes) == 0);
                CHECK(t.the_group().dead_count() ==
                      (expired == "drop" ? 0U : static_cast<std::uint64_t>(messages)));
            }
    CHECK(cut_short > 50);
}
