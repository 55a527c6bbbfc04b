#include "devices/spool/group.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace ferry;

namespace {

const lanes no_gaps;

lease some_lease(std::uint64_t id, std::uint64_t deadline = 1000) {
    return {.id = id, .holder = 1, .deadline_ns = deadline};
}

}  // namespace

TEST_CASE("group: messages are picked in order, leased, and settled by acks") {
    group g{1, "g", {}, 0};
    auto picked = g.pick(10, no_gaps, 4);
    REQUIRE(picked);
    CHECK(*picked == tried_run{0, 4, 1, 0, 0});
    g.take(*picked, no_gaps, g.new_lease(some_lease(7)));
    CHECK(g.leased_count() == 4);
    CHECK(g.pick(10, no_gaps, 100)->offset == 4);
    g.apply_ack({1, 2}, no_gaps);
    CHECK(g.floor(no_gaps) == 0);
    g.apply_ack({0, 1}, no_gaps);
    CHECK(g.floor(no_gaps) == 3);
    g.apply_ack({3, 1}, no_gaps);
    CHECK(g.floor(no_gaps) == 4);
    CHECK(g.leases().empty());
}

TEST_CASE("group: an ack is judged by the lease it comes under") {
    group g{1, "g", {}, 0};
    g.take(*g.pick(10, no_gaps, 4), no_gaps, g.new_lease(some_lease(7)));
    g.take(*g.pick(10, no_gaps, 2), no_gaps, g.new_lease(some_lease(8)));
    g.apply_ack({1, 1}, no_gaps);
    ack_outcome outcome;
    g.judge(7, {0, 12}, no_gaps, outcome);
    CHECK(outcome.leased == std::vector<run>{{0, 1}, {2, 2}});
    CHECK(outcome.already == std::vector<run>{{1, 1}});
    CHECK(outcome.stale == std::vector<run>{{4, 2}});
    CHECK(outcome.gone == std::vector<run>{{6, 6}});
}

TEST_CASE("group: gaps are stepped over and never become ready") {
    lanes gaps;
    gaps.gaps.add({3, 4});
    group g{1, "g", {}, 0};
    g.take(*g.pick(10, gaps, 100), gaps, g.new_lease(some_lease(1)));
    auto picked = g.pick(10, gaps, 100);
    REQUIRE(picked);
    CHECK(*picked == tried_run{7, 3, 1, 0, 0});
    group replayed{2, "r", {}, 0};
    replayed.apply_ack({8, 1}, gaps);
    CHECK(replayed.returned_count() == 4);
    CHECK(replayed.pick(10, gaps, 100)->offset == 0);
}

TEST_CASE("group: a nacked message waits for its time and comes back with its attempt") {
    group g{1, "g", {}, 0};
    g.take(*g.pick(10, no_gaps, 1), no_gaps, g.new_lease(some_lease(1)));
    const instant now{1000, 5000};
    g.apply_attempt({0, 1, 2, 1, 5700}, no_gaps, now);
    CHECK(g.delayed_count() == 1);
    CHECK(g.next_due_ns() == 1700);
    CHECK(g.pick(10, no_gaps, 1)->offset == 1);
    CHECK_FALSE(g.wake_due(1699));
    CHECK(g.wake_due(1700));
    CHECK(*g.pick(10, no_gaps, 1) == tried_run{0, 1, 2, 1, 0});
}

TEST_CASE("group: dead letters are settled for the floor and kept") {
    group g{1, "g", {}, 0};
    g.take(*g.pick(10, no_gaps, 2), no_gaps, g.new_lease(some_lease(1)));
    g.apply_dead({0, 1, 16, "tried too often"}, no_gaps);
    g.apply_ack({1, 1}, no_gaps);
    CHECK(g.floor(no_gaps) == 2);
    CHECK(g.needed_from(no_gaps) == 0);
    CHECK(g.dead_count() == 1);
}

TEST_CASE("group: after an unclean stop what lies below the mark is flagged, the rest is not") {
    group g{1, "g", {}, 0};
    g.apply_mark(5);
    g.apply_ack({1, 1}, no_gaps);
    const auto seen = g.perhaps_seen(10, no_gaps, {});
    CHECK(seen == std::vector<tried_run>{{0, 1, 2, 0, 0}, {2, 3, 2, 0, 0}});
    for (const tried_run& each : seen) g.apply_attempt(each, no_gaps, {});
    CHECK(g.pick(10, no_gaps, 10)->attempt == 2);
    CHECK(g.cursor() == 5);
}

TEST_CASE("group: a snapshot brings it back, with its leases after an orderly stop") {
    group g{1, "g", {}, 0};
    g.take(*g.pick(10, no_gaps, 3), no_gaps, g.new_lease(some_lease(1)));
    g.apply_ack({1, 1}, no_gaps);
    g.apply_dead({2, 1, 3, "why"}, no_gaps);
    g.apply_mark(3);
    const group back{g.save({}, false), no_gaps, {}};
    CHECK(back.cursor() == 3);
    CHECK(back.dead_count() == 1);
    CHECK(*back.pick(10, no_gaps, 10) == tried_run{0, 1, 1, 0, 0});
    CHECK(back.perhaps_seen(10, no_gaps, {}) == std::vector<tried_run>{{0, 1, 2, 0, 0}});
    const group stopped{g.save({}, true), no_gaps, {}};
    CHECK(stopped.leased_count() == 1);
    CHECK(stopped.leases().at(1).holder == 0);
    CHECK(stopped.pick(10, no_gaps, 10)->offset == 3);
}

TEST_CASE("group: a snapshot says what is open in the fewest runs, whatever leases it was under") {
    group g{1, "g", {}, 0};
    for (std::uint64_t lease = 1; lease <= 3; ++lease)
        g.take(*g.pick(10, no_gaps, 2), no_gaps, g.new_lease(some_lease(lease)));
    g.apply_ack({3, 1}, no_gaps);
    const group::saved kept = g.save({}, false);
    CHECK(kept.open == std::vector<tried_run>{{0, 3, 1, 0, 0}, {4, 2, 1, 0, 0}});
    CHECK(group{kept, no_gaps, {}}.save({}, false).open == kept.open);
}

TEST_CASE("group: random leases, acks, releases and failures agree with a plain map of messages") {
    enum class fate { ready, leased, settled, dead };
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        group g{1, "g", {}, 0};
        std::map<std::uint64_t, std::pair<fate, std::uint64_t>> model;  // offset -> fate, lease or attempt
        constexpr std::uint64_t stored = 64;
        for (std::uint64_t i = 0; i < stored; ++i) model[i] = {fate::ready, 1};
        std::uint64_t next_lease = 1;
        for (int step = 0; step < 200; ++step) {
            const std::uint64_t first = random() % stored;
            const run some{first, 1 + random() % (stored - first)};
            switch (random() % 4) {
                case 0:
                    if (const auto picked = g.pick(stored, no_gaps, 1 + random() % 8)) {
                        g.take(*picked, no_gaps, g.new_lease(some_lease(next_lease)));
                        for (std::uint64_t i = picked->offset; i < picked->end(); ++i) {
                            REQUIRE(model[i].first == fate::ready);
                            REQUIRE(model[i].second == picked->attempt);
                            model[i] = {fate::leased, next_lease};
                        }
                        ++next_lease;
                    }
                    break;
                case 1: {
                    const std::uint64_t id = 1 + random() % next_lease;
                    ack_outcome outcome;
                    g.judge(id, some, no_gaps, outcome);
                    std::uint64_t judged = 0;
                    for (const auto* list :
                         {&outcome.leased, &outcome.already, &outcome.stale, &outcome.gone})
                        for (const run& each : *list) judged += each.count;
                    REQUIRE(judged == some.count);
                    for (const run& each : outcome.leased) {
                        g.apply_ack(each, no_gaps);
                        for (std::uint64_t i = each.first; i < each.end(); ++i) {
                            REQUIRE(model[i] == std::pair{fate::leased, id});
                            model[i] = {fate::settled, 0};
                        }
                    }
                    break;
                }
                case 2: {
                    const std::uint64_t id = 1 + random() % next_lease;
                    for (const tried_run& each : g.open_under(id, {some})) {
                        g.apply_attempt({each.offset, each.count, 1, 0, 0}, no_gaps, {});
                        for (std::uint64_t i = each.offset; i < each.end(); ++i) {
                            REQUIRE(model[i] == std::pair{fate::leased, id});
                            model[i] = {fate::ready, 1};
                        }
                    }
                    break;
                }
                default: {
                    const std::uint64_t id = 1 + random() % next_lease;
                    g.release(id, {some});
                    for (std::uint64_t i = some.first; i < some.end(); ++i)
                        if (model[i] == std::pair{fate::leased, id}) model[i] = {fate::ready, 1};
                }
            }
            std::uint64_t leased = 0;
            std::uint64_t floor = stored;
            for (const auto& [offset, is] : model) {
                leased += is.first == fate::leased ? 1 : 0;
                if (is.first != fate::settled) floor = std::min(floor, offset);
            }
            REQUIRE(g.leased_count() == leased);
            REQUIRE(g.floor(no_gaps) == std::min(floor, std::max(floor, g.cursor())));
        }
    }
}

TEST_CASE("group: what a snapshot says twice of a message counts once, and the later word holds") {
    const instant now{1'000, 1'000};
    group::saved from = group{1, "g", {}, 0}.save(now, false);
    from.looked_at.cursors = {3};  // and yet some behind it are open
    from.open = {{0, 4, 2, 1, 0}, {2, 4, 3, 2, 0}};
    from.dead = {{5, 1, 16, "hopeless", 0}, {5, 2, 16, "hopeless", 0}};
    group g{from, no_gaps, now};
    CHECK(g.returned_count() == 5);
    CHECK(g.dead().count() == 2);
    CHECK(*g.pick(100, no_gaps, 100) == tried_run{0, 2, 2, 1, 0});
    g.take(*g.pick(100, no_gaps, 100), no_gaps, g.new_lease(some_lease(1)));
    CHECK(*g.pick(100, no_gaps, 100) == tried_run{2, 3, 3, 2, 0});
    g.take(*g.pick(100, no_gaps, 100), no_gaps, g.new_lease(some_lease(2)));
    CHECK(g.pick(100, no_gaps, 100)->offset == 7);
    g.apply_redrive({0, 100}, no_gaps);
    CHECK(*g.pick(100, no_gaps, 100) == tried_run{5, 2, 1, 0, 0});
}

TEST_CASE("group: a message that is open stays what it is when a log says that it is new") {
    lanes places;
    group g{1, "g", {}, 0};
    g.apply_attempt({0, 4, 3, 2, 0}, places, {1'000, 1'000});
    places.place({0, 4}, {.index = 1, .due_ms = 5'000}, 0);
    g.apply_attempt({0, 4, 4, 3, 0}, places, {1'000, 1'000});
    CHECK(g.returned_count() == 4);
    CHECK(g.pick(4, places, 100)->attempt == 4);
}
