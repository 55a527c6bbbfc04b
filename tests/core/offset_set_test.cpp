#include "core/offset_set.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace ferry;
using run = offset_set::run;

TEST_CASE("offset set: random changes agree with a plain set") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        offset_set set;
        offset_set other;
        std::set<std::uint64_t> model;
        std::set<std::uint64_t> other_model;
        const std::uint64_t range = seed % 2 == 0 ? 200'000 : 9'000;
        for (int step = 0; step < 120; ++step) {
            const run some{random() % range, random() % 5 == 0 ? random() % 70'000 : random() % 40};
            const bool first = random() % 3 != 0;
            const bool adds = random() % 3 != 0;
            offset_set& changed = first ? set : other;
            std::set<std::uint64_t>& as = first ? model : other_model;
            if (adds)
                changed.add(some);
            else
                changed.remove(some);
            for (std::uint64_t each = some.first; each < some.end(); ++each)
                if (adds)
                    as.insert(each);
                else
                    as.erase(each);
            REQUIRE(set.count() == model.size());
            const std::uint64_t from = random() % range;
            const auto lowest = model.lower_bound(from);
            CHECK(set.next(from).value_or(0) == (lowest == model.end() ? 0 : *lowest));
            CHECK(set.contains(from) == model.contains(from));
            std::uint64_t absent = from;
            while (model.contains(absent)) ++absent;
            CHECK(set.next_absent(from) == absent);
            auto left = lowest;
            while (left != model.end() && other_model.contains(*left)) ++left;
            CHECK(set.next_not_in(other, from).value_or(0) == (left == model.end() ? 0 : *left));
            if (step % 10 == 0) {
                std::uint64_t common = 0;
                for (const std::uint64_t each : model) common += other_model.count(each);
                CHECK(set.count_common(other) == common);
            }
            const run within{from, random() % range};
            CHECK(set.count(within) ==
                  static_cast<std::uint64_t>(std::distance(lowest, model.lower_bound(within.end()))));
        }
        offset_set back;
        REQUIRE(back.load(set.save()));
        CHECK(back.count() == set.count());
        CHECK(back.save() == set.save());
        set.remove(run{0, range + 70'000});
        CHECK(set.bytes() == 0);
    }
}

TEST_CASE("offset set: runs come out whole, and cut where asked") {
    offset_set set;
    set.add(run{65'000, 140'000});
    CHECK(set.next_run(0, 1'000'000) == run{65'000, 140'000});
    CHECK(set.next_run(70'000, 80'000) == run{70'000, 10'000});
    CHECK(!set.next_run(0, 65'000));
    set.remove(100'000);
    CHECK(set.next_run(0, 1'000'000) == run{65'000, 35'000});
}

TEST_CASE("offset set: bytes that are no set are refused") {
    using std::string_view;
    offset_set set;
    CHECK_FALSE(set.load("\x05"));
    CHECK_FALSE(set.load("\x05\x04"));                                      // no such form
    CHECK_FALSE(set.load(string_view{"\x05\x01\x00", 3}));                  // a list of none
    CHECK_FALSE(set.load(string_view{"\x05\x01\x02\x05\x00\x04\x00", 7}));  // that falls
    CHECK_FALSE(set.load(string_view{"\x05\x01\x02\x05\x00\x04", 6}));      // cut off
    CHECK_FALSE(set.load(string_view{"\x05\x03\x01\xff\xff\x01\x00", 7}));  // a run beyond its block
    CHECK_FALSE(set.load(string_view{"\x05\x02\xff\xff", 4}));              // a bitmap cut off
    CHECK_FALSE(set.load(string_view{"\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 10}));
    CHECK(set.load(string_view{"\x05\x00", 2}));
    CHECK(set.count() == 65'536);
}

TEST_CASE("offset set: every form of a block goes into a snapshot and back, in few bytes") {
    offset_set runs;
    for (std::uint64_t i = 0; i < 50; ++i) runs.add(offset_set::run{i * 1000, 900});
    offset_set scattered;
    for (std::uint64_t i = 0; i < 2000; ++i) scattered.add(i * 31);
    offset_set dense;
    for (std::uint64_t i = 0; i < 30'000; ++i) dense.add(i * 2);
    offset_set full;
    full.add(offset_set::run{65'536, 3 * 65'536});
    for (const auto& [set, most] :
         {std::pair{&runs, 204UL}, {&scattered, 4004UL}, {&dense, 8195UL}, {&full, 7UL}}) {
        CHECK(set->save().size() <= most);
        offset_set back;
        REQUIRE(back.load(set->save()));
        CHECK(back.count() == set->count());
        for (auto at = set->next_run(0, 1'000'000); at; at = set->next_run(at->end(), 1'000'000))
            CHECK(back.next_run(at->first, 1'000'000) == *at);
    }
}
