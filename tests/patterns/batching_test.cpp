// Publisher and pusher with `batch`, and what receives from them.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/batch.hpp"
#include "core/envelope_batch.hpp"
#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "ferry/publisher.hpp"
#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "ferry/subscriber.hpp"
#include "tests/support/anywhere.hpp"

using namespace ferry;
using ferry::test::anywhere;
using ferry::test::to;
using namespace std::chrono_literals;

namespace {

ferry::socket bare(context& context, zmq::socket_type type, const endpoint& where) {
    return {context, type, where, {}, [type](zmq::socket_t& made) {
                if (type == zmq::socket_type::sub) made.set(zmq::sockopt::subscribe, "");
            }};
}

std::string items_of(std::uint64_t first, std::uint64_t count) {
    std::string items;
    for (std::uint64_t i = 0; i < count; ++i) append_payload(items, std::to_string(first + i));
    return items;
}

std::vector<frame> batch_of(std::string_view topic, std::uint64_t first, std::uint64_t count) {
    std::vector<frame> frames;
    frames.emplace_back(topic);
    frames.emplace_back(encode_batch_header({"12345678", 1, first, 0}, count));
    frames.emplace_back(items_of(first, count));
    return frames;
}

// Bodies up to the one asked for, each with a space behind it.
template <typename Receiver>
std::string bodies_until(Receiver& from, std::string_view last) {
    std::string all;
    while (const auto m = from.receive(5s)) {
        all += std::string{m->body()} + ' ';
        if (m->body() == last) break;
    }
    return all;
}

}  // namespace

TEST_CASE("batching: a puller gets every message, in order and unchanged, however large") {
    context context;
    pusher jobs{context, anywhere, {.batch = true}};
    puller work{context, to(jobs.endpoints())};
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    constexpr int messages = 20'000;
    std::thread sending{[&] {
        for (int i = 0; i < messages; ++i) {
            message each{std::to_string(i)};
            if (i % 3 == 0) each.set_topic("topic");
            if (i % 5 == 0) each.set_header("n", std::int64_t{i});
            if (i % 21 == 0) each.add_frame("between");
            if (i % 1000 == 999) each.set_body(std::string(20'000, 'x'));
            CHECK(jobs.send(std::move(each), 5s) == outcome::done);
        }
    }};
    for (int i = 0; i < messages; ++i) {
        const auto m = work.receive(5s);
        REQUIRE(m.has_value());
        REQUIRE(m->body() == (i % 1000 == 999 ? std::string(20'000, 'x') : std::to_string(i)));
        REQUIRE(m->has_topic() == (i % 3 == 0));
        REQUIRE(m->headers().size() == (i % 5 == 0 ? 1 : 0));
        REQUIRE(m->frames().size() == (i % 21 == 0 ? 1 : 0));
    }
    sending.join();
    CHECK(jobs.stats().sent == messages);
    CHECK(work.stats().received == messages);
    CHECK(work.stats().bad_frames == 0);
    CHECK(jobs.close() == 0);
}

TEST_CASE("batching: what nothing holds up leaves at once and alone, and what follows leaves together") {
    context context;
    pusher jobs{context, ferry::bind("inproc://together"), {.batch = true}};
    ferry::socket work = bare(context, zmq::socket_type::pull, ferry::connect("inproc://together"));
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    constexpr std::uint64_t messages = 3000;
    const std::string body(100, 'x');
    for (std::uint64_t i = 0; i < messages; ++i) CHECK(jobs.send(body, 5s) == outcome::done);
    std::uint64_t got = 0, alone = 0, batches = 0;
    while (got < messages) {
        std::vector<frame> next;
        REQUIRE(work.receive(next, 5s) == outcome::done);
        if (!envelope_batch::is_one(next)) {
            CHECK(next.size() == 1);
            ++alone;
            ++got;
            continue;
        }
        CHECK(next[2].size() <= batch_bytes_max);
        envelope_batch batch;
        REQUIRE(batch.open(next) == nullptr);
        got += batch.left();
        ++batches;
    }
    CHECK(alone > 0);
    // On a machine that lets the sender stand, what gathers leaves by its time.
    CHECK(alone + batches < messages / 3);
    CHECK(got == messages);
}

TEST_CASE("batching: a sender that pauses sends no batches") {
    context context;
    pusher jobs{context, anywhere, {.batch = true}};
    ferry::socket work = bare(context, zmq::socket_type::pull, to(jobs.endpoints()));
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    for (int i = 0; i < 100; ++i) {
        CHECK(jobs.send("x", 5s) == outcome::done);
        std::vector<frame> frames;
        REQUIRE(work.receive(frames, 5s) == outcome::done);
        CHECK(frames.size() == 1);
    }
}

TEST_CASE("batching: what gathers leaves by itself, at the end of an object too") {
    context context;
    puller work{context, ferry::bind("inproc://tail")};
    auto jobs =
        std::make_unique<pusher>(context, ferry::connect("inproc://tail"), pusher_options{.batch = true});
    REQUIRE(jobs->wait_for_peer(5s) == outcome::done);
    // Nothing is taken yet: behind the first ones they gather.
    std::string all;
    for (int i = 1; i <= 100; ++i) {
        CHECK(jobs->send(std::to_string(i)) == outcome::done);
        all += std::to_string(i) + ' ';
    }
    CHECK(bodies_until(work, "100") == all);
    SUBCASE("closed") {
        for (int i = 1; i <= 100; ++i) CHECK(jobs->send(std::to_string(i)) == outcome::done);
        CHECK(jobs->close() == 0);
    }
    SUBCASE("destroyed") {
        for (int i = 1; i <= 100; ++i) CHECK(jobs->send(std::to_string(i)) == outcome::done);
        jobs.reset();
    }
    CHECK(bodies_until(work, "100") == all);
}

TEST_CASE("batching: closing tells how many messages never left") {
    context context;
    pusher jobs{context, anywhere, {.batch = true, .socket = {.linger = 50ms}}};
    ferry::socket work{context, zmq::socket_type::pull, to(jobs.endpoints()), {.high_water_mark = 1}};
    REQUIRE(jobs.wait_for_peer(5s) == outcome::done);
    const std::string body(8000, 'x');
    std::uint64_t sent = 0;
    while (jobs.send(body, 20ms) == outcome::done) REQUIRE(++sent < 1'000'000);
    const std::uint64_t left = jobs.close();
    CHECK(left > 0);
    CHECK(left < sent);
    CHECK(jobs.stats().unsent == left);
    CHECK(jobs.stats().sent + left == sent);
}

TEST_CASE("batching: of a batch every waiting thread has its part") {
    context context;
    ferry::socket jobs = bare(context, zmq::socket_type::push, anywhere);
    puller work{context, to(jobs.bound())};
    REQUIRE(work.wait_for_peer(5s) == outcome::done);
    // Whether all of them sleep already when the batch comes is chance: of 30 times in some.
    for (int round = 0; round < 30; ++round) {
        std::atomic<int> waiting{0}, got{0}, in_time{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                ++waiting;
                if (work.receive(10s)) ++got;
                // Busy with it until all have theirs.
                const auto end = std::chrono::steady_clock::now() + 10s;
                while (got < 4 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
                if (got == 4) ++in_time;
            });
        while (waiting < 4) std::this_thread::yield();
        std::vector<frame> frames = batch_of("", 1 + 4 * static_cast<std::uint64_t>(round), 4);
        CHECK(jobs.send(frames, 5s) == outcome::done);
        for (std::thread& each : threads) each.join();
        REQUIRE(in_time == 4);
    }
}

TEST_CASE("batching: subscribers get their topics, each in order, with numbers that run on") {
    context context;
    publisher prices{context, anywhere, {.overflow = overflow::block, .batch = true}};
    subscriber quotes{context, to(prices.endpoints()), {.topics = {"all"}, .match = {"eur.*"}}};
    REQUIRE(prices.wait_for_subscriber_of("all", 5s) == outcome::done);
    REQUIRE(prices.wait_for_subscriber_of("eur.", 5s) == outcome::done);
    constexpr std::uint64_t rounds = 5000;
    std::thread sending{[&] {
        for (std::uint64_t i = 1; i <= rounds; ++i)
            for (const char* topic : {"all", "eur.usd", "eur.usd.x", "usd.eur", "eur.gbp"})
                prices.publish(topic, frame{std::to_string(i)});
    }};
    std::map<std::string, std::uint64_t> last;
    for (std::uint64_t i = 0; i < 3 * rounds; ++i) {
        const auto m = quotes.receive(5s);
        REQUIRE(m.has_value());
        const std::uint64_t number = ++last[std::string{m->topic()}];
        REQUIRE(m->body() == std::to_string(number));
        REQUIRE(m->sent_by()->sequence == number);
    }
    sending.join();
    CHECK(last.size() == 3);
    CHECK(quotes.stats().lost == 0);
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (quotes.stats().filtered < rounds && std::chrono::steady_clock::now() < end)
        CHECK_FALSE(quotes.receive(1ms));
    CHECK(quotes.stats().filtered == rounds);
    CHECK(prices.stats().sent == 4 * rounds);
    CHECK(prices.stats().unheard == rounds);
}

TEST_CASE("batching: sent is received plus gaps, at a subscriber too slow for it") {
    context context;
    socket_options small{.high_water_mark = 3};
    publisher prices{context, ferry::bind("inproc://slow batches"), {.batch = true, .socket = small}};
    subscriber quotes{context, ferry::connect("inproc://slow batches"), {.socket = small}};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    std::uint64_t sent = 0;
    for (; sent < 50'000; ++sent) prices.publish("a", frame{std::string(64, 'x')});
    while (quotes.receive(50ms)) {}
    do REQUIRE(++sent < 1'000'000);
    while (prices.publish("a", "last") == published::sent && !quotes.receive(10ms));
    while (quotes.receive(50ms)) {}
    CHECK(quotes.stats().received + quotes.stats().lost == sent);
    CHECK(quotes.stats().lost > 0);
}

TEST_CASE("batching: what of a batch came before is dropped, what is missing is a gap, to the number") {
    context context;
    ferry::socket forged{context, zmq::socket_type::xpub, anywhere, {}};
    std::vector<event> events;
    subscriber quotes{
        context, to(forged.bound()), {.on_event = [&](const event& each) { events.push_back(each); }}};
    std::vector<frame> subscription;
    REQUIRE(forged.receive(subscription, 5s) == outcome::done);
    const auto send = [&](std::vector<frame> frames) { REQUIRE(forged.send(frames, 5s) == outcome::done); };
    send(batch_of("a", 1, 3));
    send(batch_of("a", 2, 4));  // 2 and 3 again
    send(batch_of("a", 4, 2));  // all of it again
    send(batch_of("a", 9, 2));  // 6 to 8 are missing
    CHECK(bodies_until(quotes, "10") == "1 2 3 4 5 9 10 ");
    CHECK(quotes.stats().duplicates == 4);
    CHECK(quotes.stats().lost == 3);
    REQUIRE(events.size() == 3);
    CHECK(events[0].kind == event_kind::duplicate);
    CHECK(events[0].from == 2);
    CHECK(events[0].to == 3);
    CHECK(events[2].kind == event_kind::gap);
    CHECK(events[2].from == 6);
    CHECK(events[2].to == 8);
    events.clear();

    std::vector<frame> cut = batch_of("a", 11, 5);
    cut[2] = frame{items_of(11, 2) + std::string(9, '\xC1')};  // 13 to 15 are not there
    send(std::move(cut));
    send(batch_of("a", 16, 1));
    CHECK(bodies_until(quotes, "16") == "11 12 16 ");
    CHECK(quotes.stats().lost == 6);
    CHECK(quotes.stats().bad_frames == 1);
    REQUIRE(events.size() == 2);
    CHECK(events[1].kind == event_kind::gap);
    CHECK(events[1].from == 13);
    CHECK(events[1].to == 15);
    CHECK(quotes.stats().received == 10);
    events.clear();

    std::vector<frame> spoiled = batch_of("a", 15, 4);
    spoiled[2] = frame{std::string(12, '\xC1')};  // 15 and 16 had come or were counted: 17 and 18 are missing
    send(std::move(spoiled));
    send(batch_of("a", 19, 1));
    CHECK(bodies_until(quotes, "19") == "19 ");
    CHECK(quotes.stats().lost == 8);
    CHECK(quotes.stats().duplicates == 6);
}

TEST_CASE("batching: a burst on many topics loses nothing that it would not lose without batches") {
    context context;
    publisher prices{context, anywhere, {.batch = true}};
    subscriber quotes{context, to(prices.endpoints())};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    // libzmq may be slow to learn what was read of its queue of 1,000: both bursts fit together.
    for (const int topics : {900, 100}) {
        for (int i = 0; i < topics; ++i) CHECK(prices.publish(std::to_string(i), "x") == published::sent);
        for (int i = 0; i < topics; ++i) REQUIRE(quotes.receive(5s).has_value());
    }
    CHECK(quotes.stats().lost == 0);
}

TEST_CASE("batching: an object that ends hands over what gathers, though there is no room at first") {
    context context;
    puller work{context, anywhere, {.socket = {.high_water_mark = 2}}};
    auto jobs = std::make_unique<pusher>(
        context, to(work.endpoints()),
        pusher_options{.batch = true, .socket = {.high_water_mark = 2, .linger = 20s}});
    REQUIRE(jobs->wait_for_peer(5s) == outcome::done);
    std::uint64_t sent = 0;
    const std::string body(4000, 'x');
    while (jobs->send(body, 20ms) == outcome::done) REQUIRE(++sent < 1'000'000);
    std::uint64_t got = 0;
    std::thread slow{[&] {
        while (work.receive(2s)) ++got;
    }};
    jobs.reset();
    slow.join();
    CHECK(got == sent);
}

TEST_CASE("batching: a subscriber that stands still does not keep from others what nothing else holds up") {
    context context;
    publisher prices{context, ferry::bind("inproc://still"), {.batch = true}};
    ferry::socket still = bare(context, zmq::socket_type::sub, ferry::connect("inproc://still"));
    ferry::socket lively = bare(context, zmq::socket_type::sub, ferry::connect("inproc://still"));
    REQUIRE(prices.wait_for_subscribers(2, 5s) == outcome::done);
    int batches = 0;
    constexpr int messages = 500;
    for (int i = 0; i < messages; ++i) {
        CHECK(prices.publish("a", "x") == published::sent);
        std::vector<frame> frames;
        REQUIRE(lively.receive(frames, 5s) == outcome::done);
        if (envelope_batch::is_one(frames)) ++batches;
    }
    CHECK(batches < messages / 10);
}

TEST_CASE("batching: under envelope automatic what has headers is numbered all the same") {
    context context;
    publisher prices{
        context, ferry::bind("inproc://headed"), {.envelope = envelope_mode::automatic, .batch = true}};
    subscriber quotes{context, ferry::connect("inproc://headed")};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    constexpr int messages = 200;
    for (int i = 0; i < messages; ++i) {
        message each{"a", "x"};
        if (i % 2 == 0) each.set_header("k", "v");
        CHECK(prices.publish(std::move(each)) == published::sent);
    }
    std::uint64_t numbered = 0;
    for (int i = 0; i < messages; ++i) {
        const auto m = quotes.receive(5s);
        REQUIRE(m.has_value());
        if (m->sent_by()) CHECK(m->sent_by()->sequence == ++numbered);
    }
    CHECK(numbered == messages / 2);
}

TEST_CASE("batching: a busy publisher notices that its subscriber went") {
    context context;
    publisher prices{context, anywhere, {.overflow = overflow::block, .batch = true}};
    auto quotes = std::make_unique<subscriber>(context, to(prices.endpoints()));
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    std::atomic<bool> gone{false};
    std::thread reading{[&] {
        for (int i = 0; i < 50'000; ++i) CHECK(quotes->receive(5s).has_value());
        quotes.reset();
        gone = true;
    }};
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (prices.stats().unheard == 0 && std::chrono::steady_clock::now() < end)
        for (int i = 0; i < 1000; ++i) prices.publish("a", "x", 1s);
    reading.join();
    CHECK(prices.stats().unheard > 0);
    CHECK(gone);
}

TEST_CASE("batching: a publisher without numbers sends batches without them") {
    context context;
    publisher prices{
        context, ferry::bind("inproc://plain"), {.envelope = envelope_mode::none, .batch = true}};
    subscriber quotes{context, ferry::connect("inproc://plain")};
    REQUIRE(prices.wait_for_subscribers(1, 5s) == outcome::done);
    for (int i = 1; i <= 100; ++i) CHECK(prices.publish("a", frame{std::to_string(i)}) == published::sent);
    for (int i = 1; i <= 100; ++i) {
        const auto m = quotes.receive(5s);
        REQUIRE(m.has_value());
        CHECK(m->body() == std::to_string(i));
        CHECK_FALSE(m->sent_by());
    }
    message with_header{"a", "x"};
    with_header.set_header("k", "v");
    CHECK_THROWS_AS(prices.publish(with_header), error);
}
