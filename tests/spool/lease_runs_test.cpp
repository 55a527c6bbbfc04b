#include "devices/spool/lease_runs.hpp"

#include <doctest/doctest.h>

using ferry::lease_runs;
using ferry::protocol::run;

TEST_CASE("lease runs: what was added is there until it is removed, and all of it or not") {
    lease_runs some{10};
    some.add(7, {10, 3});
    some.add(7, {13, 2});
    some.add(8, {1, 1});
    CHECK(some.next(7, 0) == run{10, 5});
    CHECK(some.next(7, 12) == run{12, 3});
    CHECK_FALSE(some.next(7, 15));
    CHECK_FALSE(some.next(9, 0));
    CHECK(some.covers(7, {{10, 2}, {14, 1}}));
    CHECK_FALSE(some.covers(7, {{10, 2}, {14, 2}}));
    CHECK_FALSE(some.covers(8, {{10, 1}}));
    some.remove(7, {11, 1});
    CHECK_FALSE(some.covers(7, {{10, 2}}));
    CHECK(some.covers(7, {{12, 3}}));
}

TEST_CASE("lease runs: the leases that came first are forgotten, and are so in what is saved") {
    lease_runs some{3};
    for (std::uint64_t lease = 1; lease <= 5; ++lease) some.add(lease, {100 * lease, 1});
    CHECK_FALSE(some.next(2, 0));
    CHECK(some.next(3, 0) == run{300, 1});
    lease_runs other{3};
    other.add(1, {1, 1});
    other.load(some.save());
    CHECK_FALSE(other.next(1, 0));
    CHECK(other.next(5, 0) == run{500, 1});
    other.add(6, {600, 1});
    CHECK_FALSE(other.next(3, 0));
    CHECK(other.next(4, 0));
}

TEST_CASE("lease runs: a lease that nothing is left of is forgotten, and one that has nothing is not begun") {
    lease_runs some{3};
    for (std::uint64_t lease = 1; lease <= 100; ++lease) {
        some.add(lease, {lease, 2});
        some.remove(lease, {lease, 1});
        some.remove(lease, {lease + 1, 1});
        some.add(lease, {lease, 0});
    }
    CHECK(some.save().empty());
    some.add(7, {1, 1});
    some.add(8, {1, 1});
    some.remove(7, {1, 1});
    some.add(7, {5, 1});
    REQUIRE(some.save().size() == 2);
    CHECK(some.save().front().lease == 8);
    CHECK(some.save().back().runs == std::vector<run>{{5, 1}});
}
