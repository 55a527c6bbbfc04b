// What became of the messages of a batch, with and without the lock of whoever shares it.
#include "core/batch_fate.hpp"

#include <doctest/doctest.h>

using ferry::batch_fate;
using state = ferry::message_fate::state;

TEST_CASE("batch fate: a batch that is stored whole is told without its guard, message by message") {
    batch_fate fate;
    CHECK_FALSE(fate.plainly_stored(0));
    fate.stored(0, 3, 70, false);
    CHECK(fate.plainly_stored(0) == 70);
    CHECK(fate.plainly_stored(2) == 72);
    CHECK_FALSE(fate.plainly_stored(3));
    fate.stored(3, 2, 73, false);  // its second part
    CHECK(fate.plainly_stored(4) == 74);
    CHECK(fate.of(4).offset == 74);
    CHECK(fate.settled() == 5);
}

TEST_CASE("batch fate: what is not as most are has to be asked for under the guard") {
    batch_fate fate;
    SUBCASE("stored before") {
        fate.stored(0, 2, 40, true);
        CHECK_FALSE(fate.plainly_stored(0));
        CHECK(fate.of(1).duplicate);
        CHECK(fate.of(1).offset == 41);
    }
    SUBCASE("refused from the middle on") {
        fate.refused(2, 2, "full", "no room");
        fate.stored(0, 2, 40, false);
        CHECK(fate.plainly_stored(1) == 41);
        CHECK_FALSE(fate.plainly_stored(2));
        CHECK(fate.of(2).is == state::refused);
        CHECK(fate.code(3) == "full");
    }
    SUBCASE("stored with others' messages between") {
        fate.stored(0, 2, 40, false);
        fate.stored(2, 2, 50, false);
        CHECK(fate.plainly_stored(1) == 41);
        CHECK_FALSE(fate.plainly_stored(2));
        CHECK(fate.of(2).offset == 50);
        CHECK(fate.of(3).offset == 51);
    }
    SUBCASE("stored, and those before it not yet") {
        fate.stored(2, 2, 50, false);
        CHECK_FALSE(fate.plainly_stored(2));
        CHECK(fate.pending(1));
        CHECK(fate.of(2).offset == 50);
        fate.stored(0, 2, 40, false);
        CHECK(fate.plainly_stored(1) == 41);
        CHECK_FALSE(fate.plainly_stored(2));  // behind them, and not theirs
        CHECK(fate.of(3).offset == 51);
    }
}
