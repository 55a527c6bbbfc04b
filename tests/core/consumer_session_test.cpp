// A consumer's side of leaving, told by hand what a spool says.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/batch.hpp"
#include "core/consumer_session.hpp"

using namespace ferry;
using protocol::encode;
using protocol::kind;

namespace {

struct scripted {
    instant now{1'000'000'000, 2'000'000'000};
    consumer_session session{{.stream = "s", .group = "g"}};
    std::uint64_t channel = 0;

    scripted() {
        session.tick(now);
        session.frame(encode(protocol::welcome{.incarnation = 1}), std::nullopt, now);
        session.tick(now);
        protocol::join asked;
        for (const outgoing_message& each : session.take_output())
            if (protocol::kind_of(each.head) == kind::join && protocol::decode(each.head, asked))
                channel = asked.channel;
        REQUIRE(channel != 0);
        session.frame(encode(protocol::joined{.channel = channel, .lease_ms = 30'000}), std::nullopt, now);
        said();
    }

    void deliver(std::uint64_t lease, std::uint64_t offset) {
        std::string batch;
        append_item(batch, message{"x"});
        session.frame(encode(protocol::deliver{channel, lease, 30'000, {{offset, 1, 1, 0}}, 0, 0}),
                      shared_bytes::of(std::move(batch)), now);
    }

    std::vector<kind> said() {
        now.monotonic_ns += 1'000'000;
        session.tick(now);
        std::vector<kind> all;
        for (const outgoing_message& each : session.take_output())
            all.push_back(*protocol::kind_of(each.head));
        return all;
    }
};

bool has(const std::vector<kind>& all, kind one) {
    return std::ranges::find(all, one) != all.end();
}

}  // namespace

TEST_CASE("leaving: what comes meanwhile is left to LEAVE, which says what had come before") {
    scripted c;
    c.deliver(1, 0);
    const auto held = c.session.next(c.now.monotonic_ns);
    REQUIRE(held);
    c.session.ack(held->lease, 0);
    CHECK(has(c.said(), kind::ack));
    c.session.leave(c.now);
    c.deliver(2, 1);  // before the ack is answered, so before LEAVE
    CHECK(c.said().empty());
    c.session.frame(encode(protocol::done{c.channel, 1, 1, {{0, 1}}, {}, {}, {}}), std::nullopt, c.now);
    c.session.tick(c.now);
    protocol::leave left;
    for (const outgoing_message& each : c.session.take_output())
        if (protocol::kind_of(each.head) == kind::leave) CHECK(protocol::decode(each.head, left));
    CHECK(left.frames == 1);
    c.deliver(3, 2);  // behind LEAVE
    CHECK(c.said().empty());
    CHECK_FALSE(c.session.next(c.now.monotonic_ns));
}

TEST_CASE("leaving: a spool that does not know the channel any more was left, and is not joined again") {
    scripted c;
    c.session.leave(c.now);
    CHECK(has(c.said(), kind::leave));
    CHECK_FALSE(c.session.left());
    c.session.frame(encode(protocol::error{c.channel, std::string{protocol::code::no_channel}, "gone"}),
                    std::nullopt, c.now);
    CHECK(c.session.left());
    CHECK_FALSE(has(c.said(), kind::join));
}
