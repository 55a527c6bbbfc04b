// Commits: an ack and its outputs together or not at all, whatever is lost in between.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

using state = commit_fate::state;

commit_output to_stream(const std::string& stream, const std::vector<std::string>& bodies) {
    commit_output made{stream, 0, {}};
    for (const std::string& each : bodies) {
        append_item(made.batch, message{each});
        ++made.count;
    }
    return made;
}

std::vector<std::string> stored_in(table& t, const std::string& stream) {
    static int readers = 0;
    const std::string name = "reader " + std::to_string(++readers);
    consumer_session& reader = t.consumer(name, {.stream = stream, .group = std::nullopt, .create = false});
    t.settle();
    std::vector<std::string> bodies;
    while (const auto item = reader.next(t.now().monotonic_ns)) {
        bodies.emplace_back(item->item.payload);
        t.settle();
    }
    t.cut_off(name);
    return bodies;
}

// Of what it settled the first is done and nothing was late; gives what it lost with its lease.
std::vector<protocol::run> lost_beside_first(consumer_session& who) {
    const settled_runs settled = who.take_settled();
    CHECK(settled.done == std::vector<protocol::run>{{0, 1}});
    CHECK(settled.stale.empty());
    return settled.lost;
}

}  // namespace

TEST_CASE("commits: outputs for several streams and the ack are stored together, and stay through a crash") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(2);
    t.settle();
    const auto job = c.next(t.now().monotonic_ns);
    REQUIRE(job);
    const auto fate =
        c.commit(job->lease, job->offset, {to_stream("a", {"1", "2"}), to_stream("b", {"3"})}, t.now());
    t.settle();
    CHECK(fate->is == state::committed);
    CHECK(c.all_answered());
    CHECK(t.counters().commits == 1);
    for (const bool clean : {false, true}) {
        t.restart(clean);
        CHECK(t.the_group().floor(t.the_stream().lanes) == 1);
        CHECK(stored_in(t, "a") == std::vector<std::string>{"1", "2"});
        CHECK(stored_in(t, "b") == std::vector<std::string>{"3"});
    }
}

TEST_CASE("commits: one whose answer was lost is not carried out twice") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(1);
    t.settle();
    const auto job = c.next(t.now().monotonic_ns);
    const auto fate = c.commit(job->lease, job->offset, {to_stream("out", {"once"})}, t.now());
    SUBCASE("the connection broke") {
        t.deaf("c");
    }
    SUBCASE("the spool was killed") {
        t.deaf("c");
        t.restart(false);
    }
    CHECK(fate->is == state::pending);
    t.reconnect("c");
    t.pass(3 * second_ns);
    CHECK(fate->is == state::committed);
    CHECK(stored_in(t, "out") == std::vector<std::string>{"once"});
}

TEST_CASE("commits: under a lease that is over nothing is stored, and it says so") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(1);
    t.settle();
    const auto job = c.next(t.now().monotonic_ns);
    t.cut_off("c");
    t.pass(40 * second_ns);
    t.consumer("other");
    t.settle();
    CHECK(t.take("other").at(0) == 2);
    const auto fate = c.commit(job->lease, job->offset, {to_stream("out", {"late"})}, t.now());
    t.reconnect("c");
    t.settle();
    CHECK(fate->is == state::lost);
    CHECK(t.find("out") == nullptr);
}

TEST_CASE("commits: what another has settled since a crash, or nobody ever will, is not taken for a commit") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(2);
    t.settle();
    const auto first = c.next(t.now().monotonic_ns);
    const auto second = c.next(t.now().monotonic_ns);
    REQUIRE(second);
    t.cut_off("c");
    t.restart(false);
    t.pass(3 * second_ns);  // nobody claims them
    t.consumer("d");
    t.settle();
    REQUIRE(t.take("d").size() == 2);
    t.ack("d", 0);
    SUBCASE("an ack and a drop") {
        t.session("d").dead_letter(t.leases.at(1), 1, "hopeless");
        t.settle();
        REQUIRE(t.admin("dead.drop", {{"group", "g"}}).code.empty());
    }
    SUBCASE("acks, and a crash more") {
        t.ack("d", 1);
        t.settle();
        t.restart(false);
    }
    // It was told to commit them before it noticed anything.
    const auto one = c.commit(first->lease, first->offset, {to_stream("out", {"1"})}, t.now());
    const auto other = c.commit(second->lease, second->offset, {to_stream("out", {"2"})}, t.now());
    t.reconnect("c");
    t.pass(second_ns);
    CHECK(one->is == state::lost);
    CHECK(other->is == state::lost);
    CHECK(t.find("out") == nullptr);
}

TEST_CASE("commits: one that was carried out is known through crashes and snapshots, and after a seek") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(1);
    t.settle();
    const auto job = c.next(t.now().monotonic_ns);
    const auto fate = c.commit(job->lease, job->offset, {to_stream("out", {"once"})}, t.now());
    t.deaf("c");
    SUBCASE("a crash") {
        t.restart(false);
    }
    SUBCASE("a snapshot") {
        t.want_snapshot();
        t.settle();
        t.restart(false);
        t.restart(true);
    }
    SUBCASE("a seek") {
        REQUIRE(t.admin("group.seek", {{"group", "g"}, {"from", "first"}}).code.empty());
    }
    t.reconnect("c");
    t.pass(3 * second_ns);
    CHECK(fate->is == state::committed);
    CHECK(stored_in(t, "out") == std::vector<std::string>{"once"});
}

TEST_CASE("commits: one that is refused stores nothing, and its message comes again") {
    table t;
    REQUIRE(
        t.admin("stream.create", {{"stream", std::string{"out"}}, {"max_message_bytes", 10}}).code.empty());
    consumer_session& c = t.consumer("c");
    t.put(1);
    t.settle();
    const auto job = c.next(t.now().monotonic_ns);
    const auto fate = c.commit(job->lease, job->offset,
                               {to_stream("fine", {"x"}), to_stream("out", {std::string(11, 'x')})}, t.now());
    t.settle();
    CHECK(fate->is == state::refused);
    CHECK(fate->code == protocol::code::too_large);
    CHECK(t.find("fine") == nullptr);
    t.settle();
    CHECK(t.take("c").at(0) == 2);
}

TEST_CASE("commits: one for a stream that is full waits until there is room") {
    table t;
    REQUIRE(t.admin("stream.create", {{"stream", std::string{"out"}}, {"max_messages", 1}}).code.empty());
    REQUIRE(t.admin("group.create", {{"stream", std::string{"out"}}, {"group", "g"}}).code.empty());
    consumer_session& c = t.consumer("c");
    t.put(2);
    t.settle();
    std::vector<std::shared_ptr<commit_fate>> fates;
    for (int i = 0; i < 2; ++i) {
        const auto job = c.next(t.now().monotonic_ns);
        fates.push_back(c.commit(job->lease, job->offset, {to_stream("out", {std::to_string(i)})}, t.now()));
    }
    t.pass(2 * second_ns);
    CHECK(fates[0]->is == state::committed);
    CHECK(fates[1]->is == state::pending);
    t.consumer("down", {.stream = "out", .group = "g", .credit_messages = 10});
    CHECK(t.work("down") == std::vector<std::uint64_t>{0});
    t.pass(second_ns);
    CHECK(fates[1]->is == state::committed);
}

TEST_CASE("commits: outputs without their commit, as a crash may leave them, are gaps") {
    spool_state state;
    const instant now{1'000, 1'700'000'000'000'000'000};
    const auto set = static_cast<std::uint64_t>(records::settings_change::set);
    REQUIRE(state.apply({.type = log::record_type::stream_settings},
                        pack_struct(records::stream_change{set, 1, "out", {}}), now));
    const std::string head = pack_struct(records::messages_head{});
    const auto output = [&](std::uint64_t offset) {
        return state.apply({.type = log::record_type::messages,
                            .flags = records::of_commit,
                            .stream = 1,
                            .first_offset = offset,
                            .count = 2,
                            .length = static_cast<std::uint32_t>(head.size()) + 8},
                           head, now);
    };
    REQUIRE(output(0));
    const stream& out = *state.find("out");
    CHECK(out.next == 2);
    CHECK(out.messages() == 0);
    CHECK(out.bytes() == 0);
    REQUIRE(output(2));  // of the next run of the spool
    REQUIRE(
        state.apply({.type = log::record_type::commit}, pack_struct(records::commit{{}, {{1, 2, 2}}}), now));
    CHECK(out.messages() == 2);
    CHECK(out.lanes.gaps.contains(0));
    CHECK_FALSE(out.lanes.gaps.contains(2));
    CHECK(out.bytes() == 8);
}

TEST_CASE(
    "commits: 500 crashes and lost connections in the middle of the work, and every input comes out once") {
    std::mt19937_64 random{17};
    table t;
    constexpr std::uint64_t inputs = 4000;
    consumer_session& c = t.consumer("c", {.stream = "s", .group = "g", .credit_messages = 20});
    std::vector<message> all;
    for (std::uint64_t i = 0; i < inputs; ++i) all.emplace_back(std::to_string(i));
    t.put(all);
    t.settle();
    int crashes = 0;
    for (int round = 0; round < 20'000 && t.the_group().floor(t.the_stream().lanes) < inputs; ++round) {
        const std::uint64_t now = t.now().monotonic_ns;
        for (auto job = c.next(now); job; job = c.next(now)) {
            const std::string body{job->item.payload};
            c.commit(job->lease, job->offset, {to_stream("out", {body}), to_stream("log", {body})}, t.now());
            if (random() % 4 == 0) break;
        }
        if (crashes < 500 && random() % 2 == 0) {
            ++crashes;
            if (random() % 2 == 0) t.deaf("c");
            if (random() % 2 == 0) t.restart(false);
            t.reconnect("c");
        }
        t.pass(random() % 3 == 0 ? second_ns : 1'000'000);
    }
    CHECK(crashes == 500);
    for (const char* stream : {"out", "log"}) {
        const auto made = stored_in(t, stream);
        CHECK(made.size() == inputs);
        CHECK(std::set<std::string>{made.begin(), made.end()}.size() == inputs);
    }
}

TEST_CASE(
    "commits: one that crosses the renewal of its lease is committed, and nobody is told that it was late") {
    table t;
    consumer_session& c =
        t.consumer("c", {.stream = "s", .group = "g", .lease_ms = 3000, .credit_messages = 100});
    t.put(1);
    t.settle();
    const auto job = c.next(t.now().monotonic_ns);
    REQUIRE(job);
    // While it is synced a renewal comes: the lease is over by then, for the commit has ended it.
    t.hold_syncs();
    const auto fate = c.commit(job->lease, job->offset, {to_stream("out", {"1"})}, t.now());
    t.settle();
    t.leap(second_ns);
    CHECK(fate->is == state::pending);
    t.sync_again();
    t.settle();
    CHECK(fate->is == state::committed);
    CHECK(lost_beside_first(c).empty());
    CHECK(stored_in(t, "out") == std::vector<std::string>{"1"});
}

TEST_CASE(
    "commits: an ack that was taken counts, though the rest of its lease ran out before it was answered") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(2);
    t.settle();
    const auto first = c.next(t.now().monotonic_ns);
    REQUIRE(first);
    REQUIRE(c.next(t.now().monotonic_ns));
    c.ack(first->lease, first->offset);
    c.frame(encode(protocol::done{1, 0, first->lease, {}, {}, {protocol::everything}, {}}), std::nullopt,
            t.now());
    t.settle();
    CHECK(lost_beside_first(c) == std::vector<protocol::run>{{1, 1}});
}

TEST_CASE("commits: one that is made when its lease is over already is told to be late, as an ack is") {
    table t;
    consumer_session& c = t.consumer("c");
    t.put(1);
    t.settle();
    const auto job = c.next(t.now().monotonic_ns);
    REQUIRE(job);
    t.leap(31 * second_ns);
    CHECK(c.commit(job->lease, job->offset, {to_stream("out", {"1"})}, t.now())->is == state::lost);
    CHECK(c.take_settled().stale == std::vector<protocol::run>{{0, 1}});
}
