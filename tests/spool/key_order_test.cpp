// Groups that are ordered by key.
#include "devices/spool/key_order.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <random>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

using given = std::map<std::uint64_t, std::uint64_t>;  // offset -> attempt

message with_key(const std::string& key) {
    message made{"x"};
    if (!key.empty()) made.set_header("key", key);
    return made;
}

std::vector<message> with_keys(const std::vector<std::string>& keys) {
    std::vector<message> made;
    for (const std::string& each : keys) made.push_back(with_key(each));
    return made;
}

consumer_session& join(table& t, const std::string& name, std::uint64_t credit = 100) {
    consumer_session_options of{.stream = "s", .group = "g", .credit_messages = credit};
    of.ordered = true;
    of.max_attempts = 2;
    of.backoff_ms = "1000";
    consumer_session& made = t.consumer(name, of);
    t.settle();
    return made;
}

void ack_all(table& t, const std::string& name, const given& what) {
    for (const auto& [offset, attempt] : what) t.ack(name, offset);
    t.settle();
}

std::optional<std::uint64_t> key_in(const header_value& key) {
    message made{"x"};
    made.set_header("key", key);
    std::string batch;
    append_item(batch, made);
    return key_of(*batch_cursor{batch}.next());
}

}  // namespace

TEST_CASE("key order: a key is text, bytes or a number by its digits, and no key is none") {
    CHECK(key_in(std::string{"7"}) == key_in(std::int64_t{7}));
    CHECK(key_in(std::string{"7"}) == key_in(binary{"7"}));
    CHECK(key_in(std::string{"7"}) != key_in(std::string{"8"}));
    std::string batch;
    append_item(batch, message{"x"});
    CHECK_FALSE(key_of(*batch_cursor{batch}.next()));
}

TEST_CASE("key order: random meetings and settlings agree with a plain queue for each key") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        key_order order;
        std::map<std::uint64_t, std::deque<std::uint64_t>> queues;  // key -> unsettled offsets
        std::map<std::uint64_t, std::uint64_t> keys;                // offset -> key
        std::uint64_t next = 0;
        for (int step = 0; step < 3000; ++step) {
            if (random() % 2 == 0) {
                const std::uint64_t key = random() % 3 == 0 ? 0 : random() % 8;
                queues[key].push_back(next);
                keys[next] = key;
                order.meet(next++, key);
            } else if (const auto ready = order.ready().next(0)) {
                REQUIRE(queues.at(keys.at(*ready)).front() == *ready);
                order.given({*ready, 1});
                const auto freed = order.settle({*ready, 1});
                REQUIRE(freed == std::vector<std::uint64_t>{keys.at(*ready)});
                auto& queue = queues.at(freed[0]);
                queue.pop_front();
                REQUIRE(order.awaited(freed[0]) == !queue.empty());
                order.free(freed[0], [](std::uint64_t) { return key_order::standing::there; });
            }
            std::uint64_t heads = 0;
            for (const auto& [key, queue] : queues)
                if (!queue.empty()) {
                    ++heads;
                    REQUIRE(order.ready().contains(queue.front()));
                }
            REQUIRE(order.ready().count() == heads);
        }
    }
}

TEST_CASE(
    "key order: messages of one key are out one at a time, others go on, and those without are in nobody's "
    "way") {
    table t;
    join(t, "a");
    t.put(with_keys({"k", "k", "", "j", "k", "j", ""}));
    t.settle();
    CHECK(t.take("a") == given{{0, 1}, {2, 1}, {3, 1}, {6, 1}});
    t.ack("a", 0);
    t.settle();
    CHECK(t.take("a") == given{{1, 1}});
    t.ack("a", 3);
    t.ack("a", 1);
    t.settle();
    CHECK(t.take("a") == given{{4, 1}, {5, 1}});
    ack_all(t, "a", {{2, 1}, {4, 1}, {5, 1}, {6, 1}});
    CHECK(t.the_stream().first == 7);
}

TEST_CASE("key order: a nacked message holds its key through its back-off until it is done or dead") {
    table t;
    join(t, "a");
    t.put(with_keys({"k", "k", "j", "j"}));
    t.settle();
    CHECK(t.take("a") == given{{0, 1}, {2, 1}});
    t.nack("a", 0);
    t.ack("a", 2);
    t.settle();
    CHECK(t.take("a") == given{{3, 1}});
    t.pass(second_ns);
    CHECK(t.take("a") == given{{0, 2}});
    t.nack("a", 0);
    t.settle();
    CHECK(t.the_group().dead_count() == 1);
    CHECK(t.take("a") == given{{1, 1}});
    CHECK(t.tell("dead.redrive", {{"stream", "s"}, {"group", "g"}}).empty());
    t.settle();
    CHECK(t.take("a").empty());  // it comes back out of order, but not while another of its key is out
    t.ack("a", 1);
    t.settle();
    CHECK(t.take("a") == given{{0, 1}});
}

TEST_CASE("key order: a delayed message joins its key when it is due, and a priority does not count") {
    table t;
    join(t, "a");
    std::vector<message> some = with_keys({"k", "k", "k", "j"});
    some[0].set_header("delay", std::int64_t{1000});
    some[2].set_header("priority", std::int64_t{9});
    some[3].set_header("priority", std::int64_t{9});
    t.put(some);
    t.settle();
    CHECK(t.take("a") == given{{1, 1}, {3, 1}});
    t.pass(2 * second_ns);
    CHECK(t.take("a").empty());
    t.ack("a", 1);
    t.settle();
    CHECK(t.take("a") == given{{0, 1}});
    t.ack("a", 0);
    t.settle();
    CHECK(t.take("a") == given{{2, 1}});
}

TEST_CASE("key order: a lease that ends, a removal and a consumer that leaves keep the order") {
    table t;
    consumer_session& a = join(t, "a");
    join(t, "b");
    std::vector<message> some = with_keys({"k", "k", "k"});
    some[1].set_header("ttl", std::int64_t{1000});
    t.put(some);
    t.settle();
    const bool first_has_it = !t.take("a").empty();
    if (!first_has_it) CHECK(t.take("b") == given{{0, 1}});
    t.pass(2 * second_ns);
    CHECK(t.the_stream().removed.at(static_cast<std::size_t>(records::removal_reason::expiry)) == 1);
    if (first_has_it) a.leave(t.now());
    if (!first_has_it) t.nack("b", 0);
    t.pass(2 * second_ns);
    CHECK(t.take("b") == given{{0, 2}});
    t.ack("b", 0);
    t.settle();
    CHECK(t.take("b") == given{{2, 1}});
}

TEST_CASE("key order: after a crash keys are learned again before anything is given out") {
    for (const bool clean : {false, true}) {
        CAPTURE(clean);
        table t;
        join(t, "a");
        t.put(with_keys({"k", "j", "k", "j", "i"}));
        t.settle();
        CHECK(t.take("a") == given{{0, 1}, {1, 1}, {4, 1}});
        t.nack("a", 1);
        t.settle();
        t.want_snapshot();
        t.settle();
        t.restart(clean);
        join(t, "b");
        CHECK(t.take("b").empty());  // what is out may be claimed
        t.reconnect("a");
        t.pass(3 * second_ns);
        const given next = t.take("b");
        CHECK_FALSE(next.contains(2));
        CHECK_FALSE(next.contains(3));
        ack_all(t, "a", {{0, 1}, {4, 1}});
        t.pass(second_ns);
        given all = t.take("b");
        all.merge(t.take("a"));
        CHECK(all.contains(2));
        CHECK_FALSE(all.contains(3));
    }
}

TEST_CASE("key order: one hot key with 200,000 messages does not stall 1,000 others, and costs little") {
    table t;
    join(t, "a", 50);
    t.settle();
    for (int block = 0; block < 10; ++block) {
        std::vector<message> some(20'000, with_key("hot"));
        for (int i = 0; i < 100; ++i) some.push_back(with_key("cold" + std::to_string(block * 100 + i)));
        t.put(some);
    }
    std::uint64_t cold = 0;
    std::vector<std::uint64_t> hot;
    for (int round = 0; round < 100 && cold < 1000; ++round) {
        t.settle();
        given next = t.take("a");
        if (next.erase(0) > 0) hot.push_back(0);  // stuck
        cold += next.size();
        for (const auto& [offset, attempt] : next) CHECK(offset % 20'100 >= 20'000);
        for (const auto& [offset, attempt] : next) t.ack("a", offset);
    }
    CHECK(cold == 1000);
    CHECK(hot == std::vector<std::uint64_t>{0});
    CHECK(t.the_group().left_count() == 199'999);
    CHECK(t.the_group().runs_kept() < 10'000);
    t.ack("a", 0);
    for (std::uint64_t offset = 1; offset < 100; ++offset) {
        t.settle();
        CHECK(t.take("a") == given{{offset, 1}});
        t.ack("a", offset);
    }
    t.restart(false);
    t.reconnect("a");
    t.pass(3 * second_ns);
    CHECK(t.the_group().leased_count() == 1);
    CHECK(t.the_group().runs_kept() < 10'000);
}

TEST_CASE("key order: eight consumers that join, leave, forget and die keep the order of every key") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        table t;
        std::map<std::string, bool> there;
        int made = 0;
        const auto come = [&] {
            const std::string name = "c" + std::to_string(made++);
            join(t, name, 1 + random() % 8);
            there[name] = true;
        };
        for (int i = 0; i < 8; ++i) come();
        std::vector<std::string> keys;
        for (int i = 0; i < 300; ++i) keys.push_back("k" + std::to_string(random() % 12));
        t.put(with_keys(keys));
        std::map<std::string, std::uint64_t> last;  // key -> offset handed out last
        std::map<std::string, std::vector<std::uint64_t>> held;
        for (int step = 0; step < 4000 && t.the_group().floor(t.the_stream().lanes) < keys.size(); ++step) {
            auto who = std::next(there.begin(), static_cast<std::ptrdiff_t>(random() % there.size()));
            const std::string name = who->first;
            for (const auto& [offset, attempt] : t.take(name)) {
                const auto [at, fresh] = last.emplace(keys.at(offset), offset);
                REQUIRE((fresh || at->second <= offset));
                at->second = offset;
                held[name].push_back(offset);
            }
            auto& holds = held[name];
            const std::uint64_t roll = random() % 100;
            if (roll < 80 && !holds.empty()) {
                t.ack(name, holds.back());
                holds.pop_back();
            } else if (roll < 84) {
                t.reconnect(name);
            } else if (roll < 86) {
                t.cut_off(name);  // its leases run out
                there.erase(who);
                come();
            } else if (roll < 87) {
                t.restart(random() % 2 == 0);
                for (const auto& [each, is] : there) t.reconnect(each);
                t.pass(3 * second_ns);
            } else if (roll < 90) {
                t.pass(10 * second_ns);
            }
            t.settle();
        }
        // Nobody forgets any more: everything is done, or dead.
        for (int round = 0; round < 50 && t.the_group().floor(t.the_stream().lanes) < keys.size(); ++round) {
            for (const auto& [name, is] : there) {
                for (const auto& [offset, attempt] : t.take(name)) held[name].push_back(offset);
                for (const std::uint64_t offset : std::exchange(held[name], {})) t.ack(name, offset);
            }
            t.pass(4 * second_ns);
        }
        CHECK(t.the_group().floor(t.the_stream().lanes) == keys.size());
        CHECK(last.size() == 12);
    }
}

TEST_CASE("key order: what was passed over because a message behind it expired comes in its turn") {
    table t;
    REQUIRE(t.admin("stream.create", {}).code.empty());
    const auto made = t.admin("group.create", {{"group", "g"}, {"ordered", "key"}, {"max_attempts", 2}});
    REQUIRE_MESSAGE(made.code.empty(), made.text);
    t.put(with_keys({"k"}));
    t.settle();
    std::vector<message> some = with_keys({"j", "", "j"});
    some[1].set_header("ttl", std::int64_t{1000});
    t.put(some);
    t.pass(2 * second_ns);
    t.consumer("a");
    t.settle();
    CHECK(t.take("a") == given{{0, 1}, {1, 1}});
    t.ack("a", 1);
    t.settle();
    CHECK(t.take("a") == given{{3, 1}});
}

TEST_CASE("key order: a dead letter that is redriven begins with attempt 1, whatever happened before") {
    table t;
    REQUIRE(t.admin("stream.create", {}).code.empty());
    const auto made = t.admin("group.create", {{"group", "g"}, {"ordered", "key"}, {"max_attempts", 1}});
    REQUIRE_MESSAGE(made.code.empty(), made.text);
    t.consumer("w");
    t.settle();
    t.put(3);
    t.settle();
    for (int crash = 0; crash < 3; ++crash) {
        t.restart(false);
        t.reconnect("w");
        t.pass(3 * second_ns);
    }
    t.take("w");
    t.nack("w", 1);
    t.settle();
    REQUIRE(t.the_group().dead_count() == 1);
    t.cut_off("w");
    t.restart(true);
    REQUIRE(t.admin("dead.redrive", {{"group", "g"}}).code.empty());
    t.settle();
    t.restart(true);  // a snapshot has it, too
    t.consumer("x");
    t.pass(3 * second_ns);
    const auto got = t.take("x");
    CHECK(got.at(0) > 2);
    CHECK(got.at(1) == 1);
    t.cut_off("x");
    t.restart(false);
    t.consumer("y");
    t.pass(3 * second_ns);
    CHECK(t.take("y").at(1) > 1);  // which somebody has had since
}

TEST_CASE("key order: after a crash an ack whose key is not known yet lets nothing go before it is durable") {
    table t;
    join(t, "w");
    t.put(with_keys({"k", "k", "other"}));
    t.settle();
    REQUIRE(t.take("w") == given{{0, 1}, {2, 1}});
    t.restart(false);
    t.reconnect("w");
    t.settle();
    t.hold_syncs();
    t.ack("w", 0);
    t.pass(3 * second_ns);
    CHECK(t.take("w").empty());
    t.cut_off("w");
    t.cut_power();
    join(t, "x");
    t.pass(3 * second_ns);
    const given first = t.take("x");
    CHECK(first.contains(0));
    CHECK_FALSE(first.contains(1));
}

TEST_CASE(
    "key order: what is removed while it waits for its key lets the next go when the removal is durable") {
    table t;
    join(t, "w");
    std::vector<message> some = with_keys({"k", "k", "k", "other"});
    some[1].set_header("ttl", std::int64_t{1000});
    t.put(some);
    t.settle();
    REQUIRE(t.take("w") == given{{0, 1}, {3, 1}});
    t.hold_news();
    t.ack("w", 0);
    t.settle();
    t.pass(2 * second_ns);  // 1 expires behind the ack, which is on disk when its removal is not
    t.tell_news();
    t.settle();
    CHECK(t.take("w").empty());
    t.sync_again();
    t.settle();
    CHECK(t.take("w") == given{{2, 1}});
}

TEST_CASE("key order: what dies and is redriven before anybody looks again is given out") {
    table t;
    consumer_session_options of{.stream = "s", .group = "g", .credit_messages = 100};
    of.ordered = true;
    of.max_attempts = 1;
    t.consumer("w", of);
    t.put(with_keys({"", "k"}));
    t.settle();
    REQUIRE(t.take("w") == given{{0, 1}, {1, 1}});
    const header_map group{{"stream", "s"}, {"group", "g"}};
    REQUIRE(t.admin("group.pause", group).code.empty());
    t.nack("w", 0);  // dead: it has one attempt
    t.settle();
    t.disconnect("w");
    REQUIRE(t.admin("dead.redrive", group).code.empty());
    t.hold_news();
    t.admin("group.resume", group);  // answered later
    t.settle();
    t.sync_again();
    t.consumer("x", of);
    t.settle();
    CHECK(t.take("x") == given{{0, 1}});
}
