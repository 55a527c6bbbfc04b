#include "ferry/streamer.hpp"

#include <doctest/doctest.h>

#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "tests/support/running.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

const endpoint anywhere = ferry::bind("tcp://127.0.0.1:*");

endpoint at(const streamer& device, std::size_t which) {
    return ferry::connect(device.endpoints().at(which));
}

}  // namespace

TEST_CASE("streamer: every message of every pusher goes to one puller, in turn") {
    context context;
    const running<streamer> jobs{context, anywhere, anywhere};
    puller one{context, at(jobs.device, 1)};
    puller two{context, at(jobs.device, 1)};
    REQUIRE(one.wait_for_peer(5s) == outcome::done);
    REQUIRE(two.wait_for_peer(5s) == outcome::done);
    pusher first{context, at(jobs.device, 0)};
    pusher second{context, at(jobs.device, 0)};
    for (int i = 0; i < 500; ++i) {
        REQUIRE(first.send("x", 5s) == outcome::done);
        REQUIRE(second.send("y", 5s) == outcome::done);
    }
    unsigned received[2] = {0, 0};
    std::thread other{[&] {
        while (two.receive(200ms)) ++received[1];
    }};
    while (one.receive(200ms)) ++received[0];
    other.join();
    CHECK(received[0] + received[1] == 1000);
    CHECK(received[0] > 400);
    CHECK(received[1] > 400);
    CHECK(jobs.device.stats().messages_down == 1000);
    CHECK(jobs.device.stats().bytes_down == 1000);
}

TEST_CASE("streamer: without pullers nothing is lost, and pushers feel it") {
    context context;
    const socket_options small{.high_water_mark = 1};
    const running<streamer> jobs{context, ferry::bind("inproc://front"), ferry::bind("inproc://back"),
                                 device_options{.socket = small}};
    pusher source{context, ferry::connect("inproc://front"), {.socket = small}};
    unsigned taken = 0;
    while (source.send(frame{std::to_string(taken)}, 50ms) == outcome::done) REQUIRE(++taken < 20);
    puller sink{context, ferry::connect("inproc://back"), {.socket = small}};
    for (unsigned i = 0; i < taken; ++i)
        CHECK(sink.receive(5s).value_or(message{}).body() == std::to_string(i));
    CHECK_FALSE(sink.receive(0ms).has_value());
}

TEST_CASE("streamer: what it still holds when it ends is counted as dropped") {
    context context;
    streamer jobs{context, anywhere, anywhere};
    std::thread runner{[&] { jobs.run(); }};
    pusher source{context, ferry::connect(jobs.endpoints().at(0))};
    REQUIRE(source.send("x", 5s) == outcome::done);
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (jobs.stats().messages_down == 0 && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    jobs.stop();
    runner.join();
    CHECK(jobs.stats().dropped == 1);
}
