#include "patterns/remembered_replies.hpp"

#include <doctest/doctest.h>

using namespace ferry;

namespace {

std::vector<frame> bytes(std::size_t size) {
    std::vector<frame> frames;
    frames.emplace_back(size);
    return frames;
}

}  // namespace

TEST_CASE("remembered replies: a request is new once, then running, then answered with the same reply") {
    remembered_replies recent{10, 1000};
    CHECK_FALSE(recent.begin("a").again);
    const auto running = recent.begin("a");
    CHECK(running.again);
    CHECK_FALSE(running.reply.has_value());
    std::vector<frame> reply;
    reply.emplace_back("42");
    recent.finish("a", reply);
    const auto answered = recent.begin("a");
    CHECK(answered.again);
    REQUIRE(answered.reply.has_value());
    CHECK(answered.reply->at(0).view() == "42");
}

TEST_CASE("remembered replies: the oldest are forgotten beyond so many requests and so many bytes") {
    remembered_replies recent{3, 1000};
    for (const char* id : {"a", "b", "c"}) {
        recent.begin(id);
        recent.finish(id, bytes(100));
    }
    recent.begin("d");  // a is forgotten
    CHECK(recent.size() == 3);
    CHECK_FALSE(recent.begin("a").again);  // and b for it
    CHECK(recent.begin("c").again);
    recent.finish("d", bytes(950));  // c and d are above a thousand bytes; d was used before c
    CHECK(recent.size() < 3);
    recent.finish("gone", bytes(10));  // forgotten while it ran: nothing to remember
    CHECK_FALSE(recent.begin("gone").again);
}

TEST_CASE("remembered replies: none are kept when so chosen") {
    remembered_replies recent{0, 0};
    CHECK_FALSE(recent.begin("a").again);
    recent.finish("a", bytes(1));
    CHECK_FALSE(recent.begin("a").again);
}
