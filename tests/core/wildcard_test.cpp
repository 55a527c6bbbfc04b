#include "core/wildcard.hpp"

#include <doctest/doctest.h>

#include "ferry/error.hpp"
#include "ferry/subscriber.hpp"

using namespace ferry;

TEST_CASE("wildcard: a star is one token, a last greater-than one or more") {
    struct row {
        const char* pattern;
        const char* topic;
        bool fits;
    };
    for (const row& each :
         {row{"a.b", "a.b", true},     row{"a.b", "a.bc", false},    row{"a.b", "a.b.c", false},
          row{"a.*", "a.b", true},     row{"a.*", "a", false},       row{"a.*", "a.b.c", false},
          row{"*.b", "a.b", true},     row{"*", "a", true},          row{"*", "", false},
          row{"a.*.c", "a.b.c", true}, row{"a.*.c", "a.b.d", false}, row{"a.>", "a.b", true},
          row{"a.>", "a.b.c", true},   row{"a.>", "a", false},       row{"a.>", "a.", false},
          row{">", "a", true},         row{">", "a.b", true},        row{">", "", false},
          row{"*.>", "a.b.c", true},   row{"*.>", "a", false},       row{"a*", "ab", false}}) {
        CAPTURE(each.pattern);
        CAPTURE(each.topic);
        CHECK(matches(each.pattern, each.topic) == each.fits);
    }
}

TEST_CASE("wildcard: every topic that fits starts with the literal prefix") {
    CHECK(literal_prefix("a.b") == "a.b");
    CHECK(literal_prefix("a.*.c") == "a.");
    CHECK(literal_prefix("a.b.>") == "a.b.");
    CHECK(literal_prefix("*").empty());
    CHECK(literal_prefix(">").empty());
}

TEST_CASE("wildcard: a rest that is not last and an empty pattern are refused") {
    CHECK_THROWS_AS(check_pattern(""), error);
    CHECK_THROWS_AS(check_pattern("a.>.b"), error);
    CHECK_NOTHROW(check_pattern("a.*.>"));
}
