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
    producer.put(std::string_view{"first"}, at);
    REQUIRE(sent(producer, protocol::kind::put).size() == 1);
    producer.frame(encode(protocol::stored{1, 1, 1, {{1, 1, 0, false}}, 1, 64, 8 << 20}), at);
    for (int i = 0; i < 2000; ++i) producer.put(std::string_view{body}, at);
    const auto puts = sent(producer, protocol::kind::put);
    REQUIRE(puts.size() == 1);
    CHECK(puts.front().body->view.size() > 190'000);
}
