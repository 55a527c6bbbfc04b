#include "core/unsent.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace ferry;
using namespace std::chrono_literals;

TEST_CASE("unsent: a tracked frame has the same bytes, uncopied, and counts until it is released") {
    unsent counter;
    frame large{std::string(1000, 'x')};
    const char* bytes = large.view().data();
    {
        const frame tracked = counter.track(std::move(large));
        CHECK(tracked.view().data() == bytes);
        CHECK(counter.count() == 1);
        const frame copy = tracked;
        CHECK(counter.count() == 1);
        const frame small = counter.track("small");
        CHECK(small.view() == "small");
        CHECK(counter.count() == 2);
        CHECK(counter.wait_for_none(1ms) == 2);
    }
    CHECK(counter.wait_for_none(0ms) == 0);
}

TEST_CASE("unsent: a frame counts as all the messages that it carries") {
    unsent counter;
    frame batch = counter.track("a batch", 300);
    {
        const frame single = counter.track("x");
        CHECK(counter.count() == 301);
    }
    CHECK(counter.count() == 300);
    batch = frame{};
    CHECK(counter.wait_for_none(0ms) == 0);
}

TEST_CASE("unsent: a wait ends when the last frame is released, by whatever thread") {
    for (int round = 0; round < 200; ++round) {
        unsent counter;
        std::vector<frame> frames;
        for (int i = 0; i < 5; ++i) frames.push_back(counter.track("x"));
        std::thread releasing{[&] { frames.clear(); }};
        CHECK(counter.wait_for_none(10s) == 0);
        releasing.join();
    }
}

TEST_CASE("unsent: frames may outlive the counter") {
    frame survivor;
    {
        unsent counter;
        survivor = counter.track("x");
    }
    CHECK(survivor.view() == "x");
}
