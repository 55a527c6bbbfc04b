// Delays and expiry beyond what is kept by the millisecond: hours, days and years ahead, through crashes,
// restarts and snapshots at any moment.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

using offsets = std::vector<std::uint64_t>;

constexpr std::uint64_t minute_ns = 60 * second_ns;
constexpr std::uint64_t hour_ns = 60 * minute_ns;
constexpr std::uint64_t day_ns = 24 * hour_ns;

message asking(const char* header, std::uint64_t ns, std::size_t size = 1) {
    message made{std::string(size, 'x')};
    made.set_header(header, static_cast<std::int64_t>(ns / 1'000'000));
    return made;
}

void join(table& t, const std::string& name) {
    t.consumer(name, {.stream = "s", .group = "g", .credit_messages = 10'000});
}

const lanes& the_lanes(table& t) {
    return t.the_stream().lanes;
}

}  // namespace

TEST_CASE(
    "delays: hours, days and ten years ahead a message comes in its second, and stays on disk until then") {
    table t;
    const std::vector<std::uint64_t> delays = {3 * hour_ns, 26 * hour_ns, 9 * day_ns, 400 * day_ns,
                                               3653 * day_ns};
    std::vector<message> all;
    for (const std::uint64_t each : delays) all.push_back(asking("delay", each));
    t.put(all);
    join(t, "a");
    CHECK(t.work("a").empty());
    CHECK(the_lanes(t).waiting().near_count() == 0);
    CHECK(t.reads() == 0);
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i < delays.size(); ++i) {
        CAPTURE(i);
        t.cut_off("a");
        t.leap(delays[i] - passed - second_ns);
        passed = delays[i] - second_ns;
        t.reconnect("a");
        CHECK(t.work("a").empty());
        t.leap(2 * second_ns);
        passed += 2 * second_ns;
        CHECK(t.work("a") == offsets{i});
    }
    CHECK(t.the_stream().first == delays.size());
}

TEST_CASE("delays: what was due while the spool was down comes at once, wherever it stood") {
    for (const bool clean : {true, false}) {
        CAPTURE(clean);
        table t;
        t.put({asking("delay", 2 * day_ns), asking("delay", 5 * hour_ns), asking("delay", 90 * day_ns),
               asking("delay", minute_ns)});
        join(t, "a");
        t.settle();
        t.cut_off("a");
        t.restart(clean, 3 * day_ns);
        t.reconnect("a");
        t.pass(3 * second_ns);
        offsets got = t.work("a");
        std::sort(got.begin(), got.end());
        CHECK(got == offsets{0, 1, 3});
    }
}

TEST_CASE(
    "delays: what came out of a bucket and was seen is flagged after a crash, whatever the clock says") {
    table t;
    t.put({asking("delay", 5 * hour_ns), asking("delay", 5 * hour_ns + minute_ns)});
    join(t, "a");
    t.settle();
    t.want_snapshot();  // knows of a bucket only
    t.settle();
    t.cut_off("a");
    t.leap(5 * hour_ns + second_ns);
    t.reconnect("a");
    t.pass(second_ns);
    CHECK(t.take("a") == std::map<std::uint64_t, std::uint64_t>{{0, 1}});
    t.cut_off("a");
    t.set_clock(-3 * static_cast<std::int64_t>(hour_ns));
    t.restart(false);
    join(t, "b");
    t.pass(3 * second_ns);
    // The second one was near, and not due: nobody saw it.
    CHECK(t.take("b") == std::map<std::uint64_t, std::uint64_t>{{0, 2}});
}

TEST_CASE(
    "delays: a bucket is read in pieces, and a crash or a snapshot between them loses and doubles nothing") {
    std::mt19937_64 random{8};
    table t{{.appointments_near = 50}};
    std::vector<std::pair<std::uint64_t, std::uint64_t>> due;  // ns, offset
    for (std::uint64_t batch = 0; batch < 40; ++batch) {
        std::vector<message> all;
        for (std::uint64_t i = 0; i < 25; ++i) {
            const std::uint64_t delay = 2 * hour_ns + random() % (2 * hour_ns);
            due.emplace_back(delay, batch * 25 + i);
            all.push_back(asking("delay", delay, 900));
        }
        t.put(all);
    }
    join(t, "a");
    std::sort(due.begin(), due.end());
    offsets expected;
    offsets got;
    for (int step = 0; step < 60; ++step) {
        t.cut_off("a");
        for (int i = 0; i < 10; ++i) {
            t.leap(25 * second_ns);
            if (random() % 8 == 0) t.want_snapshot();
            if (random() % 10 == 0) t.restart(random() % 3 == 0);
        }
        t.reconnect("a");
        t.pass(3 * second_ns);
        for (const std::uint64_t each : t.work("a")) got.push_back(each);
        CHECK(the_lanes(t).waiting().near_count() <= 200);
    }
    for (const auto& [ns, offset] : due) expected.push_back(offset);
    std::sort(expected.begin(), expected.end());
    offsets sorted = got;
    std::sort(sorted.begin(), sorted.end());
    CHECK(sorted == expected);
    CHECK(t.reads() > 100);
}

TEST_CASE("delays: a purge takes what is delayed out of memory and of the buckets") {
    table t;
    std::vector<message> all;
    for (std::uint64_t i = 0; i < 2000; ++i)
        all.push_back(asking("delay", i % 2 == 0 ? 1000 * i * 1'000'000 : 9 * hour_ns));
    for (int part = 0; part < 3; ++part) t.put(all);
    CHECK(the_lanes(t).waiting().near_count() == 3 * 999);
    CHECK(t.tell("stream.purge", {{"stream", "s"}}).empty());
    t.settle();
    CHECK(the_lanes(t).waiting().near_count() == 0);
    CHECK(the_lanes(t).late().empty());
    t.leap(10 * hour_ns);
    join(t, "a");
    CHECK(t.work("a").empty());
    CHECK(the_lanes(t).waiting().buckets().empty());
}

TEST_CASE("delays: what expires in days is removed in its second, what was done before is not counted") {
    table t;
    t.put({asking("ttl", 2 * day_ns), asking("ttl", 3 * day_ns), asking("expires-at", 0)});
    t.put({asking("ttl", 2 * day_ns)});
    t.settle();
    CHECK(t.counters().messages_expired == 1);  // its time was over when it came
    t.consumer("a", {.stream = "s", .group = "g", .credit_messages = 1});
    t.settle();
    CHECK(t.take("a").contains(0));
    t.ack("a", 0);
    t.settle();
    t.cut_off("a");
    t.leap(2 * day_ns - second_ns);
    CHECK(t.counters().messages_expired == 1);
    t.leap(2 * second_ns);
    CHECK(t.counters().messages_expired == 2);
    t.restart(false);
    t.leap(day_ns);
    CHECK(t.counters().messages_expired == 1);  // of this run
    CHECK(t.the_stream().messages() == 0);
}

TEST_CASE("delays: with too many times to keep, messages that ask for one are refused, others are not") {
    table t{{.time_bytes_max = 100'000}};
    std::size_t stored = 0;
    std::vector<message> all;
    for (std::uint64_t i = 0; i < 2000; ++i) all.push_back(asking("delay", second_ns + i * 1'000'000));
    while (t.put(all).empty()) stored += all.size();
    CHECK(stored >= 4000);
    t.settle();
    CHECK(t.put({asking("delay", second_ns)}) == "full");
    CHECK(t.put({message{"x"}}).empty());
    t.pass(4 * second_ns);
    join(t, "a");
    CHECK(t.work("a").size() == stored + 1);
    CHECK(t.put({asking("delay", second_ns)}).empty());
}
