// Leases that survive a lost connection and a restart of the spool: brain and sessions, without sockets.
#include <doctest/doctest.h>

#include <map>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;
using protocol::run;

TEST_CASE("claims: after a crash a consumer keeps what it holds, and nobody else is given it") {
    table t;
    t.consumer("a");
    t.settle();
    t.put(10);
    t.settle();
    consumer_session& a = t.consumer("a");
    CHECK(a.has_next());
    REQUIRE(a.next(t.now().monotonic_ns)->offset == 0);  // one handed out, nine at hand

    t.restart(false);
    t.consumer("b");
    t.settle();
    CHECK(t.take("b").empty());
    t.reconnect("a");
    CHECK(!a.has_next());  // until it knows that they are its own
    t.settle();
    const auto rest = t.take("a");
    CHECK(rest.size() == 9);
    CHECK(rest.at(1) == 1);  // not a redelivery: nobody else has seen it
    for (const auto& [offset, attempt] : rest) t.ack("a", offset);
    a.ack(t.leases.at(1), 0);  // they came under one lease
    t.pass(3 * second_ns);
    CHECK(t.take("b").empty());
    CHECK(t.the_group().floor({}) == 10);
    CHECK(a.all_answered());
}

TEST_CASE("claims: who comes too late is told so, and drops what it held") {
    for (const bool clean : {false, true}) {
        CAPTURE(clean);
        table t;
        consumer_session& a = t.consumer("a");
        t.settle();
        t.put(10);
        t.settle();
        const auto first = a.next(t.now().monotonic_ns);
        REQUIRE(first->offset == 0);
        t.cut_off("a");
        t.restart(clean);
        t.consumer("b");
        t.settle();
        CHECK(t.take("b").empty());
        t.pass(3 * second_ns);
        const auto got = t.take("b");
        CHECK(got.size() == 10);
        for (const auto& [offset, attempt] : got) CHECK(attempt == 2);

        t.reconnect("a");
        t.pass(second_ns);
        CHECK(t.take("a").empty());
        const settled_runs said = a.take_settled();
        CHECK(said.lost == std::vector<run>{{0, 1}});
        a.ack(first->lease, 0);
        CHECK(a.take_settled().stale == std::vector<run>{{0, 1}});
        CHECK(a.all_answered());
    }
}

TEST_CASE(
    "claims: who was away for a whole run of the spool gets nothing back that another has seen meanwhile") {
    table t;
    consumer_session& a = t.consumer("a");
    t.settle();
    t.put(3);
    t.settle();
    CHECK(a.has_next());
    t.cut_off("a");
    t.restart(false);
    t.consumer("b");
    t.pass(3 * second_ns);
    CHECK(t.take("b").size() == 3);
    t.cut_off("b");
    t.restart(false);
    t.reconnect("a");
    t.settle();
    CHECK(t.take("a").empty());
    t.reconnect("b");
    t.settle();
    for (const std::uint64_t offset : {0, 1, 2}) t.ack("b", offset);
    t.settle();
    CHECK(t.the_group().floor({}) == 3);
}

TEST_CASE("claims: an orderly stop keeps the leases, and holds nothing else back") {
    table t;
    consumer_session& a = t.consumer("a", {.stream = "s", .group = "g", .credit_messages = 4});
    t.settle();
    t.put(10);
    t.settle();
    CHECK(t.take("a").size() == 4);
    t.restart(true);
    t.consumer("b");
    t.settle();
    const auto others = t.take("b");
    CHECK(others.size() == 6);
    CHECK(others.begin()->first == 4);
    CHECK(others.begin()->second == 1);
    t.reconnect("a");
    t.settle();
    for (const std::uint64_t offset : {0, 1, 2, 3}) t.ack("a", offset);
    t.settle();
    CHECK(a.all_answered());
    CHECK(a.take_settled().stale.empty());
    CHECK(t.the_group().floor({}) == 4);
}

TEST_CASE("claims: a lost connection ends no lease, and a nack that was lost with it counts") {
    table t;
    consumer_session& a = t.consumer("a");
    t.settle();
    t.put(3);
    t.settle();
    CHECK(t.take("a").size() == 3);
    t.ack("a", 0);
    a.nack(t.leases.at(1), 1, std::nullopt, "broken");
    a.take_output();  // both are lost on the way
    t.reconnect("a");
    t.settle();
    t.ack("a", 2);
    t.settle();
    CHECK(a.all_answered());
    CHECK(t.take("a") == std::map<std::uint64_t, std::uint64_t>{{1, 2}});
    t.ack("a", 1);
    t.settle();
    CHECK(t.the_group().floor({}) == 3);
}

TEST_CASE(
    "claims: acks that were lost with a connection, or with the spool, are made again, and nothing comes "
    "twice") {
    for (const bool killed : {false, true}) {
        CAPTURE(killed);
        table t;
        consumer_session& a = t.consumer("a");
        t.settle();
        t.put(3);
        t.settle();
        CHECK(t.take("a").size() == 3);
        t.ack("a", 0);
        t.ack("a", 1);
        a.tick(t.now());
        CHECK(!a.take_output().empty());  // they leave, and are lost on the way
        CHECK(!a.all_answered());
        if (killed) t.restart(false);
        t.reconnect("a");
        t.settle();
        CHECK(a.all_answered());
        CHECK(a.take_settled().done == std::vector<run>{{0, 2}});
        t.pass(3 * second_ns);
        CHECK(t.the_group().floor({}) == 2);
        CHECK(t.take("a").empty());
    }
}

TEST_CASE("claims: a program that slept through its lease is not handed what it had at hand") {
    table t;
    consumer_session& a = t.consumer("a");
    t.settle();
    t.put(3);
    t.settle();
    CHECK(a.has_next());
    CHECK(!a.next(t.now().monotonic_ns + 40 * second_ns));
    CHECK(a.take_settled().lost.empty());
}

TEST_CASE("claims: a program that slept through its lease is told what of it it had in hand") {
    table t;
    consumer_session& a = t.consumer("a");
    t.settle();
    t.put(1);
    t.settle();
    const auto in_hand = a.next(t.now().monotonic_ns);
    REQUIRE(in_hand);
    instant later = t.now();
    later.monotonic_ns += 40 * second_ns;
    a.tick(later);
    CHECK(a.lease_over(in_hand->lease, 0));
    CHECK(a.take_settled().lost == std::vector<run>{{0, 1}});
}

TEST_CASE("claims: an ack under another consumer's lease is dropped where it is made, and settles nothing") {
    table t;
    t.consumer("a");
    t.settle();
    t.put(3);
    t.settle();
    CHECK(t.take("a").size() == 3);
    consumer_session& b = t.consumer("b");
    b.ack(t.leases.at(0), 0);
    CHECK(b.take_settled().stale == std::vector<run>{{0, 1}});
    t.settle();
    CHECK(t.the_group().floor({}) == 0);
}

TEST_CASE("claims: a consumer that leaves gives back what it has at once, flagged, and nothing has failed") {
    table t;
    REQUIRE(t.admin("stream.create", {}).code.empty());
    const auto made = t.admin("group.create", {{"group", "g"}, {"max_attempts", 2}, {"backoff_ms", "60000"}});
    REQUIRE_MESSAGE(made.code.empty(), made.text);
    t.put(1);
    for (std::uint64_t attempt = 1; attempt <= 5; ++attempt) {
        const std::string name = "a" + std::to_string(attempt);
        consumer_session& a = t.consumer(name);
        t.settle();
        CHECK(t.take(name) == std::map<std::uint64_t, std::uint64_t>{{0, attempt}});
        a.leave(t.now());
        t.settle();
        REQUIRE(a.left());
        if (attempt % 2 == 0) t.restart(true);
    }
    CHECK(t.the_group().dead_count() == 0);
}

TEST_CASE("claims: what came back behind what is held back is given out at once") {
    table t;
    consumer_session& a = t.consumer("a");
    t.settle();
    t.put(1);
    t.settle();
    REQUIRE(t.take("a").size() == 1);
    t.restart(false);
    t.cut_off("a");  // and its message is held back for it
    t.consumer("b");
    t.settle();
    t.put(1);
    t.settle();
    REQUIRE(t.take("b") == std::map<std::uint64_t, std::uint64_t>{{1, 1}});
    t.session("b").leave(t.now());  // the message comes back with attempt 2, as the one before it will
    t.settle();
    t.consumer("c");
    t.settle();
    CHECK(t.take("c") == std::map<std::uint64_t, std::uint64_t>{{1, 2}});
    t.pass(3 * second_ns);
    CHECK(t.take("c") == std::map<std::uint64_t, std::uint64_t>{{0, 2}});
    CHECK(a.all_answered());
}
