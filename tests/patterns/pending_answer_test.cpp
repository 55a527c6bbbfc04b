// Requests that are sent now and waited for later.
#include <doctest/doctest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "ferry/replier.hpp"
#include "ferry/requester.hpp"
#include "tests/support/anywhere.hpp"

using namespace ferry;
using ferry::test::anywhere;
using ferry::test::to;
using namespace std::chrono_literals;

namespace {

// A replier that answers with the question.
struct echoing {
    explicit echoing(context& context, replier_options options = {})
        : desk{context, anywhere, std::move(options)}, thread{[this] {
              desk.serve([](const message& question) { return message{std::string{question.body()}}; });
          }} {}
    ~echoing() {
        desk.stop();
        thread.join();
    }
    replier desk;
    std::thread thread;
};

// A peer that never answers.
struct silence {
    silence(context& in, const std::vector<std::string>& where)
        : peer{in, zmq::socket_type::dealer, to(where), {}} {}
    ferry::socket peer;
};

std::string body_of(answer got) {
    CHECK(got.kind == answer_kind::answered);
    return std::string{got.content.body()};
}

}  // namespace

TEST_CASE("pending answer: one thread has many requests under way, and each gets its own answer") {
    context context;
    const echoing mirror{context};
    requester asks{context, to(mirror.desk.endpoints())};
    REQUIRE(asks.wait_for_peer(10s) == outcome::done);
    std::vector<pending_answer> under_way;
    for (int i = 0; i < 200; ++i) under_way.push_back(asks.send(std::to_string(i)));
    for (int i = 199; i >= 0; --i)
        REQUIRE(body_of(under_way[static_cast<std::size_t>(i)].wait()) == std::to_string(i));
    CHECK(asks.stats().answered == 200);
    CHECK(mirror.desk.stats().requests == 200);
}

TEST_CASE("pending answer: with more under way than the queues hold, sending waits and nothing is lost") {
    context context;
    const echoing mirror{context, {.socket = {.high_water_mark = 5}}};
    requester asks{context, to(mirror.desk.endpoints()), {.socket = {.high_water_mark = 5}}};
    REQUIRE(asks.wait_for_peer(10s) == outcome::done);
    std::vector<pending_answer> under_way;
    for (int i = 0; i < 300; ++i) {
        under_way.push_back(asks.send(std::to_string(i)));
        CHECK(mirror.desk.stats().replies + 3 >= static_cast<std::uint64_t>(i));
    }
    for (int i = 0; i < 300; ++i)
        REQUIRE(body_of(under_way[static_cast<std::size_t>(i)].wait()) == std::to_string(i));
    CHECK(asks.stats().answered == 300);
}

TEST_CASE("pending answer: one that nobody waits for is given up, and its reply is late") {
    context context;
    const echoing mirror{context};
    requester asks{context, to(mirror.desk.endpoints())};
    REQUIRE(asks.wait_for_peer(10s) == outcome::done);
    { const pending_answer dropped = asks.send("nobody waits"); }
    CHECK(asks.stats().unanswered == 1);
    CHECK(body_of(asks.ask("another")) == "another");  // behind it, on the same way
    CHECK(asks.stats().late_replies == 1);
}

TEST_CASE("pending answer: what was sent with nobody there is asked when somebody waits") {
    context context;
    requester asks{context, anywhere, {.timeout = 10s}};
    pending_answer early = asks.send("anybody?");
    replier desk{context, to(asks.endpoints())};
    std::thread serving{[&] { desk.serve([](const message& question) { return question; }); }};
    CHECK(body_of(early.wait()) == "anybody?");
    desk.stop();
    serving.join();
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
    context context;
    const echoing mirror{context};
    requester asks{context, to(mirror.desk.endpoints())};
    REQUIRE(asks.wait_for_peer(10s) == outcome::done);
    pending_answer kept = asks.send("first");
    kept = asks.send("second");
    CHECK(body_of(kept.wait()) == "second");
    CHECK(asks.stats().unanswered == 1);
}

TEST_CASE("pending answer: what came in time is the answer, though it is read late") {
    context context;
    const echoing mirror{context};
    requester asks{context, to(mirror.desk.endpoints())};
    REQUIRE(asks.wait_for_peer(10s) == outcome::done);
    const auto from = std::chrono::steady_clock::now();
    pending_answer early = asks.send("early", 100ms);
    while (mirror.desk.stats().replies == 0) std::this_thread::yield();
    CHECK(body_of(asks.ask("behind it")) == "behind it");  // so that it has come, and is read by another
    while (std::chrono::steady_clock::now() < from + 110ms) std::this_thread::yield();
    CHECK(body_of(early.wait()) == "early");
    pending_answer unread = asks.send("unread", 100ms);
    while (mirror.desk.stats().replies < 3 || std::chrono::steady_clock::now() < from + 400ms)
        std::this_thread::yield();
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
    replier desk{context, to(asks.endpoints())};
    std::thread serving{[&] { desk.serve([](const message& question) { return question; }); }};
    REQUIRE(desk.wait_for_peer(10s) == outcome::done);
    int answered = 0;
    while (answered < 20 && asks.send("there?", 2s).wait().kind == answer_kind::answered) ++answered;
    CHECK(answered == 20);
    desk.stop();
    serving.join();
}

TEST_CASE("pending answer: who waits for room goes on when a request is given up") {
    context context;
    requester asks{context, anywhere, {.timeout = 20s, .socket = {.high_water_mark = 2}}};
    const silence silent{context, asks.endpoints()};
    REQUIRE(asks.wait_for_peer(10s) == outcome::done);
    std::optional<pending_answer> first = asks.send("first");
    auto second = std::async(std::launch::async, [&] { return asks.send("second"); });
    CHECK(second.wait_for(50ms) == std::future_status::timeout);
    first.reset();
    CHECK(second.wait_for(10s) == std::future_status::ready);
}
