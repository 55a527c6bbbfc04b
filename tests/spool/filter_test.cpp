// What a group wants of its stream: only that is sent to it, and the rest is done with.
#include "devices/spool/filter.hpp"

#include <doctest/doctest.h>

#include "devices/spool/group_setting.hpp"
#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

bool takes(const filter& wants, const message& what) {
    std::string batch;
    append_item(batch, what);
    return wants.takes(*batch_cursor{batch}.next());
}

message about(const std::string& topic) {
    return message{frame{topic}, frame{"x"}};
}

consumer_session_options wanting(const std::string& pattern) {
    consumer_session_options of{.stream = "s", .group = "g", .credit_messages = 100};
    of.filter = pattern;
    return of;
}

// Topics a, b, a, b, ...
std::vector<message> alternating(std::size_t count) {
    std::vector<message> made;
    for (std::size_t i = 0; i < count; ++i) made.push_back(about(i % 2 == 0 ? "a" : "b"));
    return made;
}

}  // namespace

TEST_CASE("filter: any of its patterns and prefixes must fit the topic, and every header be there") {
    CHECK(filter{}.everything());
    CHECK(takes({}, message{"x"}));
    const filter topics{{"order.*.paid", "refund.>"}, {"au"}, {}};
    for (const char* wanted : {"order.7.paid", "refund.7", "refund.7.eu", "audit"})
        CHECK(takes(topics, about(wanted)));
    for (const char* unwanted : {"order.paid", "order.7.paid.late", "refund", "a"})
        CHECK_FALSE(takes(topics, about(unwanted)));
    CHECK_FALSE(takes(topics, message{"no topic"}));

    const filter headers{{}, {}, {"region=eu", "tier=1", "note=a=b"}};
    message made{"x"};
    made.set_header("region", "eu");
    made.set_header("tier", std::int64_t{1});
    CHECK_FALSE(takes(headers, made));
    made.set_header("note", binary{"a=b"});
    CHECK(takes(headers, made));
    made.set_header("region", "europe");
    CHECK_FALSE(takes(headers, made));
    CHECK_FALSE(takes(headers, about("order.7.paid")));
}

TEST_CASE("filter: a group is sent what it wants, and its floor passes over the rest") {
    table t;
    t.consumer("a", wanting("a"));
    t.settle();
    t.put(alternating(10));
    CHECK(t.work("a") == std::vector<std::uint64_t>{0, 2, 4, 6, 8});
    CHECK(t.the_group().floor(t.the_stream().lanes) == 10);
    CHECK(t.the_stream().first == 10);
    CHECK(t.counters().messages_skipped == 5);
    CHECK(t.counters().messages_delivered == 5);
}

TEST_CASE("filter: what nobody wants is not kept, though no consumer is there") {
    table t;
    consumer_session& a = t.consumer("a", wanting("wanted"));
    t.settle();
    a.leave(t.now());
    t.settle();
    t.put(alternating(30'000));
    t.settle();
    CHECK(t.the_stream().first == 30'000);
    t.put({about("b"), about("wanted"), about("b")});
    t.settle();
    CHECK(t.the_stream().first == 30'001);
    t.restart(false);
    t.consumer("b", wanting("wanted"));
    CHECK(t.work("b") == std::vector<std::uint64_t>{30'001});
    CHECK(t.the_stream().first == t.the_stream().next);
}

TEST_CASE("filter: it holds through crashes, snapshots, seek, redrive, delay and priority") {
    table t;
    consumer_session_options of = wanting("a");
    of.max_attempts = 1;
    t.consumer("a", of);
    t.settle();
    std::vector<message> some = alternating(8);
    some[1].set_header("priority", std::int64_t{9});
    some[2].set_header("priority", std::int64_t{9});
    some[4].set_header("delay", std::int64_t{1000});
    some[5].set_header("delay", std::int64_t{1000});
    t.put(some);
    CHECK(t.work("a") == std::vector<std::uint64_t>{2, 0, 6});
    t.want_snapshot();
    t.settle();
    t.restart(false);
    t.pass(5 * second_ns);
    CHECK(t.work("a") == std::vector<std::uint64_t>{4});
    CHECK(t.the_stream().first == t.the_stream().next);

    consumer_session& other = t.consumer("all", {.stream = "s", .group = "all", .credit_messages = 1});
    t.put(alternating(4));
    t.settle();
    const std::uint64_t first = t.the_stream().first;
    CHECK(t.work("a") == std::vector<std::uint64_t>{first, first + 2});
    header_map place{{"stream", "s"}, {"group", "g"}, {"from", "first"}};
    t.tell("group.seek", place);
    t.settle();
    const auto again = t.take("a");
    CHECK(again == std::map<std::uint64_t, std::uint64_t>{{first, 1}, {first + 2, 1}});
    for (const auto& [offset, attempt] : again) t.nack("a", offset);
    t.settle();
    CHECK(t.the_group().dead_count() == 2);
    t.tell("dead.redrive", {{"stream", "s"}, {"group", "g"}});
    CHECK(t.work("a") == std::vector<std::uint64_t>{first, first + 2});
    CHECK(other.joined());
}

TEST_CASE("filter: a group that exists with another filter, and what is none, are refused") {
    table t;
    t.consumer("a", wanting("a"));
    consumer_session& same = t.consumer("same", {.stream = "s", .group = "g"});
    consumer_session& other = t.consumer("other", wanting("b"));
    consumer_session& wrong = t.consumer("wrong", wanting("b.>.c"));
    t.settle();
    CHECK(same.joined());
    CHECK(other.failed_code() == protocol::code::differs);
    CHECK(wrong.failed_code() == protocol::code::bad_option);
    for (const auto& [name, lines] : std::vector<std::pair<std::string, std::string>>{
             {"filter", std::string(257, 'a')}, {"filter_prefix", "a\n\nb"}, {"where", "no-value"}}) {
        group_settings into;
        std::string problem;
        CAPTURE(name);
        CHECK_FALSE(read_settings({{name, lines}}, into, problem));
        CHECK(problem.starts_with(name));
        CHECK(into == group_settings{});
    }
}
