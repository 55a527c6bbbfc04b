// Plain pyzmq peers against each of the six plain patterns, and through each plain device.
#include <doctest/doctest.h>

#include <thread>

#include "ferry/forwarder.hpp"
#include "ferry/publisher.hpp"
#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "ferry/queue.hpp"
#include "ferry/replier.hpp"
#include "ferry/requester.hpp"
#include "ferry/streamer.hpp"
#include "ferry/subscriber.hpp"
#include "tests/support/process.hpp"
#include "tests/support/running.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using ferry::test::process;

namespace {

constexpr int count = 20;
const endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");

process plain(const std::string& role, const std::string& address, int messages = count) {
    return process{{"/usr/bin/python3", FERRY_INTEROP_DIRECTORY "/plain_peer.py", role, address,
                    std::to_string(messages)}};
}

std::string text(const char* format, int number) {
    std::string result{format};
    result.replace(result.find('#'), 1, std::to_string(number));
    return result;
}

// Serves while a peer asks.
struct answering {
    explicit answering(replier& served)
        : desk{served}, thread{[this] {
              desk.serve([](const message& q) { return message{"answer to " + std::string{q.body()}}; });
          }} {}
    ~answering() {
        desk.stop();
        thread.join();
    }
    replier& desk;
    std::thread thread;
};

void check_answers(process& peer, const char* expected) {
    for (int i = 0; i < count; ++i) CHECK(peer.next_line() == text(expected, i));
    CHECK(peer.next_line() == "done");
    CHECK(peer.wait() == 0);
}

}  // namespace

TEST_CASE("interop: a plain SUB gets what a publisher without envelopes sends") {
    context context;
    publisher prices{context, anywhere, {.envelope = envelope_mode::none}};
    process peer = plain("sub", prices.endpoints().at(0));
    REQUIRE(prices.wait_for_subscriber_of("news", 10s) == outcome::done);
    for (int i = 0; i < count; ++i)
        CHECK(prices.publish("news", frame{std::to_string(i)}) == published::sent);
    check_answers(peer, "[b'news', b'#']");
}

TEST_CASE("interop: a subscriber gets what a plain publisher sends, with topic and alone") {
    context context;
    subscriber quotes{context, anywhere, {.topics = {"news"}}};
    process peer = plain("pub", quotes.endpoints().at(0));
    for (int i = 0; i < count; ++i) {
        const auto m = quotes.receive(10s);
        REQUIRE(m.has_value());
        CHECK(m->topic() == text("news.#", i));
        CHECK(m->body() == text("hello #", i));
        CHECK_FALSE(m->sent_by().has_value());
    }
    const auto alone = quotes.receive(10s);
    REQUIRE(alone.has_value());
    CHECK_FALSE(alone->has_topic());
    CHECK(alone->body() == "news.alone");
    CHECK(peer.wait() == 0);
}

TEST_CASE("interop: a plain PULL gets what a pusher sends") {
    context context;
    pusher jobs{context, anywhere};
    process peer = plain("pull", jobs.endpoints().at(0));
    for (int i = 0; i < count; ++i) REQUIRE(jobs.send(std::to_string(i), 10s) == outcome::done);
    check_answers(peer, "[b'#']");
}

TEST_CASE("interop: a puller gets what a plain PUSH sends, frames in between too") {
    context context;
    puller work{context, anywhere};
    process peer = plain("push", work.endpoints().at(0));
    for (int i = 0; i < count; ++i) CHECK(work.receive(10s).value_or(message{}).body() == std::to_string(i));
    const auto m = work.receive(10s);
    REQUIRE(m.has_value());
    CHECK(m->topic() == "topic");
    REQUIRE(m->frames().size() == 1);
    CHECK(m->frames()[0].view() == "between");
    CHECK(m->body() == "payload");
    CHECK(peer.wait() == 0);
}

TEST_CASE("interop: a replier answers plain REQ and plain DEALER peers") {
    context context;
    replier desk{context, anywhere};
    const answering serving{desk};
    process one = plain("req", desk.endpoints().at(0));
    check_answers(one, "[b'answer to question #']");
    process many = plain("dealer", desk.endpoints().at(0));
    check_answers(many, "[b'', b'answer to question #']");
}

TEST_CASE("interop: plain REP and plain ROUTER peers answer a requester") {
    context context;
    for (const std::string role : {"rep", "router"}) {
        CAPTURE(role);
        requester ask{context, anywhere, {.timeout = 10s}};
        process peer = plain(role, ask.endpoints().at(0));
        for (int i = 0; i < count; ++i) {
            const auto reply = ask.request(std::to_string(i));
            REQUIRE(reply.has_value());
            CHECK(reply->body() == text("answer to #", i));
        }
        CHECK(peer.wait() == 0);
    }
}

TEST_CASE("interop: plain peers on both sides of each device") {
    context context;
    SUBCASE("forwarder") {
        const running<forwarder> hub{context, anywhere, anywhere};
        process sub = plain("sub", hub.device.endpoints().at(1));
        process pub = plain("pub", hub.device.endpoints().at(0));
        for (int i = 0; i < count; ++i)
            CHECK(sub.next_line() ==
                  "[b'news." + std::to_string(i) + "', b'hello " + std::to_string(i) + "']");
        CHECK(sub.wait() == 0);
        CHECK(pub.wait() == 0);
    }
    SUBCASE("queue") {
        const running<ferry::queue> desk{context, anywhere, anywhere};
        process rep = plain("rep", desk.device.endpoints().at(1));
        process req = plain("req", desk.device.endpoints().at(0));
        check_answers(req, "[b'answer to question #']");
        CHECK(rep.wait() == 0);
    }
    SUBCASE("queue with a worker that announces itself and is busy") {
        const running<ferry::queue> desk{context, anywhere, anywhere};
        replier busy{context, ferry::connect(desk.device.endpoints().at(1))};
        REQUIRE(busy.wait_for_peer(5s) == outcome::done);
        requester ask{context, ferry::connect(desk.device.endpoints().at(0)), {.timeout = 20s}};
        std::thread first{[&] { CHECK(ask.request("first").has_value()); }};
        auto held = busy.receive(10s);
        REQUIRE(held.has_value());
        process rep = plain("rep", desk.device.endpoints().at(1));
        for (int i = 0; i < count; ++i) {
            const answer reply = ask.ask("question");
            CHECK(reply.content.body() == "answer to question");
        }
        CHECK(busy.reply(*std::move(held), message{"done"}) == outcome::done);
        first.join();
    }
    SUBCASE("streamer") {
        const running<streamer> jobs{context, anywhere, anywhere};
        process pull = plain("pull", jobs.device.endpoints().at(1));
        process push = plain("push", jobs.device.endpoints().at(0));
        check_answers(pull, "[b'#']");
        CHECK(push.wait() == 0);
    }
}
