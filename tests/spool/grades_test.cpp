// What the grades below synced promise all the same.
#include <doctest/doctest.h>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("grades: an offset told before its message was synced is given to no other after a power cut") {
    for (const auto grade : {protocol::grade::written, protocol::grade::queued}) {
        CAPTURE(static_cast<int>(grade));
        table t{{.default_grade = grade}};
        t.sync_when_asked();
        const auto told = t.fates_of({message{"lost"}});
        REQUIRE(told.size() == 1);
        t.cut_power();
        REQUIRE(t.the_stream().messages() == 0);  // else there would be nothing to see
        const auto next = t.fates_of({message{"another"}});
        REQUIRE(next.size() == 1);
        CHECK(next.front().first > told.front().first);
    }
}
