// Requests that are sent now and waited for later.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "ferry/requester.hpp"
#include "tests/support/anywhere.hpp"
#include "tests/support/serving.hpp"

using namespace ferry;
using ferry::test::anywhere;
using ferry::test::to;
using namespace std::chrono_literals;

namespace {

// One who answers with the question, and who asks him.
struct conversation {
    explicit conversation(int high_water_mark = 1000)
        : mirror{own, anywhere, test::echo, {.socket = {.high_water_mark = high_water_mark}}},
          asks{own, to(mirror.desk.endpoints()), {.socket = {.high_water_mark = high_water_mark}}} {
        REQUIRE(asks.wait_for_peer(10s) == outcome::done);
    }
    context own;
    test::serving mirror;
    requester asks;
};

// A peer that never answers.
struct silence {
    silence(context& in, const std::vector<std::string>& where)
        : peer{in, zmq::socket_type::dealer, to(where), {}} {}
    ferry::socket peer;
};

// One request that nobody answers, and with it no room for another.
struct one_under_way {
    one_under_way() {
        REQUIRE(asks.wait_for_peer(10s) == outcome::done);
        first = asks.send("first");
    }
    context own;
    requester asks{own, anywhere, {.timeout = 20s, .socket = {.high_water_mark = 2}}};
    silence silent{own, asks.endpoints()};
    std::optional<pending_answer> first;
};

std::string body_of(answer got) {
    CHECK(got.kind == answer_kind::answered);
    return std::string{got.content.body()};
}

}  // namespace

TEST_CASE("pending answer: one thread has many requests under way, and each gets its own answer") {
    conversation two;
    std::vector<pending_answer> under_way;
    for (int i = 0; i < 200; ++i) under_way.push_back(two.asks.send(std::to_string(i)));
    for (int i = 199; i >= 0; --i)
        REQUIRE(body_of(under_way[static_cast<std::size_t>(i)].wait()) == std::to_string(i));
    CHECK(two.asks.stats().answered == 200);
    CHECK(two.mirror.desk.stats().requests == 200);
}

TEST_CASE("pending answer: with more under way than the queues hold, sending waits and nothing is lost") {
    conversation two{5};
    std::vector<pending_answer> under_way;
    for (int i = 0; i < 300; ++i) {
        under_way.push_back(two.asks.send(std::to_string(i)));
        CHECK(two.mirror.desk.stats().replies + 3 >= static_cast<std::uint64_t>(i));
    }
    for (int i = 0; i < 300; ++i)
        REQUIRE(body_of(under_way[static_cast<std::size_t>(i)].wait()) == std::to_string(i));
    CHECK(two.asks.stats().answered == 300);
}

TEST_CASE("pending answer: one that nobody waits for is given up, and its reply is late") {
    conversation two;
    { const pending_answer dropped = two.asks.send("nobody waits"); }
    CHECK(two.asks.stats().unanswered == 1);
    CHECK(body_of(two.asks.ask("another")) == "another");  // behind it, on the same way
    CHECK(two.asks.stats().late_replies == 1);
}

TEST_CASE("pending answer: what was sent with nobody there is asked when somebody waits") {
    context context;
    requester asks{context, anywhere, {.timeout = 10s}};
    pending_answer early = asks.send("anybody?");
    const test::serving late{context, to(asks.endpoints())};
    CHECK(body_of(early.wait()) == "anybody?");
}

TEST_CASE("pending answer: its time runs from when it was sent") {
    context context;
    requester asks{context, anywhere, {.timeout = 50ms}};
    pending_answer nobody = asks.send("anybody?");
    const auto from = std::chrono::steady_clock::now();
    CHECK(nobody.wait().kind == answer_kind::no_peer);
    CHECK(std::chrono::steady_clock::now() - from < 5s);
    CHECK_THROWS_AS(nobody.wait(), error);
}

TEST_CASE("pending answer: one that is assigned over is given up") {
    conversation two;
    pending_answer kept = two.asks.send("first");
    kept = two.asks.send("second");
    CHECK(body_of(kept.wait()) == "second");
    CHECK(two.asks.stats().unanswered == 1);
}

TEST_CASE("pending answer: what came in time is the answer, though it is read late") {
    conversation two;
    const auto pass = [](std::chrono::milliseconds time) {
        const auto end = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    };
    pending_answer early = two.asks.send("early", 100ms);
    CHECK(body_of(two.asks.ask("behind it")) == "behind it");  // so that it has come, and another reads it
    pass(110ms);
    CHECK(body_of(early.wait()) == "early");
    pending_answer unread = two.asks.send("unread", 100ms);
    while (two.mirror.desk.stats().replies < 3) std::this_thread::yield();
    pass(300ms);
    CHECK(body_of(unread.wait()) == "unread");
}

TEST_CASE("pending answer: requests that were tried again and given up leave room for others") {
    context context;
    requester asks{context,
                   anywhere,
                   {.timeout = 30ms, .attempts = 3, .backoff = 1ms, .socket = {.high_water_mark = 20}}};
    {
        silence silent{context, asks.endpoints()};
        REQUIRE(asks.wait_for_peer(10s) == outcome::done);
        for (int i = 0; i < 20; ++i) CHECK(asks.ask("anybody?").kind == answer_kind::timed_out);
    }
    test::serving late{context, to(asks.endpoints())};
    REQUIRE(late.desk.wait_for_peer(10s) == outcome::done);
    int answered = 0;
    while (answered < 20 && asks.send("there?", 2s).wait().kind == answer_kind::answered) ++answered;
    CHECK(answered == 20);
}

TEST_CASE("pending answer: who waits for room goes on when a request is given up") {
    one_under_way at;
    auto second = std::async(std::launch::async, [&] { return at.asks.send("second"); });
    CHECK(second.wait_for(50ms) == std::future_status::timeout);
    at.first.reset();
    CHECK(second.wait_for(10s) == std::future_status::ready);
}

TEST_CASE("pending answer: several that wait for room do not take it from each other") {
    one_under_way at;
    std::atomic<int> sent{0};
    const auto next = [&] {
        const pending_answer given = at.asks.send("next");
        ++sent;  // given up here: there is room for the other one
    };
    auto second = std::async(std::launch::async, next);
    auto third = std::async(std::launch::async, next);
    CHECK(second.wait_for(50ms) == std::future_status::timeout);
    CHECK(third.wait_for(50ms) == std::future_status::timeout);
    CHECK(sent == 0);
    at.first.reset();
    CHECK(second.wait_for(10s) == std::future_status::ready);
    CHECK(third.wait_for(10s) == std::future_status::ready);
}

TEST_CASE("pending answer: who looks once more for his own finds another's, and that one is told") {
    context context;
    ferry::socket router{context, zmq::socket_type::router, ferry::bind("inproc://looks-once-more"), {}};
    requester asks{context, ferry::connect("inproc://looks-once-more"), {.attempts = 1}};
    for (int round = 0; round < 50; ++round) {
        pending_answer expired = asks.send("expired", 1ms);
        std::vector<frame> question;
        REQUIRE(router.receive(question, 10s) == outcome::done);
        auto slow = std::async(std::launch::async, [&] { return asks.ask("slow", 20s); });
        REQUIRE(router.receive(question, 10s) == outcome::done);
        CHECK(slow.wait_for(2ms) == std::future_status::timeout);  // it reads for all now
        REQUIRE(router.send(question, 5s) == outcome::done);
        expired.wait();
        REQUIRE(slow.wait_for(10s) == std::future_status::ready);
        CHECK(slow.get().kind == answer_kind::answered);
    }
}
