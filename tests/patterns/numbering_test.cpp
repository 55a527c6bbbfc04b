#include "patterns/numbering.hpp"

#include <doctest/doctest.h>

using namespace ferry;

namespace {

const std::string somebody = "12345678";

}  // namespace

TEST_CASE("numbering: each topic counts from one, and a number not used is given again") {
    numbering numbers{10};
    CHECK(numbers.next("a").sequence == 1);
    CHECK(numbers.next("a").sequence == 1);
    numbers.use();
    CHECK(numbers.next("a").sequence == 2);
    CHECK(numbers.next("b").sequence == 1);
}

TEST_CASE("numbering: a topic that fell out of the table starts again under a newer epoch") {
    numbering numbers{2};
    for (const char* topic : {"a", "b"}) {
        CHECK(numbers.next(topic).epoch == 1);
        numbers.use();
    }
    numbers.next("b");
    numbers.use();
    CHECK(numbers.next("c").epoch == 2);  // a falls out
    numbers.use();
    CHECK(numbers.next("b").epoch == 1);
    CHECK(numbers.next("b").sequence == 3);
    const auto again = numbers.next("a");  // c falls out
    CHECK(again.epoch == 3);
    CHECK(again.sequence == 1);
}

TEST_CASE(
    "heard: the first number of a topic is where counting starts, a jump is a gap of exactly the rest") {
    heard last{10};
    CHECK(last.judge({somebody, 1, 5, 0}, "a").lost_from == 0);
    CHECK(last.judge({somebody, 1, 6, 0}, "a").lost_from == 0);
    const auto jump = last.judge({somebody, 1, 10, 0}, "a");
    CHECK(jump.lost_from == 7);
    CHECK(jump.lost_to == 9);
    CHECK(last.judge({somebody, 1, 11, 0}, "a").lost_from == 0);
}

TEST_CASE("heard: a number that came before and an older epoch are duplicates, a newer epoch starts afresh") {
    heard last{10};
    last.judge({somebody, 2, 5, 0}, "a");
    CHECK(last.judge({somebody, 2, 5, 0}, "a").duplicates == 1);
    CHECK(last.judge({somebody, 2, 4, 0}, "a").duplicates == 1);
    CHECK(last.judge({somebody, 1, 9, 0}, "a").duplicates == 1);
    const auto fresh = last.judge({somebody, 3, 1, 0}, "a");
    CHECK(fresh.duplicates == 0);
    CHECK(fresh.lost_from == 0);
}

TEST_CASE("heard: publishers and topics are counted apart, and unnumbered messages not at all") {
    heard last{10};
    last.judge({somebody, 1, 5, 0}, "a");
    CHECK(last.judge({"87654321", 1, 1, 0}, "a").duplicates == 0);
    CHECK(last.judge({somebody, 1, 1, 0}, "b").duplicates == 0);
    CHECK(last.judge({somebody, 1, 0, 0}, "a").duplicates == 0);
    CHECK(last.judge({somebody, 1, 6, 0}, "a").lost_from == 0);
}
