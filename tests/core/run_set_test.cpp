#include "core/run_set.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace ferry;

namespace {

void check_same(const run_set& set, const std::set<std::uint64_t>& plain) {
    CHECK(set.count() == plain.size());
    std::set<std::uint64_t> all;
    std::uint64_t free_from = 0;  // where a run may begin that neither overlaps nor touches the one before
    for (const auto& [first, end] : set.runs()) {
        CHECK(first >= free_from);
        CHECK(end > first);
        for (std::uint64_t each = first; each < end; ++each) all.insert(each);
        free_from = end + 1;
    }
    CHECK(all == plain);
}

}  // namespace

TEST_CASE("run set: random changes agree with a plain set") {
    std::mt19937_64 random{20261130};
    for (int history = 0; history < 200; ++history) {
        run_set set;
        std::set<std::uint64_t> plain;
        const std::uint64_t longest = 1 + history % 12;
        for (int step = 0; step < 100; ++step) {
            const run_set::run what{random() % 60, random() % (longest + 1)};
            const bool adds = random() % 2 == 0;
            adds ? set.add(what) : set.remove(what);
            for (std::uint64_t each = what.first; each < what.end(); ++each)
                adds ? void(plain.insert(each)) : void(plain.erase(each));
            const std::uint64_t at = random() % 60;
            CHECK(set.contains(at) == plain.contains(at));
            check_same(set, plain);
        }
    }
}

TEST_CASE("run set: runs that grow together are one, and one that is cut in the middle is two") {
    run_set set;
    set.add({0, 3});
    set.add({5, 3});
    CHECK(set.runs().size() == 2);
    set.add({3, 2});
    CHECK(set.runs() == std::map<std::uint64_t, std::uint64_t>{{0, 8}});
    set.remove({2, 1});
    CHECK(set.runs() == std::map<std::uint64_t, std::uint64_t>{{0, 2}, {3, 8}});
    set.remove({0, 4});
    CHECK(set.runs() == std::map<std::uint64_t, std::uint64_t>{{4, 8}});
    CHECK(set.count() == 4);
}
