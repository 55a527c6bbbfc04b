#include <doctest/doctest.h>

#include "core/envelope.hpp"
#include "core/socket.hpp"
#include "ferry/forwarder.hpp"
#include "ferry/publisher.hpp"
#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "ferry/queue.hpp"
#include "ferry/replier.hpp"
#include "ferry/requester.hpp"
#include "ferry/streamer.hpp"
#include "ferry/subscriber.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/running.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

constexpr unsigned seed = 20180131;
constexpr int attacks = 25;
const endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");

// Random bytes, and a greeting of ZMTP 3 followed by random bytes.
void attack(const std::vector<std::string>& addresses) {
    std::mt19937 random{seed};
    std::string greeting{"\xFF\0\0\0\0\0\0\0\x01\x7F\x03\x00NULL", 16};
    greeting.resize(64);
    for (int i = 0; i < attacks; ++i)
        for (const std::string& each : addresses) {
            throw_at(each, random_bytes(random, random() % 300));
            throw_at(each, greeting + random_bytes(random, random() % 300));
        }
}

// A ZeroMQ peer that sends garbage messages, as fast as they are taken.
void send_garbage(ferry::socket& peer) {
    std::mt19937 random{seed};
    for (int i = 0; i < 500; ++i) {
        auto frames = garbage(random);
        REQUIRE(peer.send(frames, 5s) == outcome::done);
    }
}

}  // namespace

TEST_CASE("hostile: random bytes at every pattern's socket do no harm") {
    context context;
    publisher prices{context, anywhere};
    subscriber quotes{context, {anywhere, ferry::connect(prices.endpoints().at(0))}};
    puller work{context, anywhere};
    pusher jobs{context, {anywhere, ferry::connect(work.endpoints().at(0))}};
    replier desk{context, anywhere};
    requester ask{context, {anywhere, ferry::connect(desk.endpoints().at(0))}, {.timeout = 10s}};
    for (const auto* each : {&prices.endpoints(), &quotes.endpoints(), &work.endpoints(), &jobs.endpoints(),
                             &desk.endpoints(), &ask.endpoints()})
        attack(*each);

    REQUIRE(prices.wait_for_subscriber_of("a", 5s) == outcome::done);
    CHECK(prices.publish("a", "x") == published::sent);
    CHECK(quotes.receive(5s).has_value());
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    CHECK(jobs.send("x", 5s) == outcome::done);
    CHECK(work.receive(5s).has_value());
    std::thread serving{[&] { desk.serve([](const message&) { return message{"y"}; }); }};
    CHECK(ask.request("x").has_value());
    desk.stop();
    serving.join();
}

TEST_CASE("hostile: garbage messages are counted and dropped, and the next good one arrives") {
    context context;
    SUBCASE("at a puller") {
        puller work{context, anywhere};
        ferry::socket peer{context, zmq::socket_type::push, ferry::connect(work.endpoints().at(0)), {}};
        std::thread sending{[&] {
            send_garbage(peer);
            std::vector<frame> good(1, frame{"good"});
            CHECK(peer.send(good, 5s) == outcome::done);
        }};
        auto m = work.receive(5s);
        while (m && m->body() != "good") m = work.receive(5s);
        sending.join();
        CHECK(m.has_value());
        CHECK(work.stats().bad_frames > 0);
    }
    SUBCASE("at a subscriber") {
        subscriber quotes{context, anywhere};
        ferry::socket peer{context,
                           zmq::socket_type::xpub,
                           ferry::connect(quotes.endpoints().at(0)),
                           {.high_water_mark = 0}};
        std::vector<frame> subscription;
        REQUIRE(peer.receive(subscription, 5s) == outcome::done);
        send_garbage(peer);
        std::vector<frame> good(1, frame{"good"});
        REQUIRE(peer.send(good, 5s) == outcome::done);
        auto m = quotes.receive(5s);
        while (m && m->body() != "good") m = quotes.receive(5s);
        CHECK(m.has_value());
        CHECK(quotes.stats().bad_frames > 0);
    }
    SUBCASE("at a publisher") {
        publisher prices{context, anywhere};
        ferry::socket peer{context, zmq::socket_type::xsub, ferry::connect(prices.endpoints().at(0)), {}};
        REQUIRE(prices.wait_for_peer(5s) == outcome::done);
        send_garbage(peer);
        std::vector<frame> all(1, frame{std::string_view{"\x01", 1}});
        REQUIRE(peer.send(all, 5s) == outcome::done);
        REQUIRE(prices.wait_for_subscriber_of("", 5s) == outcome::done);
        CHECK(prices.publish("a", "good") == published::sent);
        CHECK(peer.receive(all, 5s) == outcome::done);
    }
    SUBCASE("at a replier") {
        replier desk{context, anywhere};
        std::thread serving{[&] { desk.serve([](const message& q) { return q; }); }};
        ferry::socket peer{context, zmq::socket_type::dealer, ferry::connect(desk.endpoints().at(0)), {}};
        send_garbage(peer);
        std::vector<frame> question(2);
        question[1] = frame{"good"};
        CHECK(peer.send(question, 5s) == outcome::done);
        std::vector<frame> reply;  // garbage that looks like a question has one as well
        while (peer.receive(reply, 5s) == outcome::done && reply.back().view() != "good") {}
        requester ask{context, ferry::connect(desk.endpoints().at(0))};
        CHECK(ask.request("good").has_value());
        desk.stop();
        serving.join();
        CHECK(desk.stats().bad_frames > 0);
    }
}

TEST_CASE("hostile: random bytes and garbage at every device's sockets do no harm") {
    context context;
    running<forwarder> hub{context, anywhere, anywhere};
    running<ferry::queue> desk{context, anywhere, anywhere};
    running<streamer> jobs{context, anywhere, anywhere};
    for (const auto* each : {&hub.device.endpoints(), &desk.device.endpoints(), &jobs.device.endpoints()})
        attack(*each);
    const auto to = [](const auto& device, std::size_t which) {
        return ferry::connect(device.device.endpoints().at(which));
    };
    {
        const socket_options roomy{.high_water_mark = 0, .linger = 0ms};
        ferry::socket up{context, zmq::socket_type::xsub, to(hub, 1), roomy};
        REQUIRE(up.wait_for_peer(5s) == outcome::done);
        send_garbage(up);
        ferry::socket asking{context, zmq::socket_type::dealer, to(desk, 0), roomy};
        send_garbage(asking);
        ferry::socket answering{context, zmq::socket_type::dealer, to(desk, 1), roomy};
        send_garbage(answering);
    }
    subscriber quotes{context, to(hub, 1), {.topics = {"good"}}};
    publisher prices{context, to(hub, 0)};
    REQUIRE(prices.wait_for_subscriber_of("good", 5s) == outcome::done);
    CHECK(prices.publish("good", "x") == published::sent);
    CHECK(quotes.receive(5s).has_value());

    replier worker{context, to(desk, 1)};
    std::thread serving{[&] { worker.serve([](const message& q) { return q; }); }};
    requester ask{context, to(desk, 0), {.timeout = 10s, .attempts = 20, .backoff = 1ms}};
    CHECK(ask.request("good").has_value());
    worker.stop();
    serving.join();

    puller sink{context, to(jobs, 1)};
    pusher source{context, to(jobs, 0)};
    CHECK(source.send("good", 5s) == outcome::done);
    CHECK(sink.receive(5s).has_value());
}

TEST_CASE("hostile: a message whose last part is a subscription that is known does not end a forwarder") {
    context context;
    running<forwarder> hub{context, anywhere, anywhere};
    const endpoint back = ferry::connect(hub.device.endpoints().at(1));
    // Two peers, for the library drops the second subscription of one peer itself.
    ferry::socket first{context, zmq::socket_type::xsub, back, {}};
    ferry::socket second{context, zmq::socket_type::xsub, back, {}};
    for (ferry::socket* each : {&first, &second}) {
        std::vector<frame> parts{frame{"x"}, frame{"\x01same"}};
        REQUIRE(each->wait_for_peer(5s) == outcome::done);
        REQUIRE(each->send(parts, 5s) == outcome::done);
    }
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (hub.device.stats().dropped == 0 && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    CHECK(hub.device.stats().dropped == 1);
    publisher prices{context, ferry::connect(hub.device.endpoints().at(0))};
    REQUIRE(prices.wait_for_subscriber_of("same", 5s) == outcome::done);
}
