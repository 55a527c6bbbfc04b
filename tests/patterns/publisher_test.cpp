#include "ferry/publisher.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "core/envelope.hpp"
#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "ferry/subscriber.hpp"
#include "tests/support/anywhere.hpp"

using namespace ferry;
using ferry::test::anywhere;
using ferry::test::to;
using namespace std::chrono_literals;

namespace {

// What a publisher sends, as bare frames, so that a test can leave some out.
struct forged_publisher {
    explicit forged_publisher(context& context) : socket{context, zmq::socket_type::xpub, anywhere, {}} {}
    void wait_for_subscription() {
        std::vector<frame> frames;
        REQUIRE(socket.receive(frames, 5s) == outcome::done);
    }
    void send(std::vector<frame> frames) { REQUIRE(socket.send(frames, 5s) == outcome::done); }
    ferry::socket socket;
};

std::vector<frame> numbered(std::string_view topic, std::uint64_t sequence) {
    message content{frame{topic}, frame{std::to_string(sequence)}};
    content.set_sent_by({"12345678", 1, sequence, 0});
    return to_frames(std::move(content), envelope_mode::full);
}

}  // namespace

TEST_CASE("publisher: a subscriber gets its topics, each once and in order") {
    context context;
    publisher prices{context, anywhere};
    subscriber quotes{context, to(prices.endpoints()), {.topics = {"eur.", "usd."}}};
    REQUIRE(prices.wait_for_subscriber_of("usd.x", 5s) == outcome::done);
    REQUIRE(prices.wait_for_subscriber_of("eur.x", 5s) == outcome::done);
    CHECK(prices.subscribers() == 1);
    for (int i = 0; i < 100; ++i) {
        CHECK(prices.publish("eur.usd", frame{std::to_string(i)}) == published::sent);
        CHECK(prices.publish("gbp.usd", "no") == published::unheard);
    }
    for (int i = 0; i < 100; ++i) {
        const auto m = quotes.receive(5s);
        REQUIRE(m.has_value());
        CHECK(m->topic() == "eur.usd");
        CHECK(m->body() == std::to_string(i));
        CHECK(m->sent_by()->sequence == static_cast<std::uint64_t>(i) + 1);
    }
    CHECK_FALSE(quotes.receive(0ms).has_value());
    CHECK(prices.stats().sent == 100);
    CHECK(prices.stats().unheard == 100);
    CHECK(quotes.stats().received == 100);
    CHECK(quotes.stats().lost == 0);
}

TEST_CASE("publisher: it sees its subscribers come, change their mind and go") {
    context context;
    publisher prices{context, anywhere};
    CHECK(prices.wait_for_subscribers(1, 1ms) == outcome::timed_out);
    CHECK(prices.publish("a", "x") == published::unheard);
    {
        subscriber one{context, to(prices.endpoints()), {.topics = {"a", "b", "c"}}};
        subscriber two{context, to(prices.endpoints()), {.topics = {"a"}}};
        REQUIRE(prices.wait_for_subscribers(2, 5s) == outcome::done);
        REQUIRE(prices.wait_for_subscriber_of("c", 5s) == outcome::done);
        CHECK(prices.subscribers() == 2);
        CHECK(prices.connected());
        one.subscribe("d");
        CHECK(prices.wait_for_subscriber_of("d", 5s) == outcome::done);
    }
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (prices.subscribers() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(prices.subscribers() == 0);
    CHECK_FALSE(prices.has_subscriber_of("a"));
}

TEST_CASE("publisher: it may connect and the subscriber bind, though neither program calls anything") {
    // A bound SUB tells its subscriptions only when its owner enters the socket: the loop thread does.
    context context;
    for (int round = 0; round < 10; ++round) {
        subscriber quotes{context, anywhere, {.topics = {"a"}}};
        publisher prices{context, to(quotes.endpoints())};
        REQUIRE(prices.wait_for_subscriber_of("a", 5s) == outcome::done);
        CHECK(prices.publish("a", "x") == published::sent);
        CHECK(quotes.receive(5s).has_value());
    }
}

TEST_CASE(
    "publisher: a subscriber that does not call anything renews its subscription when a publisher comes "
    "back") {
    context context;
    auto prices = std::make_unique<publisher>(context, anywhere);
    const std::string address = prices->endpoints().at(0);
    subscriber quotes{context, ferry::connect(address), {.topics = {"a"}}};
    REQUIRE(prices->wait_for_subscribers(1, 5s) == outcome::done);
    prices.reset();
    while (!prices) try {
            prices = std::make_unique<publisher>(context, ferry::bind(address));
        } catch (const error& e) {
            REQUIRE(e.kind() == errc::address_in_use);  // libzmq closes in the background
        }
    CHECK(prices->wait_for_subscribers(1, 5s) == outcome::done);
}

TEST_CASE("publisher: works over inproc and ipc") {
    context context;
    for (const std::string address : {"inproc://prices", "ipc://@ferry-publisher-test"}) {
        CAPTURE(address);
        publisher prices{context, ferry::bind(address)};
        subscriber quotes{context, ferry::connect(address), {.topics = {"a"}}};
        REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
        CHECK(prices.subscribers() == 1);
        CHECK(prices.publish("a", "x") == published::sent);
        CHECK(quotes.receive(5s).has_value());
    }
}

TEST_CASE("publisher: envelopes are full, none or only where there are headers") {
    context context;
    for (const envelope_mode mode : {envelope_mode::full, envelope_mode::none, envelope_mode::automatic}) {
        publisher prices{context, anywhere, {.envelope = mode}};
        ferry::socket plain{
            context, zmq::socket_type::sub, to(prices.endpoints()), {}, [](zmq::socket_t& made) {
                made.set(zmq::sockopt::subscribe, "");
            }};
        REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
        prices.publish("a", "x");
        std::vector<frame> frames;
        REQUIRE(plain.receive(frames, 5s) == outcome::done);
        CHECK(frames.size() == (mode == envelope_mode::full ? 3 : 2));
        message with_header{"a", "x"};
        with_header.set_header("k", "v");
        if (mode == envelope_mode::none) {
            CHECK_THROWS_AS(prices.publish(with_header), error);
            continue;
        }
        prices.publish(with_header);
        REQUIRE(plain.receive(frames, 5s) == outcome::done);
        CHECK(frames.size() == 3);
        CHECK(from_frames(frames).content.header("k") == "v");
    }
}

TEST_CASE("publisher: under block nothing is lost to a slow subscriber, and giving up is counted") {
    context context;
    socket_options small{.high_water_mark = 2};
    publisher prices{context, ferry::bind("inproc://block"), {.overflow = overflow::block, .socket = small}};
    subscriber quotes{context, ferry::connect("inproc://block"), {.socket = small}};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    unsigned sent = 0;
    while (prices.publish("a", "x", 0ms) == published::sent) REQUIRE(++sent < 100);
    CHECK(prices.stats().dropped == 1);
    std::thread reader{[&] {
        for (unsigned i = 0; i < sent + 50; ++i) CHECK(quotes.receive(5s).has_value());
    }};
    for (int i = 0; i < 50; ++i) CHECK(prices.publish("a", "x", 5s) == published::sent);
    reader.join();
    CHECK(quotes.stats().lost == 1);  // the one that was given up
}

TEST_CASE("publisher: sent is received plus gaps, at a subscriber too slow for it") {
    context context;
    socket_options small{.high_water_mark = 5};
    publisher prices{context, ferry::bind("inproc://slow"), {.socket = small}};
    std::uint64_t told = 0;
    subscriber quotes{
        context, ferry::connect("inproc://slow"), {.socket = small, .on_event = [&](const event& e) {
                                                       if (e.kind == event_kind::gap)
                                                           told += e.to - e.from + 1;
                                                   }}};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    std::uint64_t sent = 0;
    for (; sent < 1000; ++sent) prices.publish("a", "x");
    while (quotes.receive(0ms)) {}
    // A gap shows with the next message that gets through; libzmq takes a moment to see the room.
    do REQUIRE(++sent < 1'000'000);
    while (prices.publish("a", "last") == published::sent && !quotes.receive(0ms));
    const auto counts = quotes.stats();
    CHECK(counts.received + counts.lost == sent);
    CHECK(counts.lost > 0);
    CHECK(told == counts.lost);
}

TEST_CASE("publisher: closing tells what never left") {
    context context;
    publisher prices{context, anywhere, {.socket = {.high_water_mark = 0, .linger = 50ms}}};
    ferry::socket plain{context,
                        zmq::socket_type::sub,
                        to(prices.endpoints()),
                        {.high_water_mark = 1},
                        [](zmq::socket_t& made) { made.set(zmq::sockopt::subscribe, ""); }};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    constexpr std::uint64_t messages = 40;
    for (std::uint64_t i = 0; i < messages; ++i) prices.publish("a", frame{std::size_t{1} << 20});
    const std::uint64_t left = prices.close();  // nobody reads: the connection's buffers hold a few
    CHECK(left > 0);
    CHECK(left < messages);
    CHECK(prices.stats().unsent == left);
    CHECK(prices.stats().sent == messages - left);
}

TEST_CASE("publisher: closing waits for what a reading subscriber takes, and then nothing is left") {
    context context;
    publisher prices{context, anywhere, {.socket = {.high_water_mark = 0, .linger = 10s}}};
    subscriber quotes{context, to(prices.endpoints()), {.socket = {.high_water_mark = 0}}};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    for (int i = 0; i < 2000; ++i) prices.publish("a", frame{std::size_t{1000}});
    CHECK(prices.close() == 0);
    for (int i = 0; i < 2000; ++i) REQUIRE(quotes.receive(5s).has_value());
    CHECK(quotes.stats().lost == 0);
}

TEST_CASE("publisher: many threads publish on one topic and no subscriber sees a gap or a duplicate") {
    context context;
    publisher prices{context, anywhere, {.socket = {.high_water_mark = 0}}};
    subscriber quotes{context, to(prices.endpoints()), {.socket = {.high_water_mark = 0}}};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < 1000; ++n) prices.publish("a", "x");
        });
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < 2000; ++n) CHECK(quotes.receive(10s).has_value());
        });
    for (auto& each : threads) each.join();
    CHECK(quotes.stats().lost == 0);
    CHECK(quotes.stats().duplicates == 0);
}

TEST_CASE("publisher: a stop of the context ends every wait") {
    context context;
    publisher prices{context, anywhere};
    subscriber quotes{context, to(prices.endpoints())};
    std::thread waiting{[&] { CHECK_FALSE(quotes.receive().has_value()); }};
    std::thread counting{[&] { CHECK(prices.wait_for_subscribers(7) == outcome::stopped); }};
    context.request_stop();
    waiting.join();
    counting.join();
}

TEST_CASE("subscriber: a hole is one gap event with its exact bounds, and old numbers are dropped") {
    context context;
    forged_publisher forged{context};
    std::vector<event> events;
    subscriber quotes{context, to(forged.socket.bound()), {.topics = {"a"}, .on_event = [&](const event& e) {
                                                               events.push_back(e);
                                                           }}};
    forged.wait_for_subscription();
    for (const std::uint64_t sequence : {3u, 4u, 8u, 8u, 5u, 9u}) forged.send(numbered("a", sequence));
    std::string got;
    for (int i = 0; i < 4; ++i) {
        const auto m = quotes.receive(5s);
        REQUIRE(m.has_value());
        got += m->body();
    }
    CHECK(got == "3489");
    CHECK(quotes.stats().lost == 3);
    CHECK(quotes.stats().gaps == 1);
    CHECK(quotes.stats().duplicates == 2);
    REQUIRE(events.size() == 3);
    CHECK(events[0].kind == event_kind::gap);
    CHECK(events[0].topic == "a");
    CHECK(events[0].from == 5);
    CHECK(events[0].to == 7);
    CHECK(events[1].kind == event_kind::duplicate);
}

TEST_CASE("subscriber: a forged envelope is counted, reported and dropped, and the next message arrives") {
    context context;
    forged_publisher forged{context};
    std::vector<event> events;
    subscriber quotes{
        context, to(forged.socket.bound()), {.on_event = [&](const event& e) { events.push_back(e); }}};
    forged.wait_for_subscription();
    std::vector<frame> bad;
    bad.emplace_back("a");
    bad.emplace_back(
        std::string_view{"\xC1"
                         "fy\x01\x95\xC4\x7F",
                         7});
    bad.emplace_back("x");
    forged.send(std::move(bad));
    forged.send(numbered("a", 1));
    REQUIRE(quotes.receive(5s).has_value());
    CHECK(quotes.stats().bad_frames == 1);
    REQUIRE(events.size() == 1);
    CHECK(events[0].kind == event_kind::bad_frame);
    CHECK_FALSE(events[0].text.empty());
}

TEST_CASE("subscriber: patterns pick topics by token") {
    context context;
    publisher prices{context, anywhere};
    subscriber quotes{context, to(prices.endpoints()), {.topics = {"all"}, .match = {"eur.*", "usd.>"}}};
    REQUIRE(prices.wait_for_subscriber_of("usd.x", 5s) == outcome::done);
    REQUIRE(prices.wait_for_subscriber_of("all", 5s) == outcome::done);
    for (const char* topic : {"eur.a", "eur.a.b", "usd.a.b", "eur.", "all.x", "eur.c"})
        prices.publish(topic, topic);
    std::string got;
    for (int i = 0; i < 4; ++i) got += std::string{quotes.receive(5s).value_or(message{}).body()} + " ";
    CHECK(got == "eur.a usd.a.b all.x eur.c ");
    CHECK(quotes.stats().filtered == 2);
    CHECK_THROWS_AS((subscriber{context, to(prices.endpoints()), {.match = {"a.>.b"}}}), error);
}

TEST_CASE("subscriber: several publishers on several endpoints, bound and connected, are counted apart") {
    context context;
    publisher bound{context, anywhere};
    subscriber quotes{context, {anywhere, to(bound.endpoints())}};
    publisher connected{context, to(quotes.endpoints())};
    REQUIRE(bound.wait_for_subscribers(1, 5s) == outcome::done);
    REQUIRE(connected.wait_for_subscribers(1, 5s) == outcome::done);
    for (int i = 0; i < 10; ++i) {
        bound.publish("a", "x");
        connected.publish("a", "y");
    }
    for (int i = 0; i < 20; ++i) REQUIRE(quotes.receive(5s).has_value());
    CHECK(quotes.stats().lost == 0);
    CHECK(quotes.stats().duplicates == 0);
}
