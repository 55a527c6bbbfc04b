#include "ferry/forwarder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "ferry/publisher.hpp"
#include "ferry/subscriber.hpp"
#include "tests/support/running.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

const endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");

endpoint front_of(const forwarder& device) {
    return ferry::connect(device.endpoints().at(0));
}
endpoint back_of(const forwarder& device) {
    return ferry::connect(device.endpoints().at(1));
}

// Whether it hears of all of them in time.
bool hears_of(publisher& one, const std::vector<std::string>& topics) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    return std::all_of(topics.begin(), topics.end(), [&](const std::string& each) {
        return one.wait_for_subscriber_of(each, end - std::chrono::steady_clock::now()) == outcome::done;
    });
}

}  // namespace

TEST_CASE("forwarder: subscriptions travel upstream and messages down, each subscriber gets its topics") {
    context context;
    const running<forwarder> hub{context, anywhere, anywhere};
    subscriber eur{context, back_of(hub.device), {.topics = {"eur."}}};
    subscriber all{context, back_of(hub.device)};
    publisher prices{context, front_of(hub.device)};
    REQUIRE(prices.wait_for_subscriber_of("", 5s) == outcome::done);
    REQUIRE(prices.wait_for_subscriber_of("eur.", 5s) == outcome::done);
    for (int i = 0; i < 100; ++i) {
        CHECK(prices.publish("eur.usd", frame{std::to_string(i)}) == published::sent);
        CHECK(prices.publish("gbp.usd", "x") == published::sent);
    }
    for (int i = 0; i < 100; ++i) CHECK(eur.receive(5s).value_or(message{}).body() == std::to_string(i));
    for (int i = 0; i < 200; ++i) REQUIRE(all.receive(5s).has_value());
    CHECK(eur.stats().lost == 0);
    CHECK(all.stats().lost == 0);
    CHECK(hub.device.stats().messages_down == 200);
    CHECK(hub.device.stats().messages_up >= 2);
    CHECK(hub.device.stats().dropped == 0);
}

TEST_CASE("forwarder: a publisher behind it learns when the last subscriber of a topic has gone") {
    context context;
    const running<forwarder> hub{context, anywhere, anywhere};
    publisher prices{context, front_of(hub.device)};
    {
        subscriber eur{context, back_of(hub.device), {.topics = {"eur."}}};
        REQUIRE(prices.wait_for_subscriber_of("eur.", 5s) == outcome::done);
    }
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (prices.has_subscriber_of("eur.") && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    CHECK(prices.publish("eur.usd", "x") == published::unheard);
}

TEST_CASE("forwarder: many, empty and large frames pass unchanged, and the capture sees them too") {
    context context;
    const running<forwarder> hub{context, anywhere, anywhere, device_options{.capture = {anywhere}}};
    socket_options roomy{.high_water_mark = 0};
    const auto everything = [](zmq::socket_t& made) { made.set(zmq::sockopt::subscribe, ""); };
    ferry::socket sub{context, zmq::socket_type::sub, back_of(hub.device), roomy, everything};
    ferry::socket tap{context, zmq::socket_type::sub, ferry::connect(hub.device.endpoints().at(2)), roomy,
                      everything};
    ferry::socket pub{context, zmq::socket_type::xpub, front_of(hub.device), {}};
    std::vector<frame> frames;
    REQUIRE(pub.receive(frames, 5s) == outcome::done);
    const std::string large(8 << 20, 'x');
    std::vector<std::vector<std::string>> messages{{"a"}, {""}, {"", ""}, {"a", "", large, "b", ""}};
    messages.emplace_back(100, "frame");
    // The tap's subscription comes in its own time: probes tell when it is there.
    do {
        std::vector<frame> probe(1, frame{"probe"});
        REQUIRE(pub.send(probe, 5s) == outcome::done);
        REQUIRE(sub.receive(frames, 5s) == outcome::done);
    } while (tap.receive(frames, 5ms) != outcome::done);
    for (const auto& each : messages) {
        std::vector<frame> out{each.begin(), each.end()};
        REQUIRE(pub.send(out, 5s) == outcome::done);
        for (ferry::socket* end : {&sub, &tap}) {
            do REQUIRE(end->receive(frames, 5s) == outcome::done);
            while (frames[0].view() == "probe");
            REQUIRE(frames.size() == each.size());
            for (std::size_t i = 0; i < each.size(); ++i) CHECK(frames[i].view() == each[i]);
        }
    }
    CHECK(hub.device.stats().captured >= messages.size());
}

TEST_CASE("forwarder: paused it passes nothing, resumed it passes what waited") {
    context context;
    running<forwarder> hub{context, anywhere, anywhere};
    subscriber all{context, back_of(hub.device)};
    publisher prices{context, front_of(hub.device)};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    hub.device.pause();
    prices.publish("a", "x");
    CHECK_FALSE(all.receive(20ms).has_value());
    CHECK(hub.device.stats().messages_down == 0);
    hub.device.resume();
    CHECK(all.receive(5s).has_value());
    hub.device.stop();
    hub.thread.join();
    hub.device.pause();  // returns at once when it does not run
    hub.thread = std::thread{[] {}};
}

TEST_CASE("forwarder: chains of them pass subscriptions and messages through") {
    context context;
    const running<forwarder> first{context, anywhere, anywhere};
    const running<forwarder> second{context, back_of(first.device), anywhere};
    subscriber all{context, ferry::connect(second.device.endpoints().at(0)), {.topics = {"a"}}};
    publisher prices{context, front_of(first.device)};
    REQUIRE(prices.wait_for_subscriber_of("a", 5s) == outcome::done);
    prices.publish("a", "x");
    CHECK(all.receive(5s).has_value());
}

TEST_CASE("devices: they end within two seconds, with unreachable peers too") {
    const auto begin = std::chrono::steady_clock::now();
    {
        context context;
        const endpoint nobody = ferry::connect("tcp://127.0.0.1:1");
        running<forwarder> hub{context, nobody, anywhere};
        subscriber waiting{context, ferry::connect(hub.device.endpoints().at(0))};
        context.request_stop();
    }
    CHECK(std::chrono::steady_clock::now() - begin < 2s);
}

TEST_CASE("devices: an address in use is named") {
    context context;
    const forwarder first{context, anywhere, anywhere};
    CHECK_THROWS_AS((forwarder{context, ferry::bind(first.endpoints().at(0)), anywhere}), error);
}

TEST_CASE("forwarder: publishers hear of every one of five thousand subscriptions, early and late") {
    context context;
    const running<forwarder> hub{context, anywhere, anywhere};
    publisher early{context, front_of(hub.device)};
    std::vector<std::string> topics;
    for (int i = 0; i < 5000; ++i) topics.push_back("topic." + std::to_string(i) + '.');
    const subscriber all{context, back_of(hub.device), {.topics = topics}};
    CHECK(hears_of(early, topics));
    publisher late{context, front_of(hub.device)};
    CHECK(hears_of(late, topics));
}
