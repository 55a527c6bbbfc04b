// A consumer gives a message up: DEAD makes a dead letter of it at once, whatever is lost in between.
#include <doctest/doctest.h>

#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"
#include "tests/spool/table.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using protocol::run;

namespace {

// One message on lease, of a group that would try it sixteen times.
struct held_table : table {
    consumer_session& c = consumer("c");
    delivered_item held;

    held_table() {
        put(2);
        settle();
        held = *c.next(now().monotonic_ns);
        REQUIRE(held.offset == 0);
    }
    void give_up() { c.dead_letter(held.lease, held.offset, "not an image"); }
    // It is one dead letter and nothing else, and the other message is where it was.
    void is_dead_once() {
        const group& g = the_group();
        REQUIRE(g.dead_count() == 1);
        const auto died = g.dead().next(0);
        CHECK(died->offset == 0);
        CHECK(died->count == 1);
        CHECK(died->reason == "not an image");
        CHECK(tell("group.info", {{"stream", "s"}, {"group", "g"}}) == "");
        const auto figure = [&](const char* name) { return std::get<std::int64_t>(rows.at(0).at(name)); };
        CHECK(figure("dead") == 1);
        CHECK(figure("ready") + figure("leased") + figure("delayed") == 1);
    }
};

}  // namespace

TEST_CASE("giving up: a message is a dead letter at its first attempt, with the reason, and stays so") {
    held_table t;
    t.give_up();
    t.settle();
    CHECK(t.c.all_answered());
    CHECK(t.c.take_settled().dead == std::vector<run>{{0, 1}});
    CHECK(t.counters().messages_dead == 1);
    CHECK(t.the_group().dead().next(0)->attempt == 1);
    t.is_dead_once();
    for (const bool clean : {false, true}) {
        t.restart(clean);
        t.is_dead_once();
    }
}

TEST_CASE("giving up: when the answer is lost it is told again, and answered as done") {
    held_table t;
    t.give_up();
    SUBCASE("with the connection") {
        t.deaf("c");
        t.reconnect("c");
    }
    SUBCASE("with the spool, which had stored it") {
        t.deaf("c");
        t.restart(false);
        t.reconnect("c");
    }
    SUBCASE("with the spool, which had not heard it") {
        t.cut_off("c");
        t.restart(false);
        t.reconnect("c");
    }
    t.settle();
    CHECK(t.c.all_answered());
    const settled_runs settled = t.c.take_settled();
    CHECK(settled.dead == std::vector<run>{{0, 1}});
    CHECK(settled.stale.empty());
    t.is_dead_once();
}

TEST_CASE("giving up: under a lease that is over it counts for nothing") {
    held_table t;
    t.cut_off("c");
    t.leap(40 * second_ns);  // the lease of 30 s ends
    consumer_session& other = t.consumer("other");
    t.settle();
    const auto again = other.next(t.now().monotonic_ns);
    REQUIRE(again);
    CHECK(again->offset == 0);
    CHECK(again->attempt == 2);
    t.give_up();
    t.reconnect("c");
    t.settle();
    CHECK(t.c.all_answered());
    CHECK(t.c.take_settled().stale == std::vector<run>{{0, 1}});
    CHECK(t.the_group().dead_count() == 0);
    other.ack(again->lease, 0);
    t.settle();
    CHECK(other.take_settled().done == std::vector<run>{{0, 1}});
}

TEST_CASE("giving up: an ack under way for the same lease stays an ack") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(3);
    t.settle();
    std::vector<delivered_item> held;
    while (const auto item = c.next(t.now().monotonic_ns)) held.push_back(*item);
    REQUIRE(held.size() == 3);
    c.ack(held[0].lease, 0);
    c.dead_letter(held[1].lease, 1, "broken");
    c.dead_letter(held[1].lease, 1, "once more");  // settled before: nothing happens to it
    c.nack(held[2].lease, 2, 5000, "again");
    t.deaf("c");
    t.reconnect("c");
    t.settle();
    CHECK(c.all_answered());
    const settled_runs settled = c.take_settled();
    CHECK(settled.done == std::vector<run>{{0, 1}});
    CHECK(settled.dead == std::vector<run>{{1, 1}});
    CHECK(t.the_group().dead().next(0)->reason == "broken");
    t.leap(6 * second_ns);
    CHECK(t.take("c") == std::map<std::uint64_t, std::uint64_t>{{2, 2}});
}

TEST_CASE("giving up: a message's key goes on with the next one") {
    table t;
    consumer_session_options of{.stream = "s", .group = "g", .credit_messages = 10};
    of.ordered = true;
    consumer_session& c = t.consumer("c", of);
    t.settle();
    message keyed{"x"};
    keyed.set_header("key", "a");
    t.put({keyed, keyed});
    t.settle();
    const auto first = c.next(t.now().monotonic_ns);
    REQUIRE(first);
    CHECK(!c.next(t.now().monotonic_ns));
    c.dead_letter(first->lease, first->offset, "broken");
    t.settle();
    const auto second = c.next(t.now().monotonic_ns);
    REQUIRE(second);
    CHECK(second->offset == 1);
}

TEST_CASE("giving up: at whichever call the disk fails or the power goes, a message is dead or open") {
    bool failed = true;
    std::uint64_t answered_late = 0;
    for (std::uint64_t call = 1; failed; ++call)
        for (const bool power_cut : {false, true}) {
            CAPTURE(call);
            CAPTURE(power_cut);
            held_table t;
            t.disk().fail_call(call, fault::short_write, true);
            t.give_up();
            try {
                t.settle();
            } catch (const std::system_error&) {}
            failed = t.disk().failed();
            const bool answered = !t.c.take_settled().dead.empty();
            CHECK(answered == !failed);
            t.crash(power_cut);
            const group& g = t.the_group();
            const bool open = g.floor(t.the_stream().lanes) == 0;
            CHECK((g.dead_count() == 1) != open);
            if (answered) CHECK(g.dead_count() == 1);
            t.reconnect("c");
            t.settle();
            t.is_dead_once();  // for it is told again
            answered_late += t.c.take_settled().dead.size();
        }
    CHECK(answered_late > 0);
}

TEST_CASE(
    "giving up: a real consumer tells why, the spool counts it, and a redrive brings the message back") {
    temporary_directory directory;
    context context;
    spool served{context, {.directory = directory / "spool", .listen = {bind("tcp://127.0.0.1:*")}}};
    const endpoint at = connect(served.endpoints().front());
    producer to{context, at, {.stream = "s"}};
    to.put("job");
    REQUIRE(to.flush(20s) == outcome::done);
    consumer work{context, at, {.stream = "s", .group = "g"}};
    {
        auto job = work.next(20s);
        REQUIRE(job);
        job->dead_letter("not an image");
        job->nack();  // settled before: nothing happens to it
    }
    REQUIRE(work.flush(20s) == outcome::done);
    CHECK(work.stats().dead == 1);
    CHECK(work.stats().acked == 0);
    CHECK(served.stats().messages_dead == 1);
    administrator admin{context, at};
    const auto rows = admin.call("dead.list", {{"stream", "s"}, {"group", "g"}});
    REQUIRE(rows.size() == 1);
    CHECK(std::get<std::string>(rows[0].at("reason")) == "not an image");
    CHECK(std::get<std::int64_t>(rows[0].at("attempt")) == 1);
    admin.call("dead.redrive", {{"stream", "s"}, {"group", "g"}});
    auto again = work.next(20s);
    REQUIRE(again);
    CHECK(again->body() == "job");
    CHECK(again->attempt() == 1);
    again->ack();
}
