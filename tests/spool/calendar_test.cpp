// What a calendar keeps by the millisecond, and what in buckets.
#include "devices/spool/calendar.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "devices/spool/agenda.hpp"

using namespace ferry;

namespace {

constexpr std::uint64_t hour_ms = 3'600'000;
constexpr std::uint64_t now_ms = 1'700'000'000'000;

// As the timetable does, with a log that is a vector: offset -> time, one message a record.
void open_buckets(calendar& of, const std::vector<std::uint64_t>& log, std::uint64_t at_ms) {
    while (of.next_opening_ms() <= at_ms) {
        const calendar::bucket_key which = of.buckets().begin()->first;
        const std::uint64_t record = *of.buckets().begin()->second.records.next(0);
        calendar found;
        found.add({log[record], record, 1, 0}, {record, 1},
                  which.width_ms > 60'000 ? which.start_ms : which.end_ms());
        offset_set read;
        read.add(record);
        REQUIRE(of.opened(which, read, found.save()));
    }
}

}  // namespace

TEST_CASE("calendar: every appointment comes up once, in its millisecond, however far away it is") {
    std::mt19937_64 random{3};
    calendar of;
    std::vector<std::uint64_t> log;
    for (std::uint64_t i = 0; i < 3000; ++i) {
        const std::uint64_t span = std::uint64_t{1} << random() % 39;  // up to 17 years
        log.push_back(now_ms + random() % span);
        of.add({log.back(), i, 1, 0}, {i, 1}, now_ms + hour_ms);
    }
    CHECK(of.buckets().size() < 1000);
    std::vector<std::uint64_t> order = log;
    std::sort(order.begin(), order.end());
    std::set<std::uint64_t> seen;
    std::size_t at = 0;
    for (const std::uint64_t ms : order) {
        open_buckets(of, log, ms);
        if (of.next_ms() > ms) continue;  // of several at the same time all were taken
        REQUIRE(of.next_ms() == ms);
        while (of.next_ms() == ms) {
            const appointment next = of.pop();
            CHECK(log[next.offset] == ms);
            CHECK(seen.insert(next.offset).second);
            ++at;
        }
        if (at % 100 == 0) {
            calendar back;
            REQUIRE(back.merge(of.save()));
            of = std::move(back);
        }
    }
    CHECK(seen.size() == 3000);
    CHECK(of.buckets().empty());
}

TEST_CASE("calendar: ten million appointments of a day in batches of a thousand take less than a megabyte") {
    std::mt19937_64 random{4};
    calendar of;
    for (std::uint64_t i = 0; i < 10'000'000; ++i)
        of.add({now_ms + 2 * hour_ms + random() % (24 * hour_ms), i, 1, 0}, {i / 1000 * 1000, 1000},
               now_ms + hour_ms);
    CHECK(of.near_count() == 0);
    CHECK(of.bytes() < 4U << 20);
    std::size_t saved = 0;
    for (const auto& each : of.save().later) saved += each.records.size();
    CHECK(saved < 2U << 20);
}

TEST_CASE(
    "calendar: what is gone is swept from heap and buckets, but not the record that still reaches above") {
    calendar of;
    for (std::uint64_t i = 0; i < 100'000; i += 100) {
        of.add({now_ms + 100, i, 100, 0}, {i, 100}, now_ms + hour_ms);
        of.add({now_ms + 30 * hour_ms, i, 100, 0}, {i, 100}, now_ms + hour_ms);
    }
    REQUIRE(of.near_count() == 1000);
    REQUIRE(of.buckets().size() == 1);
    of.forget_below(50'050);
    CHECK(of.near_count() == 500);
    CHECK(of.buckets().begin()->second.records.next(0) == 50'000);
    of.forget_below(100'200);
    CHECK(of.near_count() == 0);
    CHECK(of.buckets().empty());
}

TEST_CASE("calendar: bytes that are no calendar are refused") {
    calendar of;
    of.add({now_ms, 5, 3, 9}, {5, 3}, now_ms + 1);
    of.add({now_ms + 30 * hour_ms, 5, 3, 9}, {5, 3}, now_ms + 1);
    const calendar::saved good = of.save();
    for (std::size_t size = 1; size < good.near.size(); ++size) {
        calendar back;
        CHECK_FALSE(back.merge({good.near.substr(0, size), {}, 0}));
    }
    calendar::saved bad = good;
    bad.later.at(0).records += '\x07';
    CHECK_FALSE(calendar{}.merge(bad));
    CHECK_FALSE(calendar{}.merge({std::string("\x02\x02\x01\x0a", 4), {}, 0}));  // priority 10
    CHECK_FALSE(calendar{}.merge({std::string("\x02\x02\x00\x00", 4), {}, 0}));  // no message
}

TEST_CASE("agenda: who is filed again moves, who is taken is out, and never is nowhere") {
    agenda<int> of;
    of.file(1, 30);
    of.file(2, 10);
    of.file(3, 20);
    of.file(2, 40);
    of.file(3, agenda<int>::never);
    CHECK(of.next() == 30);
    CHECK(of.take(29).empty());
    CHECK(of.take(40) == std::vector<int>{1, 2});
    CHECK(of.next() == agenda<int>::never);
    of.file(1, 5);
    CHECK(of.take(5) == std::vector<int>{1});
}
