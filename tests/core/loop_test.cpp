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
