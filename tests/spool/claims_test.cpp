// Leases that survive a lost connection and a restart of the spool: brain and sessions, without sockets.
#include <doctest/doctest.h>

#include <map>
#include <memory>

#include "core/consumer_session.hpp"
#include "core/log/log.hpp"
#include "core/producer_session.hpp"
#include "devices/spool/brain.hpp"
#include "tests/support/fault_disk.hpp"

using namespace ferry;
using namespace ferry::test;
using protocol::run;

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

// A brain whose disk is perfect and whose network delivers at once, unless a client is cut off.
class table {
  public:
    table() { open(); }

    void restart(bool clean) {
        settle();
        if (clean) {
            const auto last = brain_->stop(now_);
            REQUIRE(last);
            append(*last);
        }
        brain_.reset();
        log_.reset();
        disk_.kill();
        open();
    }

    consumer_session& consumer(const std::string& name, consumer_session_options of = {}) {
        if (of.stream.empty()) of = {.stream = "s", .group = "g", .credit_messages = 100};
        return *clients_.emplace(name, client{next_session_++, std::make_unique<consumer_session>(of)})
                    .first->second.session;
    }

    /// The connection ends and is made again; frames under way are lost.
    void reconnect(const std::string& name) {
        client& who = clients_.at(name);
        if (who.number != 0) brain_->detached(who.number, now_);
        who.number = next_session_++;
        who.session->reconnected();
    }
    void cut_off(const std::string& name) { clients_.at(name).number = 0; }

    void put(int count) {
        producer_session session{{.stream = "s"}};
        const std::uint64_t number = next_session_++;
        std::vector<put_place> places;
        for (int i = 0; i < count; ++i) places.push_back(session.put(std::string_view{"x"}, now_));
        session.flush();
        for (int round = 0; round < 10; ++round) {
            session.tick(now_);
            for (auto& each : session.take_output())
                brain_->frame(number, "somebody", each.head, std::move(each.body), now_);
            for (send_action& each : turn())
                if (each.session == number)
                    session.frame(each.head, now_);
                else
                    deliver(each);
        }
        CHECK(places.back().fate->is == batch_fate::state::stored);
    }

    /// Everything that can be said is said.
    void settle() {
        for (int round = 0; round < 20; ++round) {
            brain_->tick(now_);
            for (auto& [name, who] : clients_) {
                who.session->tick(now_);
                for (auto& each : who.session->take_output())
                    if (who.number != 0)
                        brain_->frame(who.number, "somebody", each.head, std::move(each.body), now_);
            }
            for (send_action& each : turn()) deliver(each);
        }
    }

    void pass(std::uint64_t ns) {
        for (; ns > 0; ns -= std::min(ns, second_ns / 4)) {
            now_.monotonic_ns += std::min(ns, second_ns / 4);
            now_.wall_ns += std::min(ns, second_ns / 4);
            settle();
        }
    }

    /// All a consumer is handed out now: offset -> attempt.
    std::map<std::uint64_t, std::uint64_t> take(const std::string& name) {
        std::map<std::uint64_t, std::uint64_t> got;
        while (const auto item = clients_.at(name).session->next(now_.monotonic_ns)) {
            CHECK(!got.contains(item->offset));
            got[item->offset] = item->attempt;
            leases[item->offset] = item->lease;
        }
        return got;
    }
    void ack(const std::string& name, std::uint64_t offset) {
        clients_.at(name).session->ack(leases.at(offset), offset);
    }

    const group& the_group() { return *const_cast<spool_state&>(brain_->state()).find("s")->find_group("g"); }
    instant now() const { return now_; }

    std::map<std::uint64_t, std::uint64_t> leases;

  private:
    void deliver(send_action& what) {
        for (auto& [name, who] : clients_)
            if (who.number == what.session) who.session->frame(what.head, std::move(what.body), now_);
    }

    struct client {
        std::uint64_t number;
        std::unique_ptr<consumer_session> session;
    };

    void open() {
        spool_state state;
        log_ = std::make_unique<log::segmented_log>(
            disk_, log::log_options{.segment_bytes = 1 << 20, .random = next_session_},
            [&](const log::stored_record& each) { REQUIRE(state.apply(each.header, each.payload, now_)); },
            [&](std::string_view saved) { REQUIRE(state.load(saved, now_)); });
        brain_options of;
        of.incarnation = log_->opened().owner_epoch;
        of.seed = of.incarnation;  // of lease ids, which never repeat
        of.record_bytes_max = log_->record_bytes_max();
        brain_ = std::make_unique<brain>(of, std::move(state), now_);
    }

    void append(const append_action& what) {
        std::vector<log::record> records;
        for (const outgoing_record& each : what.records)
            records.push_back({each.type, each.flags, each.stream, each.first_offset, each.count,
                               each.wall_ns, each.head, each.body.view});
        std::vector<log::position> positions(records.size());
        if (!records.empty()) log_->append(records, positions);
        if (what.snapshot) log_->save_snapshot(*what.snapshot);
        log_->sync();
    }

    std::vector<send_action> turn() {
        std::vector<send_action> sends;
        for (int again = 0; again < 3; ++again) {
            actions out = brain_->take_actions(now_);
            for (const append_action& each : out.appends) {
                append(each);
                brain_->appended(each.ticket, now_);
                brain_->durable(each.ticket, now_);
            }
            for (const read_action& each : out.reads)
                brain_->read_done(each.cookie, log_->read(each.stream, each.offset, each.bytes_max), now_);
            for (send_action& each : out.sends) sends.push_back(std::move(each));
        }
        return sends;
    }

    instant now_{100 * second_ns, 1'700'000'000 * second_ns};
    std::uint64_t next_session_ = 1;
    fault_disk disk_{7};
    std::unique_ptr<log::segmented_log> log_;
    std::unique_ptr<brain> brain_;
    std::map<std::string, client> clients_;
};

}  // namespace

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

TEST_CASE("claims: a lease of another user is not given away") {
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
