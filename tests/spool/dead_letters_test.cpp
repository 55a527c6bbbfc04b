// Dead letters, seeks, pauses and purges: what a group makes of them, and a real spool with its clients.
#include "devices/spool/dead_letters.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "core/offset_list.hpp"
#include "devices/spool/group.hpp"
#include "devices/spool/stream.hpp"
#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/error.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using ferry::test::temporary_directory;
using protocol::run;

namespace {

const lanes no_gaps;

lease some_lease(std::uint64_t id) {
    return {.id = id, .holder = 1, .deadline_ns = 1000};
}

ack_outcome judged(const group& by, std::uint64_t lease_id, run acked) {
    ack_outcome outcome;
    by.judge(lease_id, acked, no_gaps, outcome);
    return outcome;
}

std::int64_t number(const header_map& row, const char* name) {
    return std::get<std::int64_t>(row.at(name));
}

// A spool of the test's own and somebody who looks after it.
struct tended_spool {
    temporary_directory directory;
    ferry::context context;
    std::optional<ferry::spool> spool;
    endpoint at;
    std::optional<administrator> admin;

    tended_spool() { start(); }
    void start() {
        spool.emplace(context, spool_options{.directory = directory / "spool",
                                             .listen = {ferry::bind("tcp://127.0.0.1:*")},
                                             .segment_bytes = 1 << 20});
        at = ferry::connect(spool->endpoints().at(0));
        admin.emplace(context, at);
    }
    void restart() {
        admin.reset();
        spool.reset();
        start();
    }
    void put(int messages) {
        producer to{context, at, {.stream = "s"}};
        for (int i = 0; i < messages; ++i) {
            message m{i % 2 == 0 ? "even" : "odd", "job " + std::to_string(i)};
            m.set_header("i", std::int64_t{i});
            to.put(m);
        }
        REQUIRE(to.flush(20s) == outcome::done);
    }
    // Takes this many and lets each die at its first nack.
    void kill(int messages, const std::string& reason = "broken") {
        consumer work{context, at, {.stream = "s", .group = "g", .max_attempts = 1}};
        for (int i = 0; i < messages; ++i) {
            auto d = work.next(20s);
            REQUIRE(d);
            d->nack(std::nullopt, reason);
        }
        REQUIRE(work.flush(20s) == outcome::done);
    }
    header_map info() { return admin->call("group.info", {{"stream", "s"}, {"group", "g"}}).at(0); }
    header_map tell(const std::string& command, const std::string& offsets = {}) {
        header_map arguments{{"stream", "s"}, {"group", "g"}};
        if (!offsets.empty()) arguments.emplace("offsets", offsets);
        return admin->call(command, arguments).at(0);
    }
};

}  // namespace

TEST_CASE("dead letters: runs that died alike join, and any part can be taken out") {
    dead_letters letters;
    letters.add({3, 2, 16, "nacked", 1'000'000'000});
    letters.add({5, 1, 16, "nacked", 1'500'000'000});
    letters.add({6, 1, 16, "too slow", 1'600'000'000});
    CHECK(letters.runs().size() == 2);
    CHECK(letters.count() == 4);
    CHECK(*letters.next(4) == dead_run{4, 2, 16, "nacked", 1'500'000'000});
    CHECK(letters.count({0, 5}) == 2);
    const auto taken = letters.take({4, 1});
    REQUIRE(taken.size() == 1);
    CHECK(taken[0] == dead_run{4, 1, 16, "nacked", 1'500'000'000});
    CHECK(letters.count() == 3);
    CHECK(letters.next(4)->offset == 5);
    CHECK(letters.take({0, 100}).size() == 3);
    CHECK_FALSE(letters.next(0));
}

TEST_CASE("dead letters: random runs added and taken agree with a plain set of offsets") {
    std::mt19937_64 random{7};
    for (int round = 0; round < 200; ++round) {
        dead_letters letters;
        std::set<std::uint64_t> plain;
        for (int step = 0; step < 60; ++step) {
            const run some{random() % 64, 1 + random() % 8};
            if (random() % 2 == 0) {
                for (const dead_run& each : letters.take(some))
                    for (std::uint64_t i = each.offset; i < each.end(); ++i) REQUIRE(plain.erase(i) == 1);
                for (std::uint64_t i = some.first; i < some.end(); ++i) REQUIRE_FALSE(plain.contains(i));
            } else if (letters.count(some) == 0) {
                letters.add({some.first, some.count, 1 + random() % 2, "why", 0});
                for (std::uint64_t i = some.first; i < some.end(); ++i) plain.insert(i);
            }
            REQUIRE(letters.count() == plain.size());
            const auto next = letters.next(some.first);
            const auto expected = plain.lower_bound(some.first);
            REQUIRE(next.has_value() == (expected != plain.end()));
            if (next) REQUIRE(next->offset == *expected);
        }
    }
}

TEST_CASE("offset list: ranges and single offsets are read and written, nonsense is none") {
    CHECK(*read_offsets("1000..1003,1010") == std::vector<run>{{1000, 4}, {1010, 1}});
    CHECK(write_offsets({{1000, 4}, {1010, 1}}) == "1000..1003,1010");
    for (const char* wrong :
         {"", ",", "1,", "a", "1..", "..1", "2..1", "-1", "1...2", "18446744073709551615"})
        CHECK_FALSE(read_offsets(wrong));
}

TEST_CASE("group: a redriven dead letter is ready for a first attempt, a dropped one is settled") {
    group g{1, "g", {}, 0};
    g.take(*g.pick(10, no_gaps, 4), no_gaps, g.new_lease(some_lease(7)));
    g.apply_dead({0, 4, 16, "nacked", 0}, no_gaps);
    CHECK(judged(g, 7, {0, 4}).stale == std::vector<run>{{0, 4}});  // its ack must not count
    g.apply_redrive({1, 2}, no_gaps);
    CHECK(g.dead_count() == 2);
    CHECK(*g.pick(10, no_gaps, 10) == tried_run{1, 2, 1, 0, 0});
    g.apply_drop({3, 1});
    CHECK(g.dead_count() == 1);
    CHECK(judged(g, 7, {3, 1}).already == std::vector<run>{{3, 1}});
    CHECK(g.needed_from(no_gaps) == 0);
    g.apply_drop({0, 1});
    CHECK(g.needed_from(no_gaps) == 1);
}

TEST_CASE("group: an ack of what was removed while it was leased is told that it is gone") {
    lanes gaps;
    group g{1, "g", {}, 0};
    g.take(*g.pick(10, gaps, 4), gaps, g.new_lease(some_lease(7)));
    g.apply_ack({0, 1}, gaps);
    gaps.gaps.add({0, 6});
    g.apply_removed({0, 6}, gaps, true);
    const ack_outcome outcome = judged(g, 7, {0, 6});
    CHECK(outcome.already == std::vector<run>{{0, 1}, {4, 2}});
    CHECK(outcome.gone == std::vector<run>{{1, 3}});
    CHECK(g.leases().empty());
    CHECK(g.pick(10, gaps, 10)->offset == 6);
}

TEST_CASE("group: a seek ends its leases and starts attempts again, and what is dead stays dead") {
    offset_set kept;
    kept.add(run{2, 18});
    group g{1, "g", {}, 0};
    g.take(*g.pick(20, no_gaps, 10), no_gaps, g.new_lease(some_lease(7)));
    g.apply_dead({4, 2, 16, "nacked", 0}, no_gaps);
    g.apply_attempt({6, 1, 3, 2, 0}, no_gaps, {});
    g.apply_seek(1, kept, 20, no_gaps);
    CHECK(g.leases().empty());
    CHECK(g.dead_count() == 2);
    CHECK(judged(g, 7, {2, 2}).stale == std::vector<run>{{2, 2}});
    CHECK(*g.pick(20, no_gaps, 10) == tried_run{2, 2, 1, 0, 0});  // 1 was removed before
    g.take(*g.pick(20, no_gaps, 10), no_gaps, g.new_lease(some_lease(8)));
    CHECK(*g.pick(20, no_gaps, 30) == tried_run{6, 14, 1, 0, 0});
    g.apply_seek(20, kept, 20, no_gaps);
    CHECK(g.floor(no_gaps) == 20);
    CHECK(g.needed_from(no_gaps) == 4);
    CHECK_FALSE(g.pick(20, no_gaps, 30));
}

TEST_CASE(
    "spool: dead letters keep their message, come back for a first attempt when redriven, and survive "
    "restarts") {
    tended_spool at;
    at.put(6);
    at.kill(6);
    CHECK(number(at.info(), "dead") == 6);
    at.restart();
    const auto rows = at.admin->call("dead.list", {{"stream", "s"}, {"group", "g"}});
    REQUIRE(rows.size() == 1);
    CHECK(number(rows[0], "offset") == 0);
    CHECK(number(rows[0], "count") == 6);
    CHECK(number(rows[0], "attempt") == 1);
    CHECK(std::get<std::string>(rows[0].at("reason")) == "broken");
    CHECK(at.admin->call("dead.list", {{"stream", "s"}, {"group", "g"}, {"from", std::int64_t{6}}}).empty());

    consumer reader{at.context, at.at, {.stream = "s", .group = std::nullopt, .dead_of = "g"}};
    CHECK(number(at.tell("dead.redrive", "1..2,4"), "messages") == 3);
    CHECK(number(at.tell("dead.drop", "3,4"), "messages") == 1);
    at.restart();
    CHECK(number(at.info(), "dead") == 2);
    CHECK(number(at.info(), "ready") == 3);
    consumer work{at.context, at.at, {.stream = "s", .group = "g"}};
    for (const int i : {1, 2, 4}) {
        auto d = work.next(20s);
        REQUIRE(d);
        CHECK(d->offset() == static_cast<std::uint64_t>(i));
        CHECK(d->attempt() == 1);
        CHECK(d->body() == "job " + std::to_string(i));
        CHECK(d->content().headers().at("i") == header_value{std::int64_t{i}});
        d->ack();
    }
    REQUIRE(work.flush(20s) == outcome::done);
    CHECK(number(at.tell("dead.drop"), "messages") == 2);
    const header_map stream = at.admin->call("stream.info", {{"stream", "s"}}).at(0);
    CHECK(number(stream, "messages") == 0);
    CHECK(number(stream, "removed_dropped") == 3);
}

TEST_CASE("spool: a reader of dead letters sees these and no others, with the attempt they died of") {
    tended_spool at;
    at.put(3);
    at.kill(2);
    consumer reader{at.context, at.at, {.stream = "s", .group = std::nullopt, .dead_of = "g"}};
    for (std::uint64_t i = 0; i < 2; ++i) {
        auto d = reader.next(20s);
        REQUIRE(d);
        CHECK(d->offset() == i);
        CHECK(d->attempt() == 1);
    }
    at.kill(1);
    auto d = reader.next(20s);
    REQUIRE(d);
    CHECK(d->offset() == 2);
    CHECK(number(at.info(), "dead") == 3);
    consumer nobody{at.context, at.at, {.stream = "s", .group = std::nullopt, .dead_of = "nobody"}};
    CHECK_THROWS_AS(nobody.next(20s), error);
}

TEST_CASE("spool: dead letters above their stream's limit go, the lowest first, and are counted") {
    tended_spool at;
    at.admin->call("stream.create", {{"stream", "s"}, {"dead_max_messages", std::int64_t{4}}});
    at.put(10);
    at.kill(7);
    CHECK(number(at.info(), "dead") == 4);
    CHECK(number(at.admin->call("dead.list", {{"stream", "s"}, {"group", "g"}}).at(0), "offset") == 3);
    at.admin->call("stream.set", {{"stream", "s"}, {"dead_max_messages", std::int64_t{1}}});
    CHECK(number(at.info(), "dead") == 1);
    CHECK(number(at.admin->call("stream.info", {{"stream", "s"}}).at(0), "removed_retention") == 6);
    at.restart();
    const header_map stream = at.admin->call("stream.info", {{"stream", "s"}}).at(0);
    CHECK(number(stream, "dead_max_messages") == 1);
    CHECK(number(stream, "removed_retention") == 6);
    CHECK(number(stream, "first") == 6);
    CHECK_THROWS_AS(at.admin->call("stream.set", {{"stream", "s"}, {"colour", "red"}}), error);
    CHECK_THROWS_AS(at.admin->call("stream.set", {{"stream", "s"}, {"sync", "never"}}), error);
}

TEST_CASE("spool: a paused group gives nothing out, through a restart, and its leases go on") {
    tended_spool at;
    at.put(4);
    {
        consumer work{at.context, at.at, {.stream = "s", .group = "g", .credit = 1}};
        auto held = work.next(20s);
        REQUIRE(held);
        at.admin->call("group.pause", {{"stream", "s"}, {"group", "g"}});
        held->ack();
        REQUIRE(work.flush(20s) == outcome::done);
        CHECK_FALSE(work.next(50ms));
        CHECK(work.stats().stale == 0);
    }
    at.restart();
    CHECK(number(at.info(), "paused") == 1);
    CHECK(number(at.info(), "ready") == 3);
    consumer work{at.context, at.at, {.stream = "s", .group = "g"}};
    CHECK(work.wait_for_spool(20s) == outcome::done);
    CHECK_FALSE(work.next(50ms));
    at.admin->call("group.resume", {{"stream", "s"}, {"group", "g"}});
    auto next = work.next(20s);
    REQUIRE(next);
    CHECK(next->offset() == 1);
    next->ack();
}

TEST_CASE("spool: a purge takes all that is stored from every group, and late acks are told it is gone") {
    tended_spool at;
    at.put(5);
    at.kill(1);
    {
        consumer work{at.context, at.at, {.stream = "s", .group = "g", .credit = 2}};
        auto held = work.next(20s);
        REQUIRE(held);
        const header_map gone = at.admin->call("stream.purge", {{"stream", "s"}}).at(0);
        CHECK(number(gone, "messages") == 5);
        held->ack();
        REQUIRE(work.flush(20s) == outcome::done);
    }
    const auto look = [&] {
        const header_map stream = at.admin->call("stream.info", {{"stream", "s"}}).at(0);
        CHECK(number(stream, "messages") == 0);
        CHECK(number(stream, "first") == 5);
        CHECK(number(stream, "removed_purged") == 5);
        CHECK(number(at.info(), "dead") == 0);
        CHECK(number(at.info(), "acked_floor") == 5);
    };
    look();
    at.restart();
    look();
    at.put(1);
    consumer work{at.context, at.at, {.stream = "s", .group = "g"}};
    auto next = work.next(20s);
    REQUIRE(next);
    CHECK(next->offset() == 5);
    next->ack();
}

TEST_CASE("spool: a purged stream without a group starts where it ends") {
    tended_spool at;
    at.put(3);
    at.admin->call("stream.purge", {{"stream", "s"}});
    const header_map stream = at.admin->call("stream.info", {{"stream", "s"}}).at(0);
    CHECK(number(stream, "first") == 3);
    CHECK(number(stream, "messages") == 0);
}

TEST_CASE("spool: a group seeks an offset and a time, back to what is kept and forward over the rest") {
    tended_spool at;
    at.admin->call("stream.create", {{"stream", "s"}});
    at.admin->call("group.create", {{"stream", "s"}, {"group", "keeper"}});
    std::vector<std::uint64_t> stored;
    for (int i = 0; i < 20; ++i) at.put(1);
    consumer reader{at.context, at.at, {.stream = "s", .group = std::nullopt}};
    for (int i = 0; i < 20; ++i) {
        auto d = reader.next(20s);
        REQUIRE(d);
        stored.push_back(d->stored_wall_ns());
    }
    const auto seek = [&](const std::string& from) {
        return number(at.admin->call("group.seek", {{"stream", "s"}, {"group", "g"}, {"from", from}}).at(0),
                      "start");
    };
    consumer work{at.context, at.at, {.stream = "s", .group = "g"}};
    for (int i = 0; i < 20; ++i) {
        auto d = work.next(20s);
        REQUIRE(d);
        d->ack();
    }
    REQUIRE(work.flush(20s) == outcome::done);
    CHECK(number(at.info(), "acked_floor") == 20);
    CHECK(seek("15") == 15);
    auto again = work.next(20s);
    REQUIRE(again);
    CHECK(again->offset() == 15);
    CHECK(again->attempt() == 1);
    again->ack();
    for (const std::size_t i : {0U, 7U, 19U})
        CHECK(seek("@" + std::to_string(stored[i])) == static_cast<int>(i));
    CHECK(seek("@" + std::to_string(stored[6] + 1)) == 7);
    CHECK(seek("@" + std::to_string(stored[19] + 1)) == 20);
    CHECK(seek("-3600000ms") == 0);
    CHECK(seek("first") == 0);
    CHECK(seek("new") == 20);
    at.restart();
    CHECK(number(at.info(), "acked_floor") == 20);
    CHECK_THROWS_AS(seek("yesterday"), error);
}

TEST_CASE("spool: a new group and a reader start at a time") {
    tended_spool at;
    for (int i = 0; i < 10; ++i) at.put(1);
    consumer all{at.context, at.at, {.stream = "s", .group = std::nullopt}};
    std::uint64_t third = 0;
    for (int i = 0; i < 4; ++i) {
        auto d = all.next(20s);
        REQUIRE(d);
        third = d->stored_wall_ns();
    }
    const std::string from = "@" + std::to_string(third);
    consumer reader{at.context, at.at, {.stream = "s", .group = std::nullopt, .from = from}};
    auto read = reader.next(20s);
    REQUIRE(read);
    CHECK(read->offset() == 3);
    consumer work{at.context, at.at, {.stream = "s", .group = "late", .from = from}};
    auto taken = work.next(20s);
    REQUIRE(taken);
    CHECK(taken->offset() == 3);
    taken->ack();
    at.admin->call("group.create", {{"stream", "s"}, {"group", "later"}, {"from", "-0ms"}});
    CHECK(number(at.admin->call("group.info", {{"stream", "s"}, {"group", "later"}}).at(0), "ready") == 0);
}
