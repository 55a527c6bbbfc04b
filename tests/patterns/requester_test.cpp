#include "ferry/requester.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "core/envelope.hpp"
#include "core/request_id.hpp"
#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "ferry/pack.hpp"
#include "ferry/replier.hpp"
#include "tests/support/anywhere.hpp"
#include "tests/support/serving.hpp"

using namespace ferry;
using ferry::test::anywhere;
using ferry::test::echo;
using ferry::test::serving;
using ferry::test::to;
using namespace std::chrono_literals;

namespace {

std::vector<frame> frames_of(std::initializer_list<std::string_view> texts) {
    std::vector<frame> frames;
    for (const std::string_view text : texts) frames.emplace_back(text);
    return frames;
}

}  // namespace

TEST_CASE("requester: typed questions get typed answers") {
    context context;
    const serving sums{context, anywhere, [](const message& q) {
                           const auto [a, b] = unpack<std::pair<int, int>>(q.body());
                           return message{pack(a + b)};
                       }};
    requester calc{context, to(sums.desk.endpoints())};
    const auto answer = calc.request(pack(std::pair{19, 23}));
    REQUIRE(answer.has_value());
    CHECK(unpack<int>(answer->body()) == 42);
    CHECK(calc.stats().answered == 1);
    CHECK(sums.desk.stats().replies == 1);
}

TEST_CASE("requester: topic, headers and large bodies arrive at the handler, and the reply's come back") {
    context context;
    const serving mirror{context, anywhere, [](const message& q) {
                             message reply = q;
                             reply.set_header("seen", "yes");
                             return reply;
                         }};
    requester ask{context, to(mirror.desk.endpoints())};
    message question{"topic", std::string(1 << 20, 'x')};
    question.set_header("k", "v");
    const auto reply = ask.request(question);
    REQUIRE(reply.has_value());
    CHECK(reply->topic() == "topic");
    CHECK(reply->header("k") == "v");
    CHECK(reply->header("seen") == "yes");
    CHECK(reply->body().size() == 1 << 20);
    const auto empty = ask.request("");
    REQUIRE(empty.has_value());
    CHECK(empty->body().empty());
}

TEST_CASE("requester: with nobody there it says so at the deadline, with a silent peer it timed out") {
    context context;
    requester nobody{context, ferry::connect("tcp://127.0.0.1:1"), {.timeout = 10ms}};
    const answer lonely = nobody.ask("x");
    CHECK(lonely.kind == answer_kind::no_peer);
    CHECK(lonely.attempts == 0);
    CHECK_FALSE(nobody.connected());
    CHECK(nobody.stats().unanswered == 1);

    const ferry::socket silent{context, zmq::socket_type::router, anywhere, {}};
    requester ignored{context, to(silent.bound()), {.timeout = 30ms, .attempts = 3, .backoff = 1ms}};
    REQUIRE(ignored.wait_for_peer(5s) == outcome::done);
    const answer none = ignored.ask("x");
    CHECK(none.kind == answer_kind::timed_out);
    CHECK(none.attempts == 3);
    CHECK(ignored.stats().retries == 2);
}

TEST_CASE("requester: many requests of many threads are in flight on one socket, each gets its own answer") {
    context context;
    const serving mirror{context, anywhere, echo, {.workers = 4}};
    requester ask{context, to(mirror.desk.endpoints()), {.timeout = 20s}};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 250; ++i) {
                const std::string text = std::to_string(t) + "/" + std::to_string(i);
                const auto answer = ask.request(text);
                REQUIRE(answer.has_value());
                CHECK(answer->body() == text);
            }
        });
    for (auto& each : threads) each.join();
    CHECK(ask.stats().answered == 2000);
    CHECK(ask.stats().late_replies == 0);
}

TEST_CASE("requester: a slow answer does not hold up another thread's quick one") {
    context context;
    std::promise<void> quick_done;
    auto may_end = quick_done.get_future().share();
    const serving mixed{context,
                        anywhere,
                        [may_end](const message& q) {
                            if (q.body() == "slow") may_end.wait_for(10s);
                            return echo(q);
                        },
                        {.workers = 2}};
    requester ask{context, to(mixed.desk.endpoints()), {.timeout = 20s}};
    std::thread slow{[&] { CHECK(ask.request("slow").has_value()); }};
    CHECK(ask.request("quick").has_value());
    quick_done.set_value();
    slow.join();
}

TEST_CASE(
    "requester: a handler that throws, or says what cannot be sent, is an error answer with its words") {
    context context;
    std::vector<event> events;
    const serving failing{context,
                          anywhere,
                          [](const message& q) -> message {
                              if (q.body() == "throw") throw std::runtime_error{"no such sum"};
                              return echo(q);
                          },
                          {.on_event = [&](const event& e) { events.push_back(e); }}};
    requester ask{context, to(failing.desk.endpoints())};
    const answer bad = ask.ask("throw");
    CHECK(bad.kind == answer_kind::refused);
    CHECK(bad.reason == "no such sum");
    CHECK_FALSE(ask.request("throw").has_value());
    CHECK(ask.request("fine").has_value());
    CHECK(ask.stats().refused == 2);
    CHECK(failing.desk.stats().failures == 2);
}

TEST_CASE(
    "requester: an attempt that is not answered is made again, and a late reply is dropped and counted") {
    context context;
    ferry::socket router{context, zmq::socket_type::router, anywhere, {}};
    std::atomic<unsigned> late_events{0};
    requester ask{context,
                  to(router.bound()),
                  {.timeout = 10s, .attempts = 50, .backoff = 1ms, .on_event = [&](const event& e) {
                       if (e.kind == event_kind::late_reply) ++late_events;
                   }}};
    std::thread forgetful{[&] {
        std::vector<frame> first;
        std::vector<frame> second;
        REQUIRE(router.receive(first, 10s) == outcome::done);
        REQUIRE(router.receive(second, 10s) == outcome::done);
        REQUIRE(first.size() == 4);
        CHECK(first[1].view() == second[1].view());  // one request, one id
        router.send(second, 5s);
        router.send(first, 5s);
        std::vector<frame> next;
        REQUIRE(router.receive(next, 10s) == outcome::done);
        router.send(next, 5s);
    }};
    const answer got = ask.ask("x");
    CHECK(got.kind == answer_kind::answered);
    CHECK(got.attempts >= 2);
    CHECK(ask.request("y").has_value());
    forgetful.join();
    CHECK(ask.stats().late_replies == 1);
    CHECK(late_events == 1);
}

TEST_CASE("requester: of two replies to one request the first one counts") {
    context context;
    ferry::socket router{context, zmq::socket_type::router, anywhere, {}};
    requester ask{context, to(router.bound()), {.timeout = 20s, .attempts = 1}};
    REQUIRE(ask.wait_for_peer(10s) == outcome::done);
    pending_answer sent_ahead = ask.send("x");
    std::vector<frame> x;
    REQUIRE(router.receive(x, 10s) == outcome::done);
    for (const char* const reply : {"first", "second"}) {
        std::vector<frame> answered{x.begin(), x.end() - 1};
        answered.emplace_back(std::string{reply});
        REQUIRE(router.send(answered, 5s) == outcome::done);
    }
    std::thread next{[&] {
        std::vector<frame> y;
        if (router.receive(y, 20s) == outcome::done) router.send(y, 5s);
    }};
    CHECK(ask.request("y").has_value());  // who waits for this one reads both replies to the other
    next.join();
    CHECK(ask.stats().late_replies == 1);
    const answer got = sent_ahead.wait();
    CHECK(got.kind == answer_kind::answered);
    CHECK(got.content.body() == "first");
}

TEST_CASE("requester: it fails over to an endpoint that answers and stays there") {
    context context;
    const ferry::socket silent{context, zmq::socket_type::router, anywhere, {}};
    const serving mirror{context, anywhere, echo};
    requester ask{context,
                  {ferry::connect("tcp://127.0.0.1:1"), to(silent.bound()), to(mirror.desk.endpoints())},
                  {.timeout = 2s, .attempts = 20, .backoff = 1ms}};
    const answer first = ask.ask("x");
    CHECK(first.kind == answer_kind::answered);
    const answer next = ask.ask("y");
    CHECK(next.kind == answer_kind::answered);
    CHECK(next.attempts == 1);
}

TEST_CASE("requester: replies of other shapes are counted, reported and do no harm") {
    context context;
    ferry::socket router{context, zmq::socket_type::router, anywhere, {}};
    std::atomic<unsigned> bad_events{0};
    requester ask{context, to(router.bound()), {.timeout = 10s, .on_event = [&](const event& e) {
                                                    if (e.kind == event_kind::bad_frame) ++bad_events;
                                                }}};
    std::thread hostile{[&] {
        std::vector<frame> asked;
        REQUIRE(router.receive(asked, 10s) == outcome::done);
        const std::string peer = asked[0].str();
        const std::string id = asked[1].str();
        for (auto junk :
             {frames_of({peer, "junk"}), frames_of({peer, "", "junk"}), frames_of({peer, id, "no"}),
              frames_of({peer, id, "", "",
                         "\xC1"
                         "fy\x01junk",
                         "x"})})
            router.send(junk, 5s);
        router.send(asked, 5s);
    }};
    CHECK(ask.request("x").has_value());
    hostile.join();
    CHECK(ask.stats().bad_frames == 4);
    CHECK(bad_events == 4);
}

TEST_CASE("requester: it may bind and repliers connect, over tcp, ipc and inproc") {
    context context;
    for (const std::string address : {"tcp://127.0.0.1:*", "ipc://@ferry-requester-test", "inproc://desk"}) {
        CAPTURE(address);
        requester ask{context, ferry::bind(address), {.timeout = 10s}};
        const serving mirror{context, to(ask.endpoints()), echo};
        CHECK(ask.wait_for_peer(5s) == outcome::done);
        const auto reply = ask.request("x");
        REQUIRE(reply.has_value());
        CHECK(reply->body() == "x");
    }
}

TEST_CASE("requester: a stop of the context ends every request") {
    context context;
    ferry::socket silent{context, zmq::socket_type::router, anywhere, {}};
    requester ask{context, to(silent.bound()), {.timeout = 60s}};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] { CHECK(ask.ask("x").kind == answer_kind::stopped); });
    std::vector<frame> frames;
    for (int i = 0; i < 3; ++i) REQUIRE(silent.receive(frames, 5s) == outcome::done);
    context.request_stop();
    for (auto& each : threads) each.join();
}

TEST_CASE("requester: options that cannot be are refused, naming the option") {
    context context;
    const auto where = ferry::connect("tcp://127.0.0.1:1");
    CHECK_THROWS_WITH_AS((requester{context, where, {.timeout = 0ms}}), "option timeout must be 1 ms to 24 h",
                         error);
    CHECK_THROWS_AS((requester{context, where, {.attempts = 0}}), error);
    CHECK_THROWS_AS((replier{context, where, {.workers = 0}}), error);
}

TEST_CASE("replier: a request that comes again is not run again, and gets the same reply by its new way") {
    context context;
    std::atomic<int> runs{0};
    const serving counter{context, anywhere, [&](const message&) { return message{std::to_string(++runs)}; }};
    const std::string id =
        std::string{
            "\xC1"
            "fr\x01",
            4} +
        "0123456789abcdef";
    for (int way = 0; way < 2; ++way) {
        ferry::socket dealer{context, zmq::socket_type::dealer, to(counter.desk.endpoints()), {}};
        for (int again = 0; again < 2; ++again) {
            auto frames = frames_of({id, "", "count"});
            REQUIRE(dealer.send(frames, 5s) == outcome::done);
            REQUIRE(dealer.receive(frames, 5s) == outcome::done);
            REQUIRE(frames.size() == 3);
            CHECK(frames[2].view() == "1");
        }
    }
    CHECK(runs == 1);
    CHECK(counter.desk.stats().repeats == 3);
}

TEST_CASE("replier: a request that comes again while it runs is not run a second time") {
    context context;
    replier desk{context, anywhere};
    ferry::socket dealer{context, zmq::socket_type::dealer, to(desk.endpoints()), {}};
    const std::string id = make_request_id("01234567", 1);
    const std::string other = make_request_id("01234567", 2);
    auto job = frames_of({id, "", "job"});
    auto again = frames_of({id, "", "job"});
    auto next = frames_of({other, "", "next"});
    for (auto* each : {&job, &again, &next}) REQUIRE(dealer.send(*each, 5s) == outcome::done);
    auto first = desk.receive(10s);
    REQUIRE(first);
    const auto second = desk.receive(10s);
    REQUIRE(second);
    CHECK(second->content().body() == "next");
    CHECK(desk.stats().repeats == 1);
    CHECK(desk.reply(*std::move(first), message{"done"}) == outcome::done);
    REQUIRE(dealer.receive(job, 5s) == outcome::done);
    REQUIRE(job.size() == 3);
    CHECK(job[0].view() == id);
    CHECK(job[2].view() == "done");
}

TEST_CASE("replier: plain peers are served with and without delimiter, and through several routing frames") {
    context context;
    const serving mirror{context, anywhere, echo};
    ferry::socket plain{context, zmq::socket_type::dealer, to(mirror.desk.endpoints()), {}};
    struct row {
        std::initializer_list<std::string_view> sent;
        std::size_t frames;
    };
    for (const row& each : {row{{"", "body"}, 2}, row{{"body"}, 1}, row{{"r1", "r2", "", "body"}, 4},
                            row{{"", ""}, 2}, row{{""}, 1}}) {
        auto frames = frames_of(each.sent);
        const std::string body = frames.back().str();
        REQUIRE(plain.send(frames, 5s) == outcome::done);
        REQUIRE(plain.receive(frames, 5s) == outcome::done);
        CHECK(frames.size() == each.frames);
        CHECK(frames.back().view() == body);
    }
}

TEST_CASE("replier: a plain requester gets an empty reply when the handler throws") {
    context context;
    const serving failing{context, anywhere,
                          [](const message&) -> message { throw std::runtime_error{"no"}; }};
    ferry::socket plain{context, zmq::socket_type::req, to(failing.desk.endpoints()), {}};
    auto frames = frames_of({"x"});
    REQUIRE(plain.send(frames, 5s) == outcome::done);
    REQUIRE(plain.receive(frames, 5s) == outcome::done);
    CHECK(frames.size() == 1);
    CHECK(frames[0].empty());
}

TEST_CASE("replier: a reply to a requester that is gone is counted as dropped") {
    context context;
    replier desk{context, anywhere};
    const auto end = std::chrono::steady_clock::now() + 10s;
    // libzmq notices in its own time; until then it takes the reply.
    while (desk.stats().dropped == 0) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        auto plain = std::make_unique<ferry::socket>(context, zmq::socket_type::req, to(desk.endpoints()),
                                                     socket_options{.linger = 0ms});
        auto frames = frames_of({"x"});
        REQUIRE(plain->send(frames, 5s) == outcome::done);
        auto asked = desk.receive(5s);
        REQUIRE(asked.has_value());
        CHECK(asked->content().body() == "x");
        CHECK(desk.connected());
        plain.reset();
        while (desk.connected() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        const outcome how = desk.reply(std::move(*asked), "y");
        CHECK((how == outcome::timed_out) == (desk.stats().dropped == 1));
    }
}

TEST_CASE("replier: several workers run at once, one runs alone") {
    context context;
    std::mutex mutex;
    std::condition_variable all_here;
    int here = 0;
    const serving parallel{context,
                           anywhere,
                           [&](const message& q) {
                               std::unique_lock lock{mutex};
                               ++here;
                               all_here.notify_all();
                               CHECK(all_here.wait_for(lock, 10s, [&] { return here == 3; }));
                               return echo(q);
                           },
                           {.workers = 3}};
    requester ask{context, to(parallel.desk.endpoints()), {.timeout = 20s}};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&] { CHECK(ask.request("x").has_value()); });
    for (auto& each : threads) each.join();
}
