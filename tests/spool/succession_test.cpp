// Groups in which one consumer is active at a time: who it is, and what becomes of what the former one had.
#include <doctest/doctest.h>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

using given = std::map<std::uint64_t, std::uint64_t>;  // offset -> attempt

consumer_session& join(table& t, const std::string& name, std::uint64_t credit = 3) {
    consumer_session_options of{.stream = "s", .group = "g", .credit_messages = credit};
    of.single_active = true;
    of.client = name;
    consumer_session& made = t.consumer(name, of);
    t.settle();
    return made;
}

std::string active(table& t) {
    REQUIRE(t.tell("group.info", {{"stream", "s"}, {"group", "g"}}).empty());
    return std::get<std::string>(t.rows.at(0).at("active"));
}

constexpr std::uint64_t hand_over_ns = 2 * second_ns - 1;

}  // namespace

TEST_CASE("succession: only the consumer that joined first is given messages, until it leaves") {
    table t;
    consumer_session& a = join(t, "a");
    join(t, "b");
    join(t, "c");
    t.put(6);
    t.settle();
    CHECK(active(t) == "a");
    CHECK(t.take("a") == given{{0, 1}, {1, 1}, {2, 1}});
    CHECK(t.take("b").empty());
    t.ack("a", 1);
    t.settle();
    CHECK(t.take("b").empty());
    t.take("a");
    a.leave(t.now());
    t.settle();
    CHECK(active(t) == "b");
    CHECK(t.take("b") == given{{0, 2}, {2, 2}, {3, 2}});
    CHECK(t.take("c").empty());
}

TEST_CASE(
    "succession: one that falls silent loses its turn within two seconds, its leases, and its late acks") {
    table t;
    consumer_session& a = join(t, "a");
    join(t, "b");
    t.put(4);
    t.settle();
    CHECK(t.take("a") == given{{0, 1}, {1, 1}, {2, 1}});
    t.cut_off("a");
    t.pass(second_ns);
    CHECK(active(t) == "a");
    t.pass(hand_over_ns - second_ns);
    CHECK(active(t) == "b");
    CHECK(t.take("b") == given{{0, 2}, {1, 2}, {2, 2}});

    const std::uint64_t of_b = t.leases.at(0);
    t.plug_in("a");
    a.ack(of_b + 1, 0);
    t.settle();
    CHECK(active(t) == "b");
    CHECK(t.counters().acks_stale == 0);
    t.pass(10 * second_ns);
    CHECK(active(t) == "b");
    CHECK(t.take("a").empty());
}

TEST_CASE("succession: one that wakes up stands at the end of the row, and is told that it lost its leases") {
    table t;
    consumer_session& a = join(t, "a");
    join(t, "b");
    consumer_session& c = join(t, "c");
    t.put(2);
    t.settle();
    CHECK(t.take("a").size() == 2);
    const auto leases_of_a = t.leases;
    t.cut_off("a");
    t.pass(hand_over_ns);
    CHECK(t.take("b").size() == 2);
    t.plug_in("a");
    for (const std::uint64_t offset : {0, 1}) a.ack(leases_of_a.at(offset), offset);
    t.settle();
    CHECK(a.take_settled().stale == std::vector<protocol::run>{{0, 2}});
    CHECK(t.counters().acks_stale == 2);
    t.cut_off("b");
    t.pass(hand_over_ns);
    CHECK(active(t) == "c");
    CHECK(t.take("c") == given{{0, 3}, {1, 3}});
    c.leave(t.now());
    t.settle();
    CHECK(active(t) == "a");
    CHECK(t.take("a") == given{{0, 4}, {1, 4}});
}

TEST_CASE("succession: whoever is silent alone keeps its turn, and its leases") {
    table t;
    join(t, "a");
    t.put(2);
    t.settle();
    CHECK(t.take("a").size() == 2);
    t.cut_off("a");
    t.pass(4 * second_ns);
    t.plug_in("a");
    t.settle();
    for (const std::uint64_t offset : {0, 1}) t.ack("a", offset);
    t.settle();
    CHECK(t.the_group().floor(t.the_stream().lanes) == 2);
    CHECK(t.counters().acks_stale == 0);
}

TEST_CASE(
    "succession: a new connection, and a restart of the spool, leave the turn with whoever holds messages") {
    table t;
    join(t, "a");
    join(t, "b");
    t.put(4);
    t.settle();
    CHECK(t.take("a").size() == 3);
    t.reconnect("a");
    t.settle();
    CHECK(active(t) == "a");
    for (const bool clean : {true, false}) {
        CAPTURE(clean);
        t.restart(clean);
        t.reconnect("b");
        t.settle();
        CHECK(t.take("b").empty());
        t.reconnect("a");
        t.pass(3 * second_ns);
        CHECK(active(t) == "a");
        CHECK(t.take("b").empty());
    }
    for (const std::uint64_t offset : {0, 1, 2}) t.ack("a", offset);
    t.pass(second_ns);
    CHECK(t.take("a").size() == 1);
    CHECK(t.counters().acks_stale == 0);
    CHECK(t.counters().messages_redelivered <= 1);
}

TEST_CASE("succession: a busy active consumer is heard though the spool never stops talking to it") {
    table t;
    join(t, "a", 1000);
    join(t, "b");
    for (int i = 0; i < 20; ++i) {
        t.put(1);
        t.pass(second_ns / 4);
    }
    CHECK(active(t) == "a");
    CHECK(t.take("a").size() == 20);
    CHECK(t.counters().messages_redelivered == 0);
}

TEST_CASE("succession: a turn that is given up does not count towards max-attempts, one that is lost does") {
    table t;
    REQUIRE(t.admin("stream.create", {}).code.empty());
    REQUIRE(
        t.admin("group.create", {{"group", "g"}, {"single_active", 1}, {"max_attempts", 2}}).code.empty());
    t.put(1);
    for (std::uint64_t attempt = 1; attempt <= 5; ++attempt) {
        const std::string name = "a" + std::to_string(attempt);
        consumer_session& a = join(t, name);
        CHECK(t.take(name) == given{{0, attempt}});
        a.leave(t.now());
        t.settle();
    }
    REQUIRE(t.the_group().dead_count() == 0);
    for (const char* const name : {"b", "c", "d"}) join(t, name);
    CHECK(t.take("b") == given{{0, 6}});
    t.cut_off("b");
    t.pass(hand_over_ns);
    CHECK(t.take("c") == given{{0, 7}});
    t.cut_off("c");
    t.pass(hand_over_ns);
    CHECK(t.take("d").empty());
    REQUIRE(t.the_group().dead_count() == 1);
    CHECK(t.the_group().dead().next(0)->reason == "another consumer is active now");
}

TEST_CASE("succession: what a hand-over makes dead letters is within their limit at once") {
    table t;
    REQUIRE(t.tell("stream.create", {{"stream", "s"}, {"dead_max_messages", 1}}).empty());
    REQUIRE(
        t.tell("group.create", {{"stream", "s"}, {"group", "g"}, {"single_active", 1}, {"max_attempts", 1}})
            .empty());
    join(t, "a");
    join(t, "b");
    t.put(3);
    t.settle();
    CHECK(t.take("a").size() == 3);
    t.disconnect("a");
    t.leap(hand_over_ns);
    CHECK(active(t) == "b");
    CHECK(t.the_group().dead_count() == 1);
}

TEST_CASE("succession: a channel that its client has forgotten for another one has no turn") {
    table t;
    join(t, "a").leave(t.now());
    t.put(1);
    t.settle();
    const auto says = [&](const auto& what) {
        return t.said_by(1'000'000, "somebody", protocol::encode(what));
    };
    says(protocol::hello{.client = "twice"});
    // Its client heard late that the session before was forgotten, and joined again on the way.
    for (const std::uint64_t channel : {1, 2}) says(protocol::join{channel, "s", "g", {}, {}});
    bool given_something = false;
    for (int round = 0; round < 8 && !given_something; ++round) {
        for (const send_action& each : says(protocol::credit{2, 1, 1000, 0}))
            given_something = given_something || protocol::kind_of(each.head) == protocol::kind::deliver;
        t.pass(second_ns / 4);
    }
    CHECK(given_something);
}
