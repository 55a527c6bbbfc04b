// The cleaner: brain, log and sessions, without sockets. What is live stays, under its offset and in its
// state; the log stays within twice of it.
#include "devices/spool/cleaner.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "core/log/checksum.hpp"
#include "core/log/inspection.hpp"
#include "devices/spool/cut.hpp"
#include "devices/spool/record_payload.hpp"
#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;
using protocol::run;

namespace {

constexpr std::uint64_t small_segment = 64 << 10;
constexpr std::uint64_t ten_years_ms = 10ULL * 365 * 24 * 3600 * 1000;

brain_options small_segments() {
    brain_options of;
    of.segment_bytes = small_segment;
    return of;
}

// What stands at an offset says so, so that nothing can be taken for something else.
std::string text_at(std::uint64_t offset) {
    return std::to_string(offset) + " " + std::string(offset % 90, '.');
}

std::vector<message> numbered(std::uint64_t from, std::uint64_t count) {
    std::vector<message> made;
    for (std::uint64_t i = 0; i < count; ++i) made.emplace_back(text_at(from + i));
    return made;
}

// Whatever the consumer is handed out now, until nothing more comes.
template <typename Settle>
void each_handed_out(table& t, const std::string& name, Settle settle) {
    for (bool any = true; any;) {
        any = false;
        t.settle();
        consumer_session& who = t.session(name);
        while (const auto item = who.next(t.now().monotonic_ns)) {
            any = true;
            REQUIRE(item->item.payload == text_at(item->offset));
            settle(who, *item);
        }
    }
}

void ack_all(table& t, const std::string& name) {
    each_handed_out(
        t, name, [](consumer_session& who, const delivered_item& item) { who.ack(item.lease, item.offset); });
}

std::uint64_t bytes_of(table& t) {
    const log::holdings held = t.log().held();
    std::uint64_t sum = held.active_bytes;
    for (const log::held_segment& each : held.sealed) sum += each.bytes;
    return sum;
}

bool within_bound(table& t, std::uint64_t live) {
    return bytes_of(t) <= 2 * live + 4 * small_segment;
}

// Puts and acks so much that what was there before would be pinned by whatever is left of it.
void churn(table& t, const std::string& name, std::uint64_t messages) {
    for (std::uint64_t done = 0; done < messages; done += 2000) {
        REQUIRE(t.put(numbered(t.the_stream_next(), 2000)).empty());
        ack_all(t, name);
        t.pass(second_ns / 4);
    }
}

// A batch, of which a small disk refuses the last ones.
std::string put_some(table& t) {
    return t.put(numbered(t.the_stream_next(), 60));
}

}  // namespace

TEST_CASE("cleaner: stuck messages among 100,000 pin nothing but themselves, and come when their time is") {
    table t{small_segments()};
    consumer_session& who = t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 5000});
    t.settle();
    for (int i = 0; i < 10; ++i) {
        const std::uint64_t at = t.the_stream_next();
        REQUIRE(t.put(numbered(at, 1)).empty());
        t.settle();
        const auto stuck = who.next(t.now().monotonic_ns);
        REQUIRE(stuck->offset == at);
        who.nack(stuck->lease, at, 3600 * 1000, "not yet");
        churn(t, "w", 10'000);
        CHECK(within_bound(t, t.found().live_bytes));
    }
    t.pass(2 * second_ns);
    CHECK(t.the_stream().first == 0);
    CHECK(t.counters().messages_moved > 0);
    CHECK(t.found().cold_segments > 0);
    // What does not fit into three segments is alone in its place.
    CHECK(t.found().live_bytes < 10'000);
    CHECK(within_bound(t, 1000));
    CHECK(t.found().log_bytes == bytes_of(t));
    CHECK(t.counters().messages_damaged == 0);

    t.restart(false);
    t.reconnect("w");
    t.pass(3 * second_ns);
    CHECK(!who.has_next());
    t.set_clock(3600 * static_cast<std::int64_t>(second_ns));
    t.restart(false);
    t.reconnect("w");
    t.pass(3 * second_ns);
    for (std::uint64_t i = 0; i < 10; ++i) {
        const auto again = who.next(t.now().monotonic_ns);
        REQUIRE(again);
        CHECK(again->offset == i * 10'001);
        CHECK(again->item.payload == text_at(again->offset));
        CHECK(again->attempt > 1);
    }
    CHECK(!who.next(t.now().monotonic_ns));
}

TEST_CASE("cleaner: a delay of ten years pins nothing, and the messages come in ten years") {
    table t{small_segments()};
    consumer_session& who = t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 5000});
    t.settle();
    for (int i = 0; i < 6; ++i) {
        message late{text_at(t.the_stream_next())};
        late.set_header("delay", static_cast<std::int64_t>(ten_years_ms));
        REQUIRE(t.put({late}).empty());
        churn(t, "w", 6000);
    }
    t.pass(2 * second_ns);
    CHECK(t.counters().messages_moved > 0);
    CHECK(within_bound(t, 1000));
    t.set_clock(static_cast<std::int64_t>(ten_years_ms) * 1'000'000 +
                60 * static_cast<std::int64_t>(second_ns));
    t.restart(true);
    t.reconnect("w");
    t.pass(second_ns);
    for (std::uint64_t i = 0; i < 6; ++i) {
        const auto due = who.next(t.now().monotonic_ns);
        REQUIRE(due);
        CHECK(due->offset == i * 6001);
        CHECK(due->item.payload == text_at(due->offset));
        CHECK(due->attempt == 1);
    }
}

TEST_CASE("cleaner: late messages cut out of their batches are found again when their bucket is read") {
    for (const bool restarted : {false, true}) {
        CAPTURE(restarted);
        brain_options of = small_segments();
        of.near_ms = 1000;  // later times stand in the log alone
        table t{of};
        consumer_session& who = t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 5000});
        t.settle();
        std::set<std::uint64_t> late;
        for (int i = 0; i < 5; ++i) {
            std::vector<message> some = numbered(t.the_stream_next(), 60);
            for (std::size_t at = i % 3; at < some.size(); at += 13) {
                late.insert(t.the_stream_next() + at);
                some[at].set_header("delay", static_cast<std::int64_t>(150'000 + at));
            }
            REQUIRE(t.put(some).empty());
            churn(t, "w", 6000);
        }
        t.pass(second_ns);
        REQUIRE(t.counters().messages_moved > late.size() / 2);
        CHECK(within_bound(t, 10'000));
        if (restarted) {
            t.restart(true, 150 * second_ns);
            t.reconnect("w");
            t.pass(10 * second_ns);
        } else {
            t.pass(151 * second_ns);
        }
        std::set<std::uint64_t> got;
        each_handed_out(t, "w", [&](consumer_session&, const delivered_item& item) {
            CHECK(item.attempt == 1);
            CHECK(got.insert(item.offset).second);
            who.ack(item.lease, item.offset);
        });
        CHECK(got == late);
        CHECK(t.counters().messages_damaged == 0);
    }
}

TEST_CASE("cleaner: a spool at rest does nothing") {
    table t{small_segments()};
    t.consumer("w", {.stream = "s", .group = "g"});
    t.settle();
    t.put(numbered(0, 3000));
    ack_all(t, "w");
    t.pass(5 * second_ns);
    const std::uint64_t calls = t.disk().calls();
    const log::position end = t.log().end();
    t.pass(60 * second_ns);
    CHECK(t.disk().calls() == calls);
    CHECK(t.log().end() == end);
    // Nothing is live: what is left of the log is what its own bound allows.
    CHECK(within_bound(t, 0));
}

TEST_CASE(
    "cleaner: each group gets what it is owed, with its attempts, priorities and dead letters, and nothing "
    "more") {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        table t{small_segments()};
        const std::vector<std::string> names{"a", "b", "c"};
        for (const std::string& name : names)
            t.consumer(name, {.stream = "s",
                              .group = name,
                              .max_attempts = name == "c" ? 1 : 16,
                              .backoff_ms = "20000",
                              .credit_messages = 20'000});
        t.settle();
        std::vector<message> messages = numbered(0, 12'000);
        for (message& each : messages)
            if (random() % 4 == 0) each.set_header("priority", static_cast<std::int64_t>(random() % 10));
        for (std::size_t i = 0; i < messages.size(); i += 1000)
            REQUIRE(t.put({messages.begin() + static_cast<std::ptrdiff_t>(i),
                           messages.begin() + static_cast<std::ptrdiff_t>(i + 1000)})
                        .empty());
        std::map<std::string, std::set<std::uint64_t>> owed;
        for (const std::string& name : names)
            each_handed_out(t, name, [&](consumer_session& who, const delivered_item& item) {
                if (random() % 100 == 0) {
                    owed[name].insert(item.offset);
                    who.nack(item.lease, item.offset, std::nullopt, "no");
                } else {
                    who.ack(item.lease, item.offset);
                }
            });
        t.pass(4 * second_ns);
        CHECK(t.counters().messages_moved > 100);
        CHECK(within_bound(t, t.found().live_bytes));
        for (int crash = 0; crash < 2; ++crash) {
            t.restart(crash == 1);
            for (const std::string& name : names) t.reconnect(name);
            t.pass(3 * second_ns);
        }
        t.pass(20 * second_ns);
        for (const std::string name : {"a", "b"}) {
            std::set<std::uint64_t> got;
            each_handed_out(t, name, [&](consumer_session& who, const delivered_item& item) {
                CHECK(item.attempt >= 2);
                CHECK(got.insert(item.offset).second);
                who.ack(item.lease, item.offset);
            });
            CHECK(got == owed[name]);
        }
        CHECK(t.group_named("c").dead_count() == owed["c"].size());
        consumer_session& office =
            t.consumer("dead", {.stream = "s", .dead_of = "c", .credit_messages = 10'000});
        std::set<std::uint64_t> dead;
        t.pass(second_ns);
        while (const auto item = office.next(t.now().monotonic_ns)) {
            CHECK(item->item.payload == text_at(item->offset));
            dead.insert(item->offset);
            t.settle();
        }
        CHECK(dead == owed["c"]);
        CHECK(t.counters().messages_damaged == 0);
        CHECK(log::inspect(t.disk()).bad() == 0);
    }
}

TEST_CASE("cleaner: a reader steps over what nobody needs and was let go, and calls it no damage") {
    table t{small_segments()};
    t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 5000});
    t.settle();
    t.put(numbered(0, 6000));
    each_handed_out(t, "w", [](consumer_session& who, const delivered_item& item) {
        if (item.offset % 1000 == 7)
            who.nack(item.lease, item.offset, 3600 * 1000, "later");
        else
            who.ack(item.lease, item.offset);
    });
    t.pass(4 * second_ns);
    REQUIRE(t.counters().messages_moved > 0);
    consumer_session& reader = t.consumer("r", {.stream = "s", .from = "first"});
    std::set<std::uint64_t> seen;
    t.pass(second_ns);
    while (const auto item = reader.next(t.now().monotonic_ns)) {
        CHECK(item->item.payload == text_at(item->offset));
        CHECK(seen.insert(item->offset).second);
        t.settle();
    }
    for (const std::uint64_t offset : {7U, 1007U, 2007U, 3007U, 4007U, 5007U}) CHECK(seen.contains(offset));
    CHECK(seen.size() < 6000);
    CHECK(t.counters().messages_damaged == 0);
    CHECK(t.the_stream().messages() == 6);
}

TEST_CASE(
    "cleaner: on a full disk put is refused, acks go on, and service resumes when consumers made room") {
    table t{small_segments()};
    t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 1000});
    t.settle();
    t.put(numbered(0, 100));
    t.disk().set_capacity(1200 << 10);
    std::string code;
    while (code.empty()) {
        code = put_some(t);
        REQUIRE(t.the_stream().next < 100'000);
    }
    CHECK(code == protocol::code::full);
    t.pass(3 * second_ns);
    CHECK(put_some(t) == protocol::code::full);
    ack_all(t, "w");
    CHECK(t.the_group().floor(t.the_stream().lanes) == t.the_stream().next);
    t.pass(5 * second_ns);
    CHECK(put_some(t).empty());
    CHECK_FALSE(t.log().broken());
    ack_all(t, "w");
}

TEST_CASE("cleaner: a burst of more than the disk has left, and the reserve, is refused in time") {
    for (const std::uint64_t capacity_kib : {1000, 1200, 1600}) {
        CAPTURE(capacity_kib);
        table t{small_segments()};
        t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 1000});
        t.settle();
        t.disk().set_capacity(capacity_kib << 10);
        std::vector<put_place> places;
        for (int burst = 0; burst < 5; ++burst)
            for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
                producer_session& from = t.producer(name, {.stream = "s", .batch_bytes_max = 4096});
                for (const message& each : numbered(0, 5000)) places.push_back(from.put(each, t.now()));
                from.flush();
            }
        t.pass(second_ns);
        REQUIRE_FALSE(t.log().broken());
        const auto refused = [](const put_place& each) {
            return each.now().is == message_fate::state::refused && each.fate->code() == protocol::code::full;
        };
        CHECK(std::ranges::any_of(places, refused));
        CHECK(t.the_stream_next() > 0);
        t.session("w");
        for (bool any = true; any;) {
            any = !t.work("w").empty();
            t.settle();
        }
        t.pass(5 * second_ns);
        CHECK(put_some(t).empty());
        CHECK_FALSE(t.log().broken());
    }
}

TEST_CASE("cleaner: on a full disk the first quarter that consumers are through with makes room") {
    table t{small_segments()};
    t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 100'000});
    t.settle();
    t.disk().set_capacity(2400 << 10);
    while (put_some(t).empty()) REQUIRE(t.the_stream_next() < 100'000);
    const std::uint64_t quarter = t.the_stream_next() / 4;
    each_handed_out(t, "w", [quarter](consumer_session& who, const delivered_item& item) {
        if (item.offset < quarter) who.ack(item.lease, item.offset);
    });
    REQUIRE(t.the_group().floor(t.the_stream().lanes) == quarter);
    t.pass(5 * second_ns);
    CHECK(put_some(t).empty());
    CHECK_FALSE(t.log().broken());
}

TEST_CASE("cleaner: a stream that is removed from a full disk makes room, before a restart and after it") {
    for (const bool before : {false, true})
        for (const bool after : {false, true}) {
            CAPTURE(before);
            CAPTURE(after);
            table t{small_segments()};
            t.disk().set_capacity(1600 << 10);
            while (put_some(t).empty()) REQUIRE(t.the_stream_next() < 100'000);
            if (before) t.crash(false);
            t.pass(3 * second_ns);
            REQUIRE(t.tell("stream.remove", {{"stream", "s"}}).empty());
            t.settle();
            if (after) t.crash(false);
            t.pass(10 * second_ns);
            CHECK(t.put(numbered(0, 60)).empty());
        }
}

TEST_CASE("cleaner: a full disk is noticed to have room again although nobody writes") {
    table t{small_segments()};
    t.disk().set_capacity(900 << 10);
    while (put_some(t).empty()) REQUIRE(t.the_stream_next() < 100'000);
    t.disk().set_capacity(4 << 20);
    t.pass(2 * second_ns);
    CHECK(put_some(t).empty());
}

TEST_CASE("cleaner: a move that finds no room is given up, and done when there is some") {
    table t{small_segments()};
    t.consumer("w", {.stream = "s", .group = "g", .credit_messages = 20'000});
    t.settle();
    t.put(numbered(0, 12'000));
    t.disk().set_capacity(1);  // what is there stays, nothing new is allowed but in what is allocated
    t.pass(second_ns);
    const std::uint64_t moved = t.counters().messages_moved;
    each_handed_out(t, "w", [](consumer_session& who, const delivered_item& item) {
        if (item.offset % 100 != 0) who.ack(item.lease, item.offset);
    });
    t.pass(3 * second_ns);
    CHECK(t.counters().messages_moved == moved);
    CHECK_FALSE(t.log().broken());
    CHECK(t.disk().names_with("cold/").empty());
    t.disk().set_capacity(64 << 20);
    t.pass(15 * second_ns);
    CHECK(t.counters().messages_moved > moved);
    CHECK(within_bound(t, t.found().live_bytes));
}

TEST_CASE(
    "cut: what is left of a batch keeps offsets, sequences, times and wishes, and gets its own checksum") {
    records::messages_head head;
    head.user = "u";
    head.producer_id = "12345678";
    head.first_sequence = 50;
    head.wishes = {{.index = 0, .count = 2, .priority = 3}, {.index = 3, .count = 400, .expires_ms = 77}};
    std::string batch;
    for (std::uint64_t i = 0; i < 403; ++i) append_payload(batch, text_at(i));
    const std::string payload = pack_struct(head) + batch;
    const log::stored_record whole{0,
                                   {.type = log::record_type::messages,
                                    .flags = 6,
                                    .stream = 4,
                                    .first_offset = 1000,
                                    .count = 403,
                                    .wall_ns = 9},
                                   payload};
    offset_set wanted;
    wanted.add(run{1001, 1});
    wanted.add(run{1003, 1});  // near: in one piece with it
    wanted.add(run{1300, 103});
    const auto pieces = cut(whole, wanted);
    REQUIRE(pieces);
    REQUIRE(pieces->size() == 2);
    const outgoing_record& near = pieces->front();
    CHECK(near.first_offset == 1001);
    CHECK(near.count == 3);
    CHECK(near.wall_ns == 9);
    CHECK(near.flags == 6);
    records::messages_head own;
    REQUIRE(unpack_struct(near.head, own));
    CHECK(own.first_sequence == 51);
    CHECK(own.wishes == std::vector<wishes>{{.index = 0, .count = 1, .priority = 3},
                                            {.index = 2, .count = 1, .expires_ms = 77}});
    batch_cursor items{near.body.view};
    for (std::uint64_t i = 1; i < 4; ++i) CHECK(items.next()->payload == text_at(i));
    CHECK(!items.next());
    CHECK(own.checksum == log::crc32c(near.body.view));
    REQUIRE(unpack_struct(pieces->back().head, own));
    CHECK(own.first_sequence == 350);
    CHECK(own.wishes == std::vector<wishes>{{.index = 0, .count = 103, .expires_ms = 77}});

    CHECK(cut(whole, {})->empty());
    CHECK_FALSE(cut({0, whole.header, payload.substr(0, payload.size() - 3)}, wanted));
}
