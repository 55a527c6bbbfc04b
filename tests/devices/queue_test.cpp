#include "ferry/queue.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>

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

// A worker whose handlers, once they have begun, wait until it is told to go on.
struct slow_worker {
    slow_worker(context& context, const endpoints& where, std::string named, unsigned threads = 1)
        : name{std::move(named)}, desk{context, where, {.workers = threads}}, thread{[this] {
              desk.serve([this](const message& q) {
                  ++begun;
                  begun.notify_all();
                  may_end.wait(false);
                  return message{name + ":" + std::string{q.body()}};
              });
          }} {}
    ~slow_worker() {
        go_on();
        desk.stop();
        thread.join();
    }
    void go_on() {
        may_end = true;
        may_end.notify_all();
    }
    std::string name;
    std::atomic<unsigned> begun{0};
    std::atomic<bool> may_end{false};
    replier desk;
    std::thread thread;
};

// Until `there` holds. What is asked for is seen from outside only, hence the look again and again.
template <typename Condition>
bool comes_true(Condition there) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!there() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return there();
}

// Requests under way at once, each waiting in a thread of its own.
struct questions {
    questions(requester& asked, unsigned count) {
        for (unsigned i = 0; i < count; ++i)
            answers.push_back(std::async(std::launch::async, [&asked, i] {
                const auto reply = asked.request(std::to_string(i));
                return reply ? reply->body_frame().str() : "none";
            }));
    }
    // By how many of them that worker's name stands in front.
    long answered_by(const std::string& name) {
        long found = 0;
        for (auto& each : answers) found += each.get().starts_with(name) ? 1 : 0;
        return found;
    }
    std::vector<std::future<std::string>> answers;
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
    // A reply is counted once it was sent, which may be after it came.
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (desk.device.stats().messages_up < 100 && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
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

TEST_CASE("queue: no request waits at a busy worker while another one is free") {
    context context;
    std::unique_ptr<running<ferry::queue>> desk;
    std::unique_ptr<slow_worker> slow;
    std::unique_ptr<worker> fast;
    const auto workers_connect = [&](const endpoint& back) {
        desk = std::make_unique<running<ferry::queue>>(context, anywhere, back);
        slow = std::make_unique<slow_worker>(context, at(desk->device, 1), "slow");
        fast = std::make_unique<worker>(context, at(desk->device, 1), "fast");
    };
    SUBCASE("when the workers connect") {
        workers_connect(anywhere);
    }
    SUBCASE("when the workers bind") {
        slow = std::make_unique<slow_worker>(context, anywhere, "slow");
        fast = std::make_unique<worker>(context, anywhere, "fast");
        const endpoints back{ferry::connect(slow->desk.endpoints().at(0)),
                             ferry::connect(fast->desk.endpoints().at(0))};
        desk = std::make_unique<running<ferry::queue>>(context, anywhere, back);
    }
    SUBCASE("within one process") {
        workers_connect(ferry::bind("inproc://workers"));
    }
    requester ask{context, at(desk->device, 0), {.timeout = 20s}};
    // One for the slow worker, which keeps it, and those that its turn falls on meanwhile.
    auto first = std::async(std::launch::async, [&] { return ask.request("kept")->body_frame().str(); });
    std::thread others{[&] {
        for (int i = 0; slow->begun == 0 && i < 100; ++i) CHECK(ask.request("?").has_value());
    }};
    REQUIRE(comes_true([&] { return slow->begun == 1; }));
    std::vector<std::string> bodies;
    bool stuck = false;
    for (int i = 0; i < 100 && !stuck; ++i) {
        const answer reply = ask.ask(std::to_string(i), std::chrono::milliseconds{5000});
        stuck = reply.kind != answer_kind::answered || reply.content.body() != "fast:" + std::to_string(i);
    }
    CHECK(!stuck);
    CHECK(slow->begun == 1);
    CHECK(slow->desk.stats().given_back > 0);
    slow->go_on();
    others.join();
    static_cast<void>(first.get());
}

TEST_CASE("queue: while all workers are busy requests wait in the queue, for whichever is free first") {
    context context;
    const running<ferry::queue> desk{context, anywhere, anywhere};
    slow_worker one{context, at(desk.device, 1), "one"};
    slow_worker two{context, at(desk.device, 1), "two", 3};
    REQUIRE(one.desk.wait_for_peer(5s) == outcome::done);
    REQUIRE(two.desk.wait_for_peer(5s) == outcome::done);
    requester ask{context, at(desk.device, 0), {.timeout = 20s}};
    questions all{ask, 24};
    REQUIRE(comes_true([&] { return one.begun == 1 && two.begun == 3; }));
    REQUIRE(comes_true([&] {
        return desk.device.stats().messages_down == 24 && one.desk.stats().given_back > 0 &&
               two.desk.stats().given_back > 0;
    }));
    CHECK(one.begun == 1);
    CHECK(two.begun == 3);
    two.go_on();
    REQUIRE(comes_true([&] { return two.begun == 23; }));
    CHECK(one.begun == 1);
    one.go_on();
    CHECK(all.answered_by("two") == 23);
    CHECK(desk.device.stats().dropped == 0);
}

TEST_CASE("queue: requests that wait for one worker outlive another that vanishes") {
    context context;
    const running<ferry::queue> desk{context, anywhere, anywhere};
    slow_worker living{context, at(desk.device, 1), "living"};
    auto dying = std::make_unique<replier>(context, at(desk.device, 1));
    REQUIRE(living.desk.wait_for_peer(5s) == outcome::done);
    REQUIRE(dying->wait_for_peer(5s) == outcome::done);
    requester ask{context, at(desk.device, 0), {.timeout = 30s, .attempts = 100, .backoff = 1ms}};
    questions all{ask, 12};
    auto taken_along = dying->receive(10s);
    REQUIRE(taken_along.has_value());
    REQUIRE(comes_true([&] { return living.begun == 1 && dying->stats().given_back > 0; }));
    dying.reset();
    living.go_on();
    CHECK(all.answered_by("living") == 12);
}

TEST_CASE("queue: a worker that looks in only now and then gets requests too") {
    context context;
    const running<ferry::queue> desk{context, anywhere, anywhere};
    replier rare{context, at(desk.device, 1)};
    REQUIRE(rare.wait_for_peer(5s) == outcome::done);
    requester ask{context, at(desk.device, 0), {.timeout = 20s}};
    questions all{ask, 8};
    unsigned answered = 0;
    CHECK(comes_true([&] {
        if (auto next = rare.receive(0s)) {
            message same{next->content().body_frame()};
            rare.reply(*std::move(next), std::move(same));
            ++answered;
        }
        return answered == 8;
    }));
    CHECK(all.answered_by("none") == 0);
}
