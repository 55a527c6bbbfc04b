#include "core/bounded_table.hpp"

#include <doctest/doctest.h>

using namespace ferry;

TEST_CASE("bounded table: what was not used for longest falls out, and adding tells so") {
    bounded_table<int> table{2};
    CHECK_FALSE(table.add("a", 1).second);
    CHECK_FALSE(table.add("b", 2).second);
    REQUIRE(table.find("a") != nullptr);
    CHECK(table.oldest() == 2);
    CHECK(table.add("c", 3).second);
    CHECK(table.find("b") == nullptr);
    CHECK(*table.find("a") == 1);
    CHECK(*table.find("c") == 3);
    CHECK(table.size() == 2);
}
