#include "ferry/pusher.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "ferry/puller.hpp"
#include "tests/support/anywhere.hpp"

using namespace ferry;
using ferry::test::anywhere;
using ferry::test::to;
using namespace std::chrono_literals;

TEST_CASE("pusher: nobody there is known, waited for and never queued to") {
    context context;
    pusher jobs{context, ferry::connect("tcp://127.0.0.1:1")};
    CHECK_FALSE(jobs.connected());
    CHECK(jobs.send("x", 1ms) == outcome::timed_out);
    CHECK(jobs.wait_for_peer(1ms) == outcome::timed_out);
    CHECK(jobs.stats().dropped == 1);
    CHECK(jobs.stats().sent == 0);
    CHECK(jobs.close() == 0);
}

TEST_CASE("pusher: a puller gets every message, topic, headers and frames unchanged") {
    context context;
    pusher jobs{context, anywhere};
    puller work{context, to(jobs.endpoints())};
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    CHECK(work.wait_for_peer(5s) == outcome::done);
    message rich{"topic", "body"};
    rich.set_header("n", std::int64_t{7});
    rich.set_header("b", binary{std::string{"\0\xff", 2}});
    rich.add_frame("between");
    REQUIRE(jobs.send(rich, 5s) == outcome::done);
    REQUIRE(jobs.send("", 5s) == outcome::done);
    REQUIRE(jobs.send(message{frame{""}, frame{""}}, 5s) == outcome::done);
    REQUIRE(jobs.send(std::string(1 << 20, 'x'), 5s) == outcome::done);
    const auto first = work.receive(5s);
    REQUIRE(first.has_value());
    CHECK(first->topic() == "topic");
    CHECK(first->body() == "body");
    CHECK(first->headers() == rich.headers());
    REQUIRE(first->frames().size() == 1);
    CHECK(first->frames()[0].view() == "between");
    const auto empty = work.receive(5s);
    REQUIRE(empty.has_value());
    CHECK_FALSE(empty->has_topic());
    CHECK(empty->body().empty());
    const auto two_empty = work.receive(5s);
    REQUIRE(two_empty.has_value());
    CHECK(two_empty->has_topic());
    const auto large = work.receive(5s);
    REQUIRE(large.has_value());
    CHECK(large->body() == std::string(1 << 20, 'x'));
    CHECK(jobs.stats().sent == 4);
    CHECK(work.stats().received == 4);
    CHECK(work.stats().received_bytes == 4 + (1 << 20));
}

TEST_CASE("pusher: a puller over inproc is seen as well") {
    context context;
    pusher jobs{context, ferry::bind("inproc://jobs")};
    CHECK_FALSE(jobs.connected());
    std::thread waiting{[&] { CHECK(jobs.wait_for_peer(5s) == outcome::done); }};
    puller work{context, ferry::connect("inproc://jobs")};
    waiting.join();
    CHECK(jobs.connected());
    CHECK(jobs.send("x", 5s) == outcome::done);
    CHECK(work.receive(5s).has_value());
}

TEST_CASE("pusher: it sees its last puller go") {
    context context;
    pusher jobs{context, anywhere};
    auto work = std::make_unique<puller>(context, to(jobs.endpoints()));
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    work.reset();
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (jobs.connected() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK_FALSE(jobs.connected());
    CHECK(jobs.send("x", 1ms) == outcome::timed_out);
}

TEST_CASE("pusher: connections that end before their handshake are no peers") {
    context context;
    pusher jobs{context, anywhere};
    puller work{context, to(jobs.endpoints())};
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    ferry::socket wrong{context, zmq::socket_type::sub, to(jobs.endpoints()), {}};  // PUSH refuses a SUB
    REQUIRE(jobs.send("x", 5s) == outcome::done);
    CHECK(work.receive(5s).has_value());
    CHECK(jobs.connected());
}

TEST_CASE("pusher: back-pressure holds it at the high-water mark, and work goes to every puller in turn") {
    context context;
    socket_options small{.high_water_mark = 2};
    pusher jobs{context, ferry::bind("inproc://turns"), {.socket = small}};
    puller one{context, ferry::connect("inproc://turns"), {.socket = small}};
    puller two{context, ferry::connect("inproc://turns"), {.socket = small}};
    unsigned taken = 0;
    while (jobs.send("x", 0ms) == outcome::done) REQUIRE(++taken < 100);
    CHECK_FALSE(taken == 0);
    unsigned received[2] = {0, 0};
    while (one.receive(0ms)) ++received[0];
    while (two.receive(0ms)) ++received[1];
    CHECK(received[0] + received[1] == taken);
    CHECK(received[0] == received[1]);
}

TEST_CASE("pusher: closing tells what never left") {
    context context;
    pusher jobs{context, anywhere, {.socket = {.high_water_mark = 0, .linger = 50ms}}};
    ferry::socket plain{context, zmq::socket_type::pull, to(jobs.endpoints()), {.high_water_mark = 1}};
    constexpr std::uint64_t messages = 40;
    for (std::uint64_t i = 0; i < messages; ++i)
        REQUIRE(jobs.send(frame{std::size_t{1} << 20}, 5s) == outcome::done);
    const std::uint64_t left = jobs.close();
    CHECK(left > 0);
    CHECK(left < messages);
    CHECK(jobs.stats().sent == messages - left);
    CHECK(jobs.stats().unsent == left);
}

TEST_CASE("pusher: headers under envelope none and options that cannot be are refused") {
    context context;
    pusher jobs{context, anywhere, {.envelope = envelope_mode::none}};
    message with_header{"x"};
    with_header.set_header("k", "v");
    CHECK_THROWS_AS(jobs.send(with_header, 0ms), error);
    CHECK_THROWS_AS((pusher{context, ferry::bind(jobs.endpoints().at(0))}), error);
    CHECK_THROWS_AS((pusher{context, anywhere, {.socket = {.raw = {{.option = 99999, .value = 1}}}}}), error);
}

TEST_CASE("puller: a forged envelope is counted, reported and dropped, and the next message arrives") {
    context context;
    unsigned reported = 0;
    puller work{context, anywhere, {.on_event = [&](const event& e) {
                    reported += e.kind == event_kind::bad_frame ? 1 : 0;
                }}};
    ferry::socket plain{context, zmq::socket_type::push, to(work.endpoints()), {}};
    std::vector<frame> bad;
    bad.emplace_back("");
    bad.emplace_back(
        std::string_view{"\xC1"
                         "fy\x01junk",
                         8});
    bad.emplace_back("x");
    REQUIRE(plain.send(bad, 5s) == outcome::done);
    std::vector<frame> good;
    good.emplace_back("good");
    REQUIRE(plain.send(good, 5s) == outcome::done);
    const auto m = work.receive(5s);
    REQUIRE(m.has_value());
    CHECK(m->body() == "good");
    CHECK(work.stats().bad_frames == 1);
    CHECK(reported == 1);
}
