// Requests that are sent now and waited for later.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "ferry/error.hpp"
#include "ferry/replier.hpp"
#include "ferry/requester.hpp"
#include "tests/support/anywhere.hpp"

using namespace ferry;
using ferry::test::anywhere;
using ferry::test::to;
using namespace std::chrono_literals;

namespace {

// A replier that answers with the question, on request of the test.
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
