#include "ferry/queue.hpp"

#include <doctest/doctest.h>

#include "core/socket.hpp"
#include "ferry/replier.hpp"
#include "ferry/requester.hpp"
#include "tests/support/running.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

const endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");

endpoint at(const ferry::queue& device, std::size_t which) {
    return ferry::connect(device.endpoints().at(which));
}

struct worker {
    worker(context& context, const endpoint& where, std::string name)
        : desk{context, where}, thread{[this, name = std::move(name)] {
              desk.serve([&](const message& q) { return message{name + ":" + std::string{q.body()}}; });
          }} {}
    ~worker() {
        desk.stop();
        thread.join();
    }
    replier desk;
    std::thread thread;
};

}  // namespace

TEST_CASE("queue: requests go to the workers in turn, and each reply finds its requester") {
    context context;
    const running<ferry::queue> desk{context, anywhere, anywhere};
    worker one{context, at(desk.device, 1), "one"};
    worker two{context, at(desk.device, 1), "two"};
    REQUIRE(one.desk.wait_for_peer(5s) == outcome::done);
    REQUIRE(two.desk.wait_for_peer(5s) == outcome::done);
    requester ask{context, at(desk.device, 0), {.timeout = 10s}};
    unsigned by_one = 0;
    for (int i = 0; i < 100; ++i) {
        const auto reply = ask.request(std::to_string(i));
        REQUIRE(reply.has_value());
        CHECK(reply->body().substr(4) == std::to_string(i));
        by_one += reply->body().starts_with("one") ? 1 : 0;
    }
    CHECK(by_one > 10);
    CHECK(by_one < 90);
    CHECK(desk.device.stats().messages_down == 100);
    CHECK(desk.device.stats().messages_up == 100);
}

TEST_CASE("queue: without workers an enveloped request is refused at once, a plain one waits for a worker") {
    context context;
    const running<ferry::queue> desk{context, anywhere, anywhere};
    requester enveloped{context, at(desk.device, 0), {.timeout = 20s, .envelope = envelope_mode::full}};
    const answer none = enveloped.ask("x");
    CHECK(none.kind == answer_kind::no_peer);
    CHECK(none.attempts == 1);
    CHECK(desk.device.stats().refused == 1);

    requester plain{context, at(desk.device, 0), {.timeout = 20s}};
    std::thread asking{[&] { CHECK(plain.request("y").has_value()); }};
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (desk.device.stats().messages_down == 0 && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    const worker late{context, at(desk.device, 1), "late"};
    asking.join();
    CHECK(enveloped.request("z").has_value());
    CHECK(desk.device.stats().refused == 1);
}

TEST_CASE("queue: when a worker dies with a request, the next attempt goes to another") {
    context context;
    const running<ferry::queue> desk{context, anywhere, anywhere};
    auto dying =
        std::make_unique<ferry::socket>(context, zmq::socket_type::rep, at(desk.device, 1), socket_options{});
    REQUIRE(dying->wait_for_peer(5s) == outcome::done);
    requester ask{context, at(desk.device, 0), {.timeout = 20s, .attempts = 100, .backoff = 1ms}};
    std::thread asking{[&] { CHECK(ask.request("x").has_value()); }};
    std::vector<frame> frames;
    REQUIRE(dying->receive(frames, 5s) == outcome::done);
    dying.reset();
    const worker other{context, at(desk.device, 1), "other"};
    asking.join();
}

TEST_CASE("queue: plain REQ and REP peers work through it, and so do two queues in a row") {
    context context;
    const running<ferry::queue> first{context, anywhere, anywhere};
    const running<ferry::queue> second{context, ferry::bind("inproc://second"), at(first.device, 0)};
    ferry::socket rep{context, zmq::socket_type::rep, at(first.device, 1), {}};
    ferry::socket req{context, zmq::socket_type::req, ferry::connect("inproc://second"), {}};
    std::vector<frame> frames(2);
    frames[0] = frame{"a"};
    REQUIRE(req.send(frames, 5s) == outcome::done);
    REQUIRE(rep.receive(frames, 5s) == outcome::done);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].view() == "a");
    REQUIRE(rep.send(frames, 5s) == outcome::done);
    REQUIRE(req.receive(frames, 5s) == outcome::done);
    CHECK(frames.size() == 2);
}

TEST_CASE("queue: a reply to a requester that is gone is counted and does no harm") {
    context context;
    const running<ferry::queue> desk{context, anywhere, anywhere};
    ferry::socket rep{context, zmq::socket_type::rep, at(desk.device, 1), {}};
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (desk.device.stats().dropped == 0) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        auto req = std::make_unique<ferry::socket>(context, zmq::socket_type::req, at(desk.device, 0),
                                                   socket_options{.linger = 0ms});
        std::vector<frame> frames(1);
        REQUIRE(req->send(frames, 5s) == outcome::done);
        REQUIRE(rep.receive(frames, 5s) == outcome::done);
        req.reset();
        REQUIRE(rep.send(frames, 5s) == outcome::done);
    }
}
