// Work whose instructions tests/speed/run counts: nearly the same each time. A spool's whole way runs in one
// thread on a clock that is told; push/pull and pub/sub go over inproc, without a thread of libzmq's on the
// way.
//
// FERRY_MESSAGES says how many go; what more of them cost, divided by how many more they are, is the price of
// one message. The suite plays a few and sees that they arrive.
#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "ferry/publisher.hpp"
#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "ferry/subscriber.hpp"
#include "tests/spool/table.hpp"
#include "tests/support/process.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

constexpr std::uint64_t burst = 500;

std::uint64_t bursts() {
    const char* messages = std::getenv("FERRY_MESSAGES");
    return messages != nullptr ? std::stoull(messages) / burst : 2;
}

std::string body() {
    return std::string(100, 'x');
}

bool is_body(const std::optional<message>& got) {
    REQUIRE(got);
    return got->body() == body();
}

void put_burst(table& t) {
    producer_session& by = t.producer("p", {.stream = "s"});
    for (std::uint64_t i = 0; i < burst; ++i) by.put(message{body()}, t.now());
    by.flush();
    t.settle();
}

}  // namespace

TEST_CASE("instructions: put") {
    table t;
    for (std::uint64_t i = 0; i < bursts(); ++i) put_burst(t);
    CHECK(t.the_stream_next() == bursts() * burst);
}

TEST_CASE("instructions: put, taken and acked") {
    table t;
    put_burst(t);
    consumer_session& who = t.consumer("c", {.stream = "s", .group = "g", .credit_messages = 2 * burst});
    std::uint64_t taken = 0;
    for (std::uint64_t i = 0; i < bursts(); ++i) {
        put_burst(t);
        while (const auto item = who.next(t.now().monotonic_ns)) {
            who.ack(item->lease, item->offset);
            ++taken;
        }
    }
    t.settle();
    CHECK(taken == (1 + bursts()) * burst);
    CHECK(t.the_group().floor(t.the_stream().lanes) == taken);
}

TEST_CASE("instructions: pushed and pulled") {
    context context;
    puller in{context, ferry::bind("inproc://instructions")};
    pusher out{context, ferry::connect("inproc://instructions")};
    std::uint64_t pulled = 0;
    for (std::uint64_t i = 0; i < bursts(); ++i) {
        for (std::uint64_t sent = 0; sent < burst; ++sent) out.send(body());
        for (std::uint64_t got = 0; got < burst; ++got) pulled += is_body(in.receive(patience));
    }
    CHECK(pulled == bursts() * burst);
}

TEST_CASE("instructions: published and received, losses counted") {
    context context;
    publisher out{context, ferry::bind("inproc://instructions"), {.envelope = envelope_mode::full}};
    subscriber in{context, ferry::connect("inproc://instructions")};
    out.wait_for_subscribers(1);
    std::uint64_t received = 0;
    for (std::uint64_t i = 0; i < bursts(); ++i) {
        for (std::uint64_t sent = 0; sent < burst; ++sent)
            out.publish(frame{std::string_view{"topic"}}, frame{body()});
        for (std::uint64_t got = 0; got < burst; ++got) received += is_body(in.receive(patience));
    }
    CHECK(received == bursts() * burst);
}
