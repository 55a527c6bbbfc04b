#include "patterns/subscriptions.hpp"

#include <doctest/doctest.h>

using namespace ferry;

TEST_CASE("subscriptions: a topic is wanted while anybody holds a prefix of it") {
    subscriptions known;
    CHECK_FALSE(known.wanted("news"));
    known.add("new", 5);
    known.add("new", 6);
    known.add("weather", 6);
    CHECK(known.wanted("news"));
    CHECK(known.wanted("new"));
    CHECK_FALSE(known.wanted("ne"));
    known.remove("new", 5);
    CHECK(known.wanted("news"));
    known.remove("new", 6);
    CHECK_FALSE(known.wanted("news"));
    known.add("", 7);
    CHECK(known.wanted(""));
}

TEST_CASE("subscriptions: a subscriber counts once, however many topics it asked for") {
    subscriptions known;
    known.add("a", 5);
    known.add("b", 5);
    known.add("a", 6);
    CHECK(known.subscribers() == 2);
    known.remove("a", 5);
    CHECK(known.subscribers() == 2);
    known.remove("b", 5);
    CHECK(known.subscribers() == 1);
}

TEST_CASE(
    "subscriptions: a connection that ends takes its subscriptions along, in whatever order that is told") {
    subscriptions known;
    known.add("a", 5);
    known.add("b", 6);
    SUBCASE("connection first") {
        known.connection_ended(5);
        known.remove("a", -1);
    }
    SUBCASE("topics first") {
        known.remove("a", -1);
        known.connection_ended(5);
    }
    CHECK(known.subscribers() == 1);
    CHECK_FALSE(known.wanted("a"));
}

TEST_CASE("subscriptions: subscribers over inproc have no connection and count by subscription") {
    subscriptions known;
    known.add("a", -1);
    known.add("b", -1);
    known.add("a", 5);
    CHECK(known.subscribers() == 3);
}

TEST_CASE("subscriptions: cancelling what was never asked for changes nothing") {
    subscriptions known;
    known.add("a", 5);
    known.remove("b", 6);
    known.remove("b", 5);
    CHECK(known.subscribers() == 1);
    CHECK(known.wanted("a"));
}
