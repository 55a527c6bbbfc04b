// A client's link to a spool that is played by the test.
#include "core/spool_link.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace ferry;
using change = spool_link::change;

namespace {

constexpr std::uint64_t second = 1'000'000'000;

instant at(std::uint64_t ns) {
    return {ns, 1'700'000'000 * second + ns};
}

protocol::kind kind_of(const outgoing_message& each) {
    return protocol::kind_of(each.head).value();
}

// What it sends when it is asked, with so many frames of the session's own before.
std::vector<outgoing_message> said(spool_link& by, std::uint64_t now_ns, int own = 0) {
    std::vector<outgoing_message> out;
    for (int i = 0; i < own; ++i) out.push_back({encode(protocol::leave{1, 0}), std::nullopt});
    by.tick(at(now_ns), false, out);
    return by.counted(std::move(out));
}

void greet(spool_link& by, std::uint64_t now_ns) {
    const auto hello = said(by, now_ns);
    REQUIRE(hello.size() == 1);
    REQUIRE(kind_of(hello[0]) == protocol::kind::hello);
    REQUIRE(by.frame(encode(protocol::welcome{protocol::version, 1, {}}), at(now_ns)) == change::up);
}

}  // namespace

TEST_CASE("spool link: a PING says how many frames were sent in this session before it") {
    spool_link link{"test"};
    greet(link, second);
    CHECK(said(link, second, 3).size() == 3);
    const auto out = said(link, 3 * second, 2);
    REQUIRE(out.size() == 3);
    protocol::ping ping;
    REQUIRE(decode(out[2].head, ping));
    CHECK(ping.frames == 5);
    link.drop();
    greet(link, 4 * second);
    const auto again = said(link, 6 * second);
    REQUIRE(again.size() == 1);
    REQUIRE(decode(again[0].head, ping));
    CHECK(ping.frames == 0);
}

TEST_CASE("spool link: once an interval there is a PING, whatever is heard") {
    spool_link link{"test"};
    greet(link, second);
    int pings = 0;
    for (int tenths = 1; tenths <= 100; ++tenths) {
        const std::uint64_t now_ns = second + tenths * (second / 10);
        CHECK(link.frame(encode(protocol::pong{0, 1}), at(now_ns)) == change::none);
        pings += static_cast<int>(said(link, now_ns).size());
    }
    CHECK(pings == 5);
}

TEST_CASE("spool link: who heard fewer frames than the PONG says says HELLO again") {
    spool_link link{"test"};
    greet(link, second);
    const auto hears_pong = [&](std::uint64_t frames) {
        return link.frame(encode(protocol::pong{7, 1, frames}), at(second));
    };
    CHECK(hears_pong(0) == change::none);
    CHECK(link.frame(encode(protocol::error{1, "removed", ""}), at(second)) == change::not_mine);
    CHECK(hears_pong(2) == change::none);
    CHECK(hears_pong(4) == change::lost);
    greet(link, 2 * second);
    CHECK(hears_pong(0) == change::none);
}
