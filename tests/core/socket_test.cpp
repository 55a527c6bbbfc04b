#include "core/socket.hpp"

#include <doctest/doctest.h>

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "core/context_parts.hpp"
#include "ferry/error.hpp"
#include "tests/support/hostile.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

std::vector<frame> one(std::string_view text) {
    std::vector<frame> frames;
    frames.emplace_back(text);
    return frames;
}

}  // namespace

TEST_CASE("socket: a message crosses and comes back on a port the socket names itself") {
    context context;
    ferry::socket rep{context, zmq::socket_type::rep, ferry::bind("tcp://127.0.0.1:*"), {}};
    ferry::socket req{context, zmq::socket_type::req, ferry::connect(rep.bound().at(0)), {}};
    auto frames = one("ping");
    REQUIRE(req.send(frames, 5s) == outcome::done);
    REQUIRE(rep.receive(frames, 5s) == outcome::done);
    CHECK(frames.at(0).view() == "ping");
}

TEST_CASE("socket: an address in use is named") {
    context context;
    const ferry::socket first{context, zmq::socket_type::pull, ferry::bind("tcp://127.0.0.1:*"), {}};
    try {
        const ferry::socket second{context, zmq::socket_type::pull, ferry::bind(first.bound().at(0)), {}};
        FAIL("bound twice");
    } catch (const error& e) {
        CHECK(e.kind() == errc::address_in_use);
        CHECK(std::string{e.what()}.find(first.bound().at(0)) != std::string::npos);
    }
}

TEST_CASE("socket: a wait ends at its deadline, at a stop of the socket and at a stop of the context") {
    context context;
    ferry::socket pull{context, zmq::socket_type::pull, ferry::bind("tcp://127.0.0.1:*"), {}};
    std::vector<frame> frames;
    CHECK(pull.receive(frames, 1ms) == outcome::timed_out);
    std::thread waiter{[&] { CHECK(pull.receive(frames) == outcome::stopped); }};
    context.request_stop();
    waiter.join();
    CHECK(pull.receive(frames) == outcome::stopped);
}

TEST_CASE("socket: a signal that interrupts a look at a socket is nobody's failure") {
    struct sigaction handled {};
    static std::atomic<int> came{0};
    handled.sa_handler = [](int) { ++came; };
    struct sigaction before {};
    REQUIRE(::sigaction(SIGUSR2, &handled, &before) == 0);
    context context;
    ferry::socket pull{context, zmq::socket_type::pull, ferry::bind("tcp://127.0.0.1:*"), {}};
    std::atomic<bool> over{false};
    std::thread waits{[&] {
        std::vector<frame> frames;
        CHECK(pull.receive(frames) == outcome::stopped);
    }};
    std::thread looks{[&] {
        std::vector<frame> frames;
        while (!over) CHECK(pull.receive(frames, 0ms) == outcome::timed_out);
    }};
    for (int i = 0; i < 2'000; ++i) {  // each hits it somewhere else
        const int before_this = came;
        ::pthread_kill(looks.native_handle(), SIGUSR2);
        while (came == before_this) std::this_thread::yield();
    }
    over = true;
    looks.join();
    pull.stop();
    waits.join();
    ::sigaction(SIGUSR2, &before, nullptr);
}

TEST_CASE("socket: a push to nobody is not taken") {
    context context;
    ferry::socket push{context, zmq::socket_type::push, ferry::connect("tcp://127.0.0.1:1"), {}};
    auto frames = one("x");
    CHECK(push.send(frames, 10ms) == outcome::timed_out);
    CHECK(frames.at(0).view() == "x");
}

TEST_CASE("socket: a waiting receiver is woken although other threads send on the same socket") {
    // Without the wake-up rule one wait in two hundred sleeps to its timeout with the reply there.
    context context;
    ferry::socket router{context, zmq::socket_type::router, ferry::bind("tcp://127.0.0.1:*"), {}};
    ferry::socket dealer{context, zmq::socket_type::dealer, ferry::connect(router.bound().at(0)), {}};
    std::thread echo{[&] {
        std::vector<frame> frames;
        while (router.receive(frames) == outcome::done) router.send(frames, 1s);
    }};
    constexpr int messages = 3000;
    std::atomic<int> received{0};
    std::atomic<int> late{0};
    std::thread sender{[&] {
        for (int i = 0; i < messages; ++i) {
            auto frames = one("x");
            if (dealer.send(frames, 5s) != outcome::done) ++late;
        }
    }};
    std::vector<std::thread> receivers;
    for (int i = 0; i < 2; ++i)
        receivers.emplace_back([&] {
            std::vector<frame> frames;
            while (received < messages) {
                const outcome how = dealer.receive(frames, 3s);
                if (how == outcome::done && ++received == messages) dealer.stop();
                if (how == outcome::timed_out && received < messages) ++late;
                if (how == outcome::stopped) return;
            }
        });
    sender.join();
    for (auto& each : receivers) each.join();
    context.request_stop();
    echo.join();
    CHECK(received == messages);
    CHECK(late == 0);
}

TEST_CASE("socket: what a receiver has not read survives the end of its peer, whole messages in order") {
    // With ZMQ_IMMEDIATE libzmq throws it away, and aborts when that happens within a message.
    context context;
    for (int round = 0; round < 5; ++round) {
        auto push =
            std::make_unique<ferry::socket>(context, zmq::socket_type::push, ferry::bind("tcp://127.0.0.1:*"),
                                            socket_options{.high_water_mark = 0});
        ferry::socket pull{
            context, zmq::socket_type::pull, ferry::connect(push->bound().at(0)), {.high_water_mark = 0}};
        constexpr int messages = 2000;
        std::thread sender{[&] {
            for (int i = 0; i < messages; ++i) {
                std::vector<frame> frames(3);
                frames[2] = frame{std::to_string(i)};
                CHECK(push->send(frames, 5s) == outcome::done);
            }
            push.reset();
        }};
        std::vector<frame> frames;
        for (int i = 0; i < messages; ++i) {
            REQUIRE(pull.receive(frames, 5s) == outcome::done);
            REQUIRE(frames.size() == 3);
            REQUIRE(frames[2].view() == std::to_string(i));
        }
        sender.join();
    }
}

TEST_CASE("socket: peers are counted from handshake to disconnection, and waited for") {
    context context;
    ferry::socket router{context, zmq::socket_type::router, ferry::bind("tcp://127.0.0.1:*"), {}};
    CHECK(router.wait_for_peer(1ms) == outcome::timed_out);
    {
        ferry::socket one{context, zmq::socket_type::dealer, ferry::connect(router.bound().at(0)), {}};
        ferry::socket two{context, zmq::socket_type::dealer, ferry::connect(router.bound().at(0)), {}};
        CHECK(router.wait_until(5s, [&] { return router.has_peer(); }) == outcome::done);
        CHECK(one.wait_for_peer(5s) == outcome::done);
        CHECK(two.wait_for_peer(5s) == outcome::done);
        const ferry::socket wrong{context, zmq::socket_type::pub, ferry::connect(router.bound().at(0)), {}};
        const auto end = std::chrono::steady_clock::now() + 5s;
        while (router.peers() != 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        CHECK(router.peers() == 2);
    }
    CHECK(router.wait_until(5s, [&] { return !router.has_peer(); }) == outcome::done);
    CHECK(router.peers() == 0);
}

TEST_CASE("socket: bytes that are no ZeroMQ do not pass for a peer") {
    // They look like ZMTP 1, whose peers say nothing about themselves.
    context context;
    ferry::socket push{context, zmq::socket_type::push, ferry::bind("tcp://127.0.0.1:*"), {}};
    for (int i = 0; i < 20; ++i) throw_at(push.bound().at(0), std::string("\x01\0\x02\0xyz", 7));
    auto frames = one("x");
    CHECK(push.send(frames, 20ms) == outcome::timed_out);
    ferry::socket pull{context, zmq::socket_type::pull, ferry::connect(push.bound().at(0)), {}};
    REQUIRE(push.send(frames, 5s) == outcome::done);
    CHECK(pull.receive(frames, 5s) == outcome::done);
}

TEST_CASE("socket: an address given up can be bound again at once") {
    zmq::context_t zmq;
    std::string address = "tcp://127.0.0.1:*";
    for (int i = 0; i < 200; ++i) {
        zmq::socket_t next{zmq, zmq::socket_type::pull};
        std::vector<std::string> bound;
        REQUIRE_NOTHROW(bound = attach(next, endpoints{ferry::bind(address)}));
        address = bound.at(0);
        detach(zmq, next, bound);
    }
}
