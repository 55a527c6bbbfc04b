// A producer's session against a spool that is played by the test.
#include "core/producer_session.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace ferry;

namespace {

const std::string body(100, 'x');
constexpr instant at{1'000'000'000, 1'700'000'000'000'000'000};

// What it sends, by kind.
std::vector<outgoing_message> sent(producer_session& by, protocol::kind what) {
    by.tick(at);
    std::vector<outgoing_message> all = by.take_output();
    std::erase_if(all, [what](const auto& each) { return protocol::kind_of(each.head) != what; });
    return all;
}

// Greets the session and opens its channel with a window of so many bytes.
void open(producer_session& by, std::uint64_t window_bytes) {
    REQUIRE(sent(by, protocol::kind::hello).size() == 1);
    by.frame(encode(protocol::welcome{protocol::version, 1, {}}), at);
    REQUIRE(sent(by, protocol::kind::open).size() == 1);
    by.frame(encode(protocol::opened{1, "producer", 1, 0, 64, window_bytes}), at);
    REQUIRE(by.opened());
}

// It finds out that the line is fast: what it sends is confirmed, and its PINGs are answered, at once.
void measure(producer_session& by) {
    const std::string large(60 << 10, 'z');
    for (int i = 0; i < 1000; ++i) by.put(std::string_view{large}, at);
    by.flush();
    std::uint64_t bytes = 0;
    int pings = 0;
    while (!by.idle()) {
        by.tick(at);
        for (const auto& each : by.take_output()) {
            if (each.body) bytes += each.body->view.size();
            protocol::ping ping;
            protocol::put put;
            if (decode(each.head, ping)) {
                by.frame(encode(protocol::pong{ping.token, 1}), at);
                ++pings;
            }
            if (decode(each.head, put))
                by.frame(
                    encode(protocol::stored{
                        1, 1, put.first, {{put.first, put.count, 0, false}}, 1, 10'000, bytes + (8 << 20)}),
                    at);
        }
    }
    CHECK(pings < 20);
}

}  // namespace

TEST_CASE("producer session: where the window is small its batches are small, and all of them are sent") {
    constexpr std::uint64_t window_bytes = 16 << 10;
    constexpr std::uint64_t messages = 2000;
    producer_session producer{{.stream = "jobs"}};
    open(producer, window_bytes);
    for (std::uint64_t i = 0; i < messages; ++i) producer.put(std::string_view{body}, at);
    std::uint64_t settled_bytes = 0;
    std::uint64_t settled = 0;
    std::uint64_t under_way = 0;
    while (settled < messages) {
        producer.flush();
        const auto puts = sent(producer, protocol::kind::put);
        REQUIRE(!puts.empty());
        std::uint64_t bytes = 0;
        std::vector<protocol::stored_run> runs;
        for (const auto& each : puts) {
            protocol::put put;
            REQUIRE(decode(each.head, put));
            bytes += each.body->view.size();
            runs.push_back({put.first, put.count, put.first - 1, false});
            settled += put.count;
        }
        under_way = std::max(under_way, bytes);
        settled_bytes += bytes;
        producer.frame(encode(protocol::stored{1, 1, settled, runs, 1, 64, settled_bytes + window_bytes}),
                       at);
    }
    CHECK(producer.counts().confirmed == messages);
    // What was gathered before the window was known is one batch more at most.
    CHECK(under_way <= window_bytes);
}

TEST_CASE("producer session: a window that widens lets batches grow again") {
    producer_session producer{{.stream = "jobs"}};
    open(producer, 16 << 10);
    measure(producer);
    for (int i = 0; i < 2000; ++i) producer.put(std::string_view{body}, at);
    const auto puts = sent(producer, protocol::kind::put);
    REQUIRE(puts.size() == 1);
    CHECK(puts.front().body->view.size() > 190'000);
}

TEST_CASE(
    "producer session: on a line that is slow a large message goes in pieces, as they are known to have "
    "arrived") {
    constexpr std::uint64_t second = 1'000'000'000;
    producer_session producer{{.stream = "jobs"}};
    open(producer, 8 << 20);
    const std::string large(300 << 10, 'y');
    producer.put(std::string_view{large}, at);
    producer.flush();
    instant now = at;
    std::string joined;
    std::uint64_t pieces = 0;
    std::uint64_t under_way = 0, most_under_way = 0, largest = 0;
    bool put_came = false;
    for (int round = 0; round < 100 && !put_came; ++round) {
        producer.tick(now);
        std::vector<std::uint64_t> tokens;
        for (const auto& each : producer.take_output()) {
            const auto kind = protocol::kind_of(each.head);
            protocol::ping ping;
            if (kind == protocol::kind::ping && decode(each.head, ping)) tokens.push_back(ping.token);
            put_came = put_came || kind == protocol::kind::put;
            if (!each.body) continue;
            protocol::part part;
            if (decode(each.head, part)) {
                CHECK(part.index == pieces++);
                CHECK(part.count * largest < large.size() + largest);
            }
            joined += each.body->view;
            under_way += each.body->view.size();
            largest = std::max(largest, each.body->view.size());
        }
        most_under_way = std::max(most_under_way, under_way);
        CHECK(producer.next_due_ns() > now.monotonic_ns);  // it waits, and does not spin
        now.monotonic_ns += second;
        for (const std::uint64_t token : tokens) producer.frame(encode(protocol::pong{token, 1}), now);
        under_way = 0;
    }
    CHECK(put_came);
    CHECK(joined.ends_with(large));
    CHECK(pieces >= 9);
    CHECK(largest <= 32 << 10);
    CHECK(most_under_way <= 64 << 10);
}

TEST_CASE("producer session: what is stored while its pieces go out is not joined to what follows") {
    producer_session producer{{.stream = "jobs"}};
    open(producer, 8 << 20);
    const std::string large(300 << 10, 'y');
    producer.put(std::string_view{large}, at);
    producer.put(std::string_view{"next"}, at);
    producer.flush();
    producer.tick(at);
    std::vector<outgoing_message> pieces = producer.take_output();
    protocol::ping ping;
    std::erase_if(pieces, [&](const auto& each) { return decode(each.head, ping); });
    REQUIRE(pieces.size() == 2);
    // It had been sent on an earlier channel, and the answer comes now.
    producer.frame(encode(protocol::stored{0, 1, 1, {{1, 1, 0, false}}, 1, 64, 8 << 20}), at);
    REQUIRE(sent(producer, protocol::kind::open).size() == 1);
    producer.frame(encode(protocol::opened{2, "producer", 1, 1, 64, 8 << 20}), at);
    CHECK(sent(producer, protocol::kind::part).empty());
    producer.flush();
    producer.frame(encode(protocol::pong{ping.token, 1}), at);
    const auto puts = sent(producer, protocol::kind::put);
    REQUIRE(puts.size() == 1);
    CHECK(puts.front().body->view.size() < 10);
}

TEST_CASE("producer session: what is confirmed before it does not begin anew what goes out in pieces") {
    producer_session producer{{.stream = "jobs"}};
    open(producer, 8 << 20);
    producer.put(std::string_view{"first"}, at);
    producer.flush();
    REQUIRE(sent(producer, protocol::kind::put).size() == 1);
    const std::string large(300 << 10, 'y');
    producer.put(std::string_view{large}, at);
    producer.flush();
    CHECK(sent(producer, protocol::kind::part).size() ==
          1);  // half of what may be under way, behind the first
    producer.frame(encode(protocol::stored{1, 1, 1, {{1, 1, 0, false}}, 1, 64, 8 << 20}), at);
    producer.tick(at);
    for (const auto& each : producer.take_output()) {
        CHECK(protocol::kind_of(each.head) != protocol::kind::open);
        protocol::part part;
        if (decode(each.head, part)) CHECK(part.index == 1);
    }
}

TEST_CASE("producer session: a PING that the link sends at the same time measures nothing") {
    producer_session producer{{.stream = "jobs"}};
    open(producer, 8 << 20);
    instant later = at;
    later.monotonic_ns += 1'000'000'000;
    const std::string large(300 << 10, 'y');
    producer.put(std::string_view{large}, later);
    producer.flush();
    producer.tick(later);
    std::vector<std::uint64_t> tokens;
    std::size_t pieces = 0;
    for (const auto& each : producer.take_output()) {
        protocol::ping ping;
        if (decode(each.head, ping)) tokens.push_back(ping.token);
        pieces += each.body ? 1 : 0;
    }
    REQUIRE(tokens.size() == 2);
    CHECK(pieces == 2);
    producer.frame(encode(protocol::pong{tokens[0], 1}), later);
    CHECK(sent(producer, protocol::kind::part).empty());
    producer.frame(encode(protocol::pong{tokens[1], 1}), later);
    CHECK(sent(producer, protocol::kind::part).size() == 4);
}
