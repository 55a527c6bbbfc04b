// Memory that a crowd of clients left behind: when it is given back.
#include "devices/spool/slack.hpp"

#include <doctest/doctest.h>

namespace ferry::test {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

instant at(std::uint64_t seconds) {
    return {seconds * second, 0};
}

}  // namespace

TEST_CASE("slack: memory is given back soon after a crowd has left, and once libzmq has given up the last") {
    slack of;
    of.left(99, at(10));
    CHECK(of.next_due_ns() == ~std::uint64_t{0});
    of.left(1, at(20));
    CHECK(of.next_due_ns() == 21 * second);
    of.tick(at(20));
    CHECK(of.times_given_back() == 0);
    of.tick(at(21));
    CHECK(of.times_given_back() == 1);
    CHECK(of.next_due_ns() == 65 * second);
    of.tick(at(64));
    CHECK(of.times_given_back() == 1);
    of.tick(at(65));
    CHECK(of.times_given_back() == 2);
    CHECK(of.next_due_ns() == ~std::uint64_t{0});
}

}  // namespace ferry::test
