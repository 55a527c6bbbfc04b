// What a group can be told, and that it is done.
#include "devices/spool/group_setting.hpp"

#include <doctest/doctest.h>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

TEST_CASE("group setting: values that cannot be are refused and named, and the rest is left as it was") {
    for (const auto& [name, wrong] : std::vector<std::pair<std::string, header_value>>{
             {"group_lease_ms", std::int64_t{0}},
             {"group_lease_ms", std::string{"30s"}},
             {"lease_max_ms", std::int64_t{12 * 3600 * 1000 + 1}},
             {"max_attempts", std::int64_t{0}},
             {"max_in_flight", std::int64_t{-1}},
             {"backoff_ms", std::string{}},
             {"backoff_ms", std::string{"1,"}},
             {"backoff_ms", std::string{"1;2"}},
             {"backoff_ms", std::string{"1,x"}}}) {
        CAPTURE(name);
        group_settings into;
        std::string problem;
        CHECK_FALSE(read_settings({{name, wrong}}, into, problem));
        CHECK(problem.starts_with(name));
        CHECK(into == group_settings{});
    }
    group_settings into;
    std::string problem;
    REQUIRE(read_settings({{"backoff_ms", std::string{"250,2000"}}}, into, problem));
    CHECK(into.backoff_ms == std::vector<std::uint64_t>{250, 2000});
}

TEST_CASE(
    "group setting: no more messages are on lease at a time than max-in-flight says, of all consumers") {
    table t;
    for (const char* name : {"a", "b"}) {
        consumer_session_options of{.stream = "s", .group = "g", .credit_messages = 100};
        of.max_in_flight = 3;
        t.consumer(name, of);
    }
    t.put(10);
    t.settle();
    const auto first = t.take("a");
    const auto second = t.take("b");
    CHECK(first.size() + second.size() == 3);
    for (const auto& [offset, attempt] : first) t.ack("a", offset);
    for (const auto& [offset, attempt] : second) t.ack("b", offset);
    t.settle();
    CHECK(t.take("a").size() + t.take("b").size() == 3);
}

TEST_CASE("group setting: a lease is renewed up to lease-max and not beyond") {
    table t;
    consumer_session_options of{.stream = "s", .group = "g", .credit_messages = 100};
    of.lease_ms = 2000;
    of.lease_max_ms = 10'000;
    consumer_session& a = t.consumer("a", of);
    t.put(1);
    t.settle();
    CHECK(t.take("a").size() == 1);
    t.pass(8 * second_ns);
    CHECK(t.the_group().leased_count() == 1);
    t.pass(4 * second_ns);
    CHECK(a.take_settled().lost == std::vector<protocol::run>{{0, 1}});
    t.settle();
    CHECK(t.take("a") == std::map<std::uint64_t, std::uint64_t>{{0, 2}});
}
