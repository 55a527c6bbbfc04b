#include "core/loop.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>

using namespace ferry;
using namespace std::chrono_literals;

TEST_CASE("loop: a member is called when added, when woken and when due") {
    loop loop;
    std::atomic<int> calls{0};
    std::promise<void> third;
    const auto member = loop.add([&] {
        const int call = ++calls;
        if (call == 3) third.set_value();
        return loop::next{call == 1 ? std::chrono::steady_clock::now() + 1ms : steady_time::max(), -1};
    });
    while (calls < 2) std::this_thread::yield();
    member->wake();
    CHECK(third.get_future().wait_for(5s) == std::future_status::ready);
}

TEST_CASE("loop: a member is called when its descriptor becomes readable") {
    loop loop;
    event_fd event;
    std::promise<void> seen;
    const auto member = loop.add([&] {
        if (event.clear()) seen.set_value();
        return loop::next{steady_time::max(), event.fd()};
    });
    event.set();
    CHECK(seen.get_future().wait_for(5s) == std::future_status::ready);
}

TEST_CASE("loop: after a member is gone its step never runs again") {
    loop loop;
    for (int round = 0; round < 200; ++round) {
        auto alive = std::make_unique<std::atomic<int>>(0);
        {
            const auto member = loop.add([&] {
                ++*alive;
                return loop::next{std::chrono::steady_clock::now(), -1};
            });
            member->wake();
        }
        alive.reset();  // a step that still ran would write to freed memory (ASan)
    }
}

namespace {

// A member whose descriptor is an event, and which tells in which thread its step ran.
struct watched_event {
    explicit watched_event(loop& in)
        : member{in.add([this] {
              ran_in = std::this_thread::get_id();
              seen += event.clear() ? 1 : 0;
              ++calls;
              return loop::next{due, event.fd()};
          })} {
        while (calls == 0) std::this_thread::yield();
    }

    event_fd event;
    std::atomic<std::thread::id> ran_in{};
    std::atomic<steady_time> due{steady_time::max()};
    std::atomic<int> seen{0};
    std::atomic<int> calls{0};
    std::unique_ptr<loop::member> member;
};

// The loop's thread may be in the middle of a round: then nobody stands in, and it is tried again.
std::unique_ptr<loop::stand_in> standing_in(loop& of, const loop::member& member) {
    for (const auto end = std::chrono::steady_clock::now() + 5s; std::chrono::steady_clock::now() < end;)
        if (auto here = std::make_unique<loop::stand_in>(of, member.place()); *here) return here;
    FAIL("steps run all the time");
    return nullptr;
}

void run_here(watched_event& watched) {
    const auto end = std::chrono::steady_clock::now() + 5s;
    watched.ran_in = std::thread::id{};
    while (watched.ran_in.load() != std::this_thread::get_id() && std::chrono::steady_clock::now() < end)
        watched.member->run();
    CHECK(watched.ran_in.load() == std::this_thread::get_id());
}

}  // namespace

TEST_CASE("loop: whoever made something possible can run the step itself") {
    loop loop;
    watched_event watched{loop};
    CHECK(watched.ran_in.load() != std::this_thread::get_id());
    run_here(watched);
}

TEST_CASE("loop: a step that asks to be run is called again, not within itself") {
    loop loop;
    std::atomic<loop::member*> self{nullptr};
    std::atomic<int> calls{0};
    std::promise<void> twice;
    const auto member = loop.add([&] {
        CHECK(loop.in_step());
        if (self == nullptr) return loop::next{std::chrono::steady_clock::now(), -1};
        if (++calls == 1) self.load()->run();
        if (calls == 2) twice.set_value();
        return loop::next{};
    });
    self = member.get();
    CHECK(twice.get_future().wait_for(5s) == std::future_status::ready);
    CHECK_FALSE(loop.in_step());
}

TEST_CASE("loop: a step that another thread ran is due when it says") {
    // Only a run that was not left to the loop, which would wake it, leaves it asleep for longer than that.
    bool due_in_time = false;
    bool ran_here = false;
    for (int round = 0; round < 1000 && !ran_here; ++round) {
        loop loop;
        watched_event watched{loop};
        std::this_thread::yield();
        const int before = watched.calls;
        watched.due = std::chrono::steady_clock::now() + 20ms;
        watched.member->run();
        ran_here = watched.ran_in.load() == std::this_thread::get_id() && watched.calls == before + 1;
        watched.due = steady_time::max();
        const auto end = std::chrono::steady_clock::now() + 5s;
        while (ran_here && watched.calls == before + 1 && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        due_in_time = watched.calls > before + 1;
    }
    REQUIRE(ran_here);
    CHECK(due_in_time);
}

TEST_CASE("loop: while a thread stands in, the step runs there, and the loop sleeps") {
    loop loop;
    watched_event watched{loop};
    event_fd bell;
    for (int round = 1; round <= 100; ++round) {
        const auto here = standing_in(loop, *watched.member);
        std::thread other{[&] { watched.event.set(); }};
        here->wait(bell, std::chrono::steady_clock::now() + 5s);
        other.join();
        CHECK(watched.seen == round);
        CHECK(watched.ran_in.load() == std::this_thread::get_id());
    }
}

TEST_CASE("loop: when a stand-in has gone the loop watches the descriptor again") {
    loop loop;
    watched_event watched{loop};
    event_fd bell;
    {
        const auto here = standing_in(loop, *watched.member);
        here->wait(bell, std::chrono::steady_clock::now());
        CHECK(watched.seen == 0);
        watched.event.set();
    }
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (watched.seen == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(watched.seen == 1);
    CHECK(watched.ran_in.load() != std::this_thread::get_id());
}

TEST_CASE("loop: a stand-in wakes when its bell is rung and when the time has come") {
    loop loop;
    watched_event watched{loop};
    event_fd bell;
    const auto here = standing_in(loop, *watched.member);
    std::thread other{[&] { bell.set(); }};
    here->wait(bell, steady_time::max());
    other.join();
    CHECK(bell.clear());
    const auto from = std::chrono::steady_clock::now();
    here->wait(bell, from + 5ms);
    CHECK(std::chrono::steady_clock::now() - from >= 5ms);
}

TEST_CASE("loop: a member's wakes and times are the loop's while a thread stands in") {
    loop loop;
    watched_event watched{loop};
    event_fd bell;
    const auto here = standing_in(loop, *watched.member);
    const int before = watched.calls;
    watched.member->wake();
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (watched.calls == before && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(watched.calls > before);
}

TEST_CASE(
    "loop: nobody stands in, or waits for its lock, while a step is held up, and what comes is not lost") {
    loop loop;
    watched_event watched{loop};
    std::promise<void> held_up, go_on;
    std::atomic<bool> hold{true};
    const auto other = loop.add([&] {
        if (hold.exchange(false)) {
            held_up.set_value();
            go_on.get_future().wait();
        }
        return loop::next{};
    });
    held_up.get_future().wait();
    const loop::stand_in here{loop, watched.member->place()};
    CHECK_FALSE(here);
    const int before = watched.calls;
    watched.member->run();  // is left to the loop
    CHECK(watched.calls == before);
    go_on.set_value();
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (watched.calls == before && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(watched.calls > before);
    watched.event.set();  // and it still watches
    while (watched.seen == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(watched.seen == 1);
}

TEST_CASE("loop: a stand-in that outlives its member does nothing") {
    loop loop;
    event_fd bell;
    auto watched = std::make_unique<watched_event>(loop);
    const auto here = standing_in(loop, *watched->member);
    watched->member.reset();
    watched->event.set();
    here->wait(bell, std::chrono::steady_clock::now() + 1ms);
    CHECK(watched->seen == 0);
}

TEST_CASE("loop: a step that throws in a thread of the application leaves nothing behind") {
    loop loop;
    std::atomic<bool> ready{false};
    const auto own = std::this_thread::get_id();
    const auto member = loop.add([&] {
        if (std::this_thread::get_id() == own) throw std::runtime_error{"as it may"};
        ready = true;
        return loop::next{};
    });
    while (!ready) std::this_thread::yield();
    bool thrown = false;
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (!thrown && std::chrono::steady_clock::now() < end) try {
            member->run();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
    CHECK(thrown);
    CHECK_FALSE(loop.in_step());
}
