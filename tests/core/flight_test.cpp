// What a sender lets be under way, by how long round trips take.
#include "core/flight.hpp"

#include <doctest/doctest.h>

using namespace ferry;

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t kib = 1 << 10;

/// Sends as much as there is room for, and has it measured; gives how much that was.
std::uint64_t round_trip(flight& of, std::uint64_t& now_ns, std::uint64_t took_ns) {
    std::uint64_t sent = 0;
    for (; of.room_for(kib) && sent < 64 * kib * kib; sent += kib) of.sent(kib);
    if (of.wants_ping()) {
        const std::uint64_t token = of.pinged(now_ns);
        now_ns += took_ns;
        CHECK(of.ponged(token, now_ns));
    }
    return sent;
}

}  // namespace

TEST_CASE("flight: quick round trips double what may be under way until nothing is held back") {
    flight of{8192 * kib};
    std::uint64_t now = 1;
    for (std::uint64_t most = 64 * kib; most < 8192 * kib; most *= 2) {
        CHECK(of.limit() == most);
        CHECK(round_trip(of, now, ms) == most);
    }
    CHECK(of.free());
    CHECK(!of.wants_ping());
    CHECK(of.room_for(~std::uint64_t{0} / 2));
}

TEST_CASE("flight: slow round trips halve it, down to a little that always goes") {
    flight of{8192 * kib};
    std::uint64_t now = 1;
    for (int i = 0; i < 20; ++i) round_trip(of, now, 5000 * ms);
    CHECK(of.limit() == 8 * kib);
    CHECK(round_trip(of, now, 500 * ms) == 8 * kib);
    CHECK(of.limit() == 8 * kib);
    CHECK(of.room_for(1024 * kib));  // nothing is under way: one that is larger goes
    of.sent(1024 * kib);
    CHECK(!of.room_for(1));
}

TEST_CASE("flight: little under way is not measured, and answers make room without a PING") {
    flight of{8192 * kib};
    of.arrived(of.sent(15 * kib));
    const std::uint64_t second = of.sent(15 * kib);
    CHECK(!of.wants_ping());
    of.sent(49 * kib);
    CHECK(of.wants_ping());
    CHECK(!of.room_for(kib));
    of.arrived(second);
    CHECK(of.room_for(kib));
    of.arrived(of.sent(0) + 100 * kib);  // no more than was sent
    CHECK(of.room_for(64 * kib));
    CHECK(!of.ponged(0, 5));  // not asked for
}

TEST_CASE("flight: a connection that ended while it was measured is followed by one that begins with less") {
    flight of{8192 * kib};
    std::uint64_t now = 1;
    round_trip(of, now, ms);
    of.restart();
    CHECK(of.limit() == 64 * kib);
    for (std::uint64_t most = 32 * kib; most >= 8 * kib; most /= 2) {
        of.sent(64 * kib);
        of.pinged(now);
        of.restart();
        CHECK(of.limit() == most);
    }
}
