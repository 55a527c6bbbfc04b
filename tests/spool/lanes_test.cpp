// Priorities, delays and expiry: what comes when, and what of it survives.
#include "devices/spool/lanes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <span>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

using offsets = std::vector<std::uint64_t>;

message asking(const char* header, std::int64_t value) {
    message made{"x"};
    made.set_header(header, value);
    return made;
}

// A consumer that is given one message at a time, so that each is chosen when it is its turn.
void one_by_one(table& t, const std::string& name) {
    t.consumer(name, {.stream = "s", .group = "g", .credit_messages = 1});
}

}  // namespace

TEST_CASE("lanes: a higher priority comes first, and within one the order is that of arrival") {
    table t;
    t.put({message{"x"}, asking("priority", 3), asking("priority", 9), message{"x"}, asking("priority", 9),
           asking("priority", 3)});
    one_by_one(t, "a");
    CHECK(t.work("a") == offsets{2, 4, 1, 5, 0, 3});
    CHECK(t.the_group().floor(t.the_stream().lanes) == 6);
    CHECK(t.the_stream().first == 6);
}

TEST_CASE("lanes: a redelivery keeps its priority") {
    table t;
    t.put({message{"x"}, message{"x"}, asking("priority", 5)});
    consumer_session& a = t.consumer("a", {.stream = "s", .group = "g", .credit_messages = 1});
    t.settle();
    const auto urgent = a.next(t.now().monotonic_ns);
    REQUIRE(urgent->offset == 2);
    a.nack(urgent->lease, 2, 0, "again");
    CHECK(t.work("a") == offsets{2, 0, 1});
}

TEST_CASE("lanes: a backlog of all priorities outlives a crash and a snapshot, each message once") {
    std::mt19937_64 random{11};
    table t;
    std::vector<message> all;
    std::vector<std::pair<std::int64_t, std::uint64_t>> expected;
    for (std::uint64_t i = 0; i < 2000; ++i) {
        const auto priority = static_cast<std::int64_t>(random() % 10);
        all.push_back(asking("priority", priority));
        expected.emplace_back(9 - priority, i);
    }
    std::sort(expected.begin(), expected.end());
    t.put(all);
    one_by_one(t, "a");
    offsets got;
    consumer_session& a = t.consumer("a");
    for (int i = 0; i < 700; ++i) {
        t.settle();
        const auto item = a.next(t.now().monotonic_ns);
        REQUIRE(item);
        got.push_back(item->offset);
        a.ack(item->lease, item->offset);
        if (i == 200) t.want_snapshot();
        if (i == 400 || i == 500) {
            t.restart(i == 500);
            t.reconnect("a");
            t.pass(3 * second_ns);
        }
    }
    for (const std::uint64_t each : t.work("a")) got.push_back(each);
    REQUIRE(got.size() == 2000);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == expected[i].second);
}

TEST_CASE(
    "lanes: with a million waiting of all priorities the next one is found as fast as with a few thousand") {
    const auto ns_of_thread = [] {
        timespec used{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        return static_cast<std::uint64_t>(used.tv_sec) * second_ns + static_cast<std::uint64_t>(used.tv_nsec);
    };
    // What it costs to be given the first 2,000, all of the highest priority and in order.
    const auto cost = [&](std::uint64_t messages) {
        table t;
        std::mt19937 random{5};
        std::vector<message> some;
        std::vector<std::uint64_t> urgent;
        for (std::uint64_t i = 0; i < messages; ++i) {
            const auto priority = static_cast<std::int64_t>(random() % 10);
            some.push_back(asking("priority", priority));
            if (priority == 9) urgent.push_back(i);
            if (some.size() < 20'000 && i + 1 < messages) continue;
            t.put(some);
            some.clear();
        }
        REQUIRE(urgent.size() >= 2000);
        consumer_session& a = t.consumer("a", {.stream = "s", .group = "g", .credit_messages = 20});
        t.settle();
        const std::uint64_t before = ns_of_thread();
        std::vector<std::uint64_t> got;
        while (got.size() < 2000) {
            const auto item = a.next(t.now().monotonic_ns);
            if (!item) {
                t.settle();
                continue;
            }
            got.push_back(item->offset);
            a.ack(item->lease, item->offset);
        }
        const std::uint64_t took = ns_of_thread() - before;
        CHECK(std::ranges::equal(got, std::span{urgent}.first(2000)));
        return took;
    };
    const std::uint64_t few = cost(25'000);
    const std::uint64_t many = cost(1'000'000);
    MESSAGE("2,000 messages, one in ten of what waits: ", few / 1000, " us of 25,000, ", many / 1000,
            " us of 1,000,000");
    CHECK(many < 8 * few);  // a scan would cost forty times as much
}

TEST_CASE("lanes: a delayed message comes when it is due and not before, and others do not wait for it") {
    table t;
    t.put({asking("delay", 5000), message{"x"}, asking("delay", 2000)});
    one_by_one(t, "a");
    CHECK(t.work("a") == offsets{1});
    CHECK(t.the_group().waiting_count(t.the_stream().lanes) == 2);
    t.pass(second_ns + second_ns / 2);
    CHECK(t.work("a").empty());
    t.pass(second_ns);
    CHECK(t.work("a") == offsets{2});
    t.pass(3 * second_ns);
    CHECK(t.work("a") == offsets{0});
    CHECK(t.the_stream().first == 3);
}

TEST_CASE("lanes: a clock that is set neither hastens nor holds up a delay while the spool lives") {
    for (const std::int64_t jump : {-3600 * 1'000'000'000LL, 3600 * 1'000'000'000LL}) {
        CAPTURE(jump);
        table t;
        t.put({asking("delay", 2000)});
        one_by_one(t, "a");
        t.set_clock(jump);
        CHECK(t.work("a").empty());
        t.pass(3 * second_ns);
        CHECK(t.work("a") == offsets{0});
    }
}

TEST_CASE(
    "lanes: a delay goes on by wall time through a crash, and what came due is flagged after the next") {
    table t;
    t.put({asking("delay", 10'000), asking("delay", 20'000)});
    consumer_session& a = t.consumer("a", {.stream = "s", .group = "g", .credit_messages = 10});
    t.settle();
    t.restart(false);
    t.reconnect("a");
    t.pass(5 * second_ns);
    CHECK(!a.has_next());
    t.pass(6 * second_ns);
    CHECK(a.next(t.now().monotonic_ns)->attempt == 1);
    // It was shown. The spool dies, the clock is set back an hour, and nobody claims it.
    t.cut_off("a");
    t.restart(false);
    t.set_clock(-3600 * 1'000'000'000LL);
    t.consumer("b");
    t.pass(3 * second_ns);
    CHECK(t.take("b") == std::map<std::uint64_t, std::uint64_t>{{0, 2}});
}

TEST_CASE("lanes: what expires is removed, counted and told, also for a group that comes later") {
    table t;
    t.put({asking("ttl", 2000), message{"x"}, asking("ttl", 60'000)});
    t.pass(3 * second_ns);
    one_by_one(t, "a");
    CHECK(t.work("a") == offsets{1, 2});
    CHECK(t.counters().messages_expired == 1);
    t.pass(60 * second_ns);
    CHECK(t.counters().messages_expired == 1);  // it was acked: nothing was lost
}

TEST_CASE("lanes: a message that expires while it is leased is gone, and its ack is told so") {
    table t;
    consumer_session& a = t.consumer("a");
    t.put({asking("ttl", 2000)});
    t.settle();
    const auto held = a.next(t.now().monotonic_ns);
    REQUIRE(held);
    t.pass(3 * second_ns);
    a.ack(held->lease, 0);
    t.settle();
    const settled_runs settled = a.take_settled();
    CHECK(settled.gone.size() == 1);
    CHECK(settled.stale.empty());
    CHECK(t.counters().messages_expired == 1);
}

TEST_CASE("lanes: wishes that cannot be obeyed are refused, with the header's name") {
    table t;
    for (const char* name : {"priority", "delay", "ttl", "deliver-at", "expires-at"}) {
        CAPTURE(name);
        CHECK(t.put({asking(name, -1)}) == "unsupported");
        CHECK(t.put({asking(name, 1)}).empty());
    }
    CHECK(t.put({asking("priority", 10)}) == "unsupported");
    message both = asking("delay", 1);
    both.set_header("deliver-at", std::int64_t{1});
    CHECK(t.put({both}) == "unsupported");
}

TEST_CASE("lanes: a million delayed messages take little memory, and go into a snapshot and back") {
    lanes all;
    std::mt19937_64 random{5};
    const std::uint64_t now_ms = 1'700'000'000'000;
    for (std::uint64_t i = 0; i < 1'000'000; ++i)
        all.place({i / 1000 * 1000, 1000}, {.index = i % 1000, .due_ms = now_ms + random() % 3'600'000},
                  now_ms + 3'600'000);
    CHECK(all.bytes_kept() < 24U << 20);
    all.remove({10, 5});
    all.mark_due(now_ms + 1'800'000);
    CHECK(all.due_count() == 0);
    CHECK(all.come_due(now_ms + 900'000));
    lanes back;
    const lanes::saved saved = all.save();
    CHECK(saved.waiting.near.size() + saved.soon.near.size() < 9U << 20);
    REQUIRE(back.load(saved));
    CHECK(back.late().count() == 999'995);
    CHECK(back.due_count() == all.due_count());
    CHECK_FALSE(back.come_due(now_ms + 900'000));
    back.mark_due(now_ms + 3'600'000);
    back.come_due(now_ms + 3'600'000);
    CHECK(back.due_count() == 999'995);
}

TEST_CASE("lanes: a group that starts with new messages gets no late ones of before") {
    table t;
    t.put({asking("delay", 1000), message{"x"}});
    consumer_session_options of{.stream = "s", .group = "g", .credit_messages = 10};
    of.from = "new";
    t.consumer("a", of);
    t.settle();
    CHECK(t.the_group().ready_count(t.the_stream().next, t.the_stream().lanes) == 0);
    CHECK(t.the_group().waiting_count(t.the_stream().lanes) == 0);
    t.put({asking("delay", 1000)});
    CHECK(t.the_group().waiting_count(t.the_stream().lanes) == 1);
    t.pass(3 * second_ns);
    CHECK(t.work("a") == offsets{2});
}

TEST_CASE("lanes: a time after all others brings what there is, once") {
    constexpr std::uint64_t last = ~std::uint64_t{0};
    lanes of;
    of.place({0, 10}, {.index = 3, .due_ms = 1'700'000'000'000, .expires_ms = 1'700'000'100'000},
             1'800'000'000'000);
    of.mark_due(last);
    CHECK(of.come_due(last));
    CHECK_FALSE(of.come_due(last));
    CHECK(of.take_expired(last, last).count() == 1);
    CHECK(of.take_expired(last, last).count() == 0);
}
