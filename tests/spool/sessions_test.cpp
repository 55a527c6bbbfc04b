// What the two ends of a session owe each other: brain and sessions, without sockets.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;
using protocol::encode;
using protocol::run;

namespace {

template <typename Message>
Message answer_in(const std::vector<send_action>& said) {
    for (const send_action& each : said)
        if (Message found; protocol::kind_of(each.head) == Message::id && protocol::decode(each.head, found))
            return found;
    FAIL("not answered");
    return {};
}

std::ptrdiff_t puts_in(const std::vector<outgoing_message>& said) {
    return std::ranges::count_if(said, [](const outgoing_message& each) {
        return protocol::kind_of(each.head) == protocol::kind::put;
    });
}

}  // namespace

TEST_CASE("sessions: nobody settles, renews or is given back what another user has on lease") {
    table t;
    consumer_session& owner = t.consumer("owner");
    t.settle();
    t.put(3);
    t.settle();
    CHECK(t.take("owner").size() == 3);
    const std::uint64_t lease = t.leases.at(0);
    const auto thief = [&t](const auto& says) { return t.said_by(1'000'000, "thief", encode(says)); };
    thief(protocol::hello{});
    const protocol::join claiming{1, "s", "g", {}, {{lease, {{0, 3}}}}};
    CHECK(answer_in<protocol::joined>(thief(claiming)).leases.empty());
    const auto refused = [&thief](const auto& says, run which) {
        const auto done = answer_in<protocol::done>(thief(says));
        CHECK(done.runs.empty());
        CHECK(done.already.empty());
        CHECK(done.stale == std::vector<run>{which});
    };
    refused(protocol::ack{1, lease, {{0, 1}}}, {0, 1});
    refused(protocol::nack{1, lease, {{1, 1}}, std::nullopt, "stolen"}, {1, 1});
    refused(protocol::release{1, lease, {{2, 1}}}, {2, 1});
    refused(protocol::commit{1, lease, {{0, 1}}, 1, {}}, {0, 1});
    refused(protocol::extend{1, {lease}}, protocol::everything);
    t.settle();
    CHECK(t.the_group().floor({}) == 0);
    CHECK(t.take("owner").empty());
    for (const std::uint64_t offset : {0, 1, 2}) t.ack("owner", offset);
    t.settle();
    CHECK(owner.take_settled().stale.empty());
    CHECK(t.the_group().floor({}) == 3);
}

TEST_CASE("sessions: a consumer that renews a lease which is over is told so, and drops what it held") {
    table t;
    consumer_session& c = t.consumer("c", {.stream = "s", .group = "g", .lease_ms = 3000});
    t.settle();
    t.put(2);
    t.settle();
    const auto first = c.next(t.now().monotonic_ns);
    REQUIRE(first);
    // Too short for either end to miss the other; but what renewed the lease is lost.
    t.cut_off("c");
    t.pass(4 * second_ns);
    CHECK(!c.lease_over(first->lease, 0));
    t.plug_in("c");
    t.pass(3 * second_ns / 2);
    CHECK(c.lease_over(first->lease, 0));
    CHECK(c.take_settled().lost == std::vector<run>{{0, 1}});
    CHECK(t.take("c") ==
          std::map<std::uint64_t, std::uint64_t>{{0, 2}, {1, 2}});  // anew, now that it is heard
}

TEST_CASE(
    "sessions: an ack under a lease that was lost is stale, also when another has settled the message") {
    for (const bool seek : {false, true}) {
        CAPTURE(seek);
        table t;
        t.put(3);
        const auto late = [&t](const auto& says) { return t.said_by(1'000'000, "somebody", encode(says)); };
        late(protocol::hello{});
        late(protocol::join{1, "s", "g", {{"lease_ms", std::int64_t{2000}}}, {}});
        t.settle();
        const auto given = answer_in<protocol::deliver>(late(protocol::credit{1, 3, 1 << 20, 0}));
        REQUIRE(given.runs.size() == 1);
        REQUIRE(given.runs.front().count == 3);
        if (seek)
            REQUIRE(t.tell("group.seek", {{"stream", "s"}, {"group", "g"}, {"from", "first"}}).empty());
        else
            t.pass(3 * second_ns);
        t.consumer("other");
        t.settle();
        REQUIRE(t.work("other").size() == 3);
        t.pass(second_ns);
        const auto done = answer_in<protocol::done>(late(protocol::ack{1, given.lease, {{0, 2}}}));
        CHECK(done.stale == std::vector<run>{{0, 2}});
        CHECK(done.already.empty());
        CHECK(done.gone.empty());
        CHECK(t.counters().acks_stale == 2);
    }
}

TEST_CASE("sessions: an ack whose answer was lost is told again, and counts") {
    table t;
    consumer_session& who = t.consumer("who");
    t.settle();
    t.put(2);
    t.settle();
    CHECK(t.take("who").size() == 2);
    t.ack("who", 0);
    t.deaf("who");  // the spool hears it, the answer is lost
    t.pass(second_ns);
    t.reconnect("who");
    t.pass(second_ns);
    CHECK(who.all_answered());
    CHECK(who.take_settled().stale.empty());
    CHECK(t.counters().acks_stale == 0);
}

TEST_CASE("sessions: a delivery that was spoiled on the way is not handed out, and comes again, flagged") {
    table t;
    consumer_session& c = t.consumer("c");
    t.settle();
    t.on_the_way = [](send_action& what) {
        if (protocol::kind_of(what.head) != protocol::kind::deliver) return;
        std::string bytes{what.body->view};
        bytes.back() = static_cast<char>(bytes.back() ^ 1);
        what.body = shared_bytes::of(std::move(bytes));
    };
    t.put(1);
    t.settle();
    CHECK_FALSE(c.has_next());
    CHECK(c.frames_bad() == 1);
    t.on_the_way = {};
    t.pass(31 * second_ns);  // the length of a lease, and a little
    CHECK(t.take("c") == std::map<std::uint64_t, std::uint64_t>{{0, 2}});
}

TEST_CASE("sessions: a producer sends no more than its window, and goes on when the window moves") {
    const instant now{second_ns, second_ns};
    // Each message is a batch of 43 bytes.
    const auto sent_within = [now](std::uint64_t batches, std::uint64_t bytes) {
        producer_session session{{.stream = "s", .batch_bytes_max = 64}};
        session.tick(now);
        session.frame(encode(protocol::welcome{.incarnation = 1}), now);
        session.frame(encode(protocol::opened{1, "producer", 1, 0, batches, bytes}), now);
        const std::string body(40, 'x');
        for (int i = 0; i < 10; ++i) session.put(std::string_view{body}, now);
        session.flush();
        session.tick(now);
        const auto first = puts_in(session.take_output());
        session.frame(encode(protocol::stored{1, 1, 1, {{1, 1, 0, false}}, 0, batches + 2, bytes + 2 * 45}),
                      now);
        return std::pair{first, puts_in(session.take_output())};
    };
    CHECK(sent_within(3, 1 << 20) == std::pair<std::ptrdiff_t, std::ptrdiff_t>{3, 2});
    CHECK(sent_within(100, 4 * 45) == std::pair<std::ptrdiff_t, std::ptrdiff_t>{4, 2});
}

TEST_CASE("sessions: a thousand that open one after another are told windows that are the pool's together") {
    table t;
    std::uint64_t told = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const std::uint64_t session = 2'000'000 + i;
        t.said_by(session, "somebody", encode(protocol::hello{}));
        const protocol::open asked{1, "s", std::nullopt, std::nullopt, 0, {}};
        told += answer_in<protocol::opened>(t.said_by(session, "somebody", encode(asked))).window_bytes;
    }
    CHECK(told <= 2 * brain_options{}.pool_bytes);
}

TEST_CASE("sessions: a thousand consumers that read nothing are sent what is the pool's together") {
    table t;
    std::uint64_t sent = 0;
    const auto count = [&sent](const send_action& each) { sent += each.body ? each.body->view.size() : 0; };
    t.on_the_way = count;
    const auto say = [&](std::uint64_t session, const auto& says) {
        std::ranges::for_each(t.said_by(session, "somebody", encode(says)), count);
    };
    for (std::uint64_t i = 0; i < 1000; ++i) {
        say(2'000'000 + i, protocol::hello{});
        say(2'000'000 + i, protocol::join{1, "s", "g" + std::to_string(i % 4), {}, {}});
        say(2'000'000 + i, protocol::credit{1, 1'000'000, 1 << 30, 0});
    }
    for (int i = 0; i < 40; ++i) t.put(std::vector<message>(500, message{std::string(1000, 'x')}));
    t.settle();
    CHECK(t.the_stream_next() == 20'000);
    CHECK(sent > brain_options{}.pool_bytes);
    CHECK(sent <= 4 * brain_options{}.pool_bytes);
}

TEST_CASE("sessions: what was lost with a lease, or spoiled on the way, uses up no credit for bytes") {
    table t;
    consumer_session& c = t.consumer("c", {.stream = "s",
                                           .group = "g",
                                           .lease_ms = 1000,
                                           .max_attempts = 1000,
                                           .backoff_ms = "0",
                                           .credit_messages = 1000,
                                           .credit_bytes = 2000});
    t.put(1000);
    const auto given = [&] {
        for (int i = 0; i < 10 && !c.has_next(); ++i) t.leap(2 * second_ns);
        return c.has_next();
    };
    for (int i = 0; i < 5; ++i) {
        REQUIRE(given());
        t.leap(2 * second_ns);  // all that it was sent ends unread, with its lease
    }
    t.on_the_way = [](send_action& each) {
        if (each.body) each.body = shared_bytes::of(std::string(each.body->view.size(), '!'));
    };
    for (int i = 0; i < 100; ++i) t.leap(2 * second_ns);
    CHECK(c.frames_bad() > protocol::frames_ahead_max);
    t.on_the_way = {};
    CHECK(given());
}

TEST_CASE("sessions: of one that says it sent more than was heard nothing is taken before its next HELLO") {
    table t;
    const auto says = [&t](const auto& what) { return t.said_by(7, "somebody", encode(what)); };
    answer_in<protocol::welcome>(says(protocol::hello{}));
    CHECK(answer_in<protocol::pong>(says(protocol::ping{1, 0})).frames == 0);
    CHECK(answer_in<protocol::pong>(says(protocol::ping{2, 1})).frames == 1);
    CHECK(answer_in<protocol::error>(says(protocol::ping{3, 3})).code == protocol::code::no_session);
    CHECK(t.counters().sessions_lossy == 1);
    CHECK(answer_in<protocol::error>(says(protocol::open{1, "s"})).code == protocol::code::no_session);
    answer_in<protocol::welcome>(says(protocol::hello{}));
    CHECK(answer_in<protocol::pong>(says(protocol::ping{4, 0})).frames == 0);
}

TEST_CASE("sessions: an ack that did not arrive is sent again, and so is what the spool said to nobody") {
    table t;
    t.consumer("one");
    t.settle();
    t.put(2);
    t.settle();
    CHECK(t.take("one").size() == 2);
    t.cut_off("one");
    t.ack("one", 0);
    t.settle();
    t.plug_in("one");
    t.pass(4 * second_ns);
    CHECK(t.the_group().floor({}) == 1);
    bool deaf = true;
    t.on_the_way = [&deaf](send_action& each) {
        if (deaf && protocol::kind_of(each.head) == protocol::kind::done) each.head.clear();
    };
    t.ack("one", 1);
    t.settle();
    CHECK(t.the_group().floor({}) == 2);
    CHECK_FALSE(t.session("one").all_answered());
    deaf = false;
    t.pass(4 * second_ns);
    CHECK(t.session("one").all_answered());
}

TEST_CASE("sessions: what a socket does not take keeps its place before what is said later") {
    table t;
    const auto says = [&t](const auto& what) { return t.said_by(7, "somebody", encode(what)); };
    says(protocol::hello{});
    t.stuffed = 7;
    CHECK(says(protocol::ping{1, 0}).empty());
    CHECK(says(protocol::open{1, "not a name"}).empty());
    t.stuffed = 0;
    std::vector<std::uint64_t> tokens;
    for (const send_action& each : says(protocol::ping{3, 0}))
        if (protocol::pong pong; protocol::decode(each.head, pong)) {
            tokens.push_back(pong.token);
            CHECK(pong.frames == (pong.token == 1 ? 0 : 2));
        }
    CHECK(tokens == std::vector<std::uint64_t>{1, 3});
}

TEST_CASE("sessions: what is ready waits for the next HELLO of one that lost frames, and uses no attempt") {
    table t;
    t.consumer("one");
    t.settle();
    int given_to_nobody = 0;
    bool over = false;
    t.on_the_way = [&](send_action& each) {
        if (protocol::error said; protocol::decode(each.head, said)) over = said.code == "no-session";
        if (protocol::kind_of(each.head) == protocol::kind::welcome) over = false;
        if (protocol::kind_of(each.head) == protocol::kind::deliver) given_to_nobody += over;
    };
    t.put(1);
    t.settle();
    CHECK(t.take("one").size() == 1);
    t.cut_off("one");
    t.ack("one", 0);
    t.settle();
    t.plug_in("one");
    for (int i = 0; i < 40; ++i) {
        t.put(1);
        t.pass(second_ns / 10);
    }
    CHECK(t.counters().sessions_lossy == 1);
    CHECK(given_to_nobody == 0);
    for (const auto& [offset, attempt] : t.take("one")) CHECK(attempt == 1);
    CHECK(t.the_group().returned_count() + t.the_group().delayed_count() == 0);
}

TEST_CASE("sessions: a frame that is no frame counts, so that who says it is not taken for one that loses") {
    table t;
    const auto says = [&t](const auto& what) { return t.said_by(7, "somebody", encode(what)); };
    says(protocol::hello{});
    t.said_by(7, "somebody", "\x01");
    CHECK(answer_in<protocol::pong>(says(protocol::ping{1, 1})).frames == 1);
    CHECK(t.counters().sessions_lossy == 0);
}

namespace {

// Ten messages in several frames, for a consumer whose first failure would make a dead letter.
void put_large(table& t) {
    t.consumer("one", {.stream = "s", .group = "g", .max_attempts = 1, .credit_messages = 100});
    t.settle();
    t.put(std::vector<message>(10, message{std::string(20'000, 'x')}));
    t.settle();
    for (int round = 0; round < 3; ++round) {  // its credit for bytes grows
        for (const auto& [offset, attempt] : t.take("one")) t.ack("one", offset);
        t.settle();
    }
}

void check_given_unflagged(table& t, const std::string& name) {
    std::size_t got = 0;
    for (std::size_t before = 1; before != got;) {
        before = got;
        t.settle();
        for (const auto& [offset, attempt] : t.take(name)) {
            CHECK(attempt == 1);
            t.ack(name, offset);
            ++got;
        }
    }
    CHECK(got == 10);
}

}  // namespace

TEST_CASE("sessions: what a turn had for a peer that is gone is given to the next one at once, unflagged") {
    table t;
    put_large(t);
    t.gone = t.session_of("one");
    t.put(std::vector<message>(10, message{std::string(20'000, 'y')}));
    t.settle();
    CHECK(t.the_group().leased_count() == 0);
    t.cut_off("one");
    t.gone = 0;
    t.consumer("two", {.stream = "s", .group = "g", .max_attempts = 1, .credit_messages = 100});
    check_given_unflagged(t, "two");
}

TEST_CASE(
    "sessions: what no socket took is given to the next one at once, unflagged, whatever ends the session") {
    for (const bool greets_again : {true, false}) {
        table t;
        put_large(t);
        t.stuffed = t.session_of("one");
        t.put(std::vector<message>(10, message{std::string(20'000, 'y')}));
        t.settle();
        CHECK(t.the_group().leased_count() > 1);
        if (greets_again)
            t.said_by(t.stuffed, "somebody", encode(protocol::hello{}));
        else
            t.disconnect("one");
        CHECK(t.the_group().leased_count() == 0);
        t.stuffed = 0;
        if (greets_again) t.cut_off("one");
        t.consumer("two", {.stream = "s", .group = "g", .max_attempts = 1, .credit_messages = 100});
        check_given_unflagged(t, "two");
    }
}

TEST_CASE("sessions: a wall clock that is set ends no lease early, and holds none up") {
    for (const std::int64_t hours : {-1, 1}) {
        CAPTURE(hours);
        table t;
        t.put(2);
        t.consumer("lives", {.stream = "s", .group = "g", .lease_ms = 2000, .credit_messages = 1});
        t.settle();
        CHECK(t.take("lives") == std::map<std::uint64_t, std::uint64_t>{{0, 1}});
        t.consumer("dies", {.stream = "s", .group = "g", .lease_ms = 2000, .credit_messages = 1});
        t.settle();
        CHECK(t.take("dies") == std::map<std::uint64_t, std::uint64_t>{{1, 1}});
        t.cut_off("dies");
        t.consumer("waits");
        t.set_clock(hours * 3600 * static_cast<std::int64_t>(second_ns));
        t.pass(second_ns);
        CHECK(t.take("waits").empty());
        t.pass(2 * second_ns);
        CHECK(t.take("waits") == std::map<std::uint64_t, std::uint64_t>{{1, 2}});
        t.pass(20 * second_ns);
        CHECK(t.take("waits").empty());
        CHECK(t.counters().leases_expired == 1);
    }
}

TEST_CASE(
    "sessions: what a consumer that stands still had is not given to it again, but to one that is heard") {
    for (int others = 1; others < 4; ++others) {
        CAPTURE(others);
        table t;
        const auto join = [&](const std::string& name) {
            t.consumer(name, {.stream = "s", .group = "g", .lease_ms = 2000, .credit_messages = 10});
            t.settle();
        };
        join("stops");
        t.put(1);
        t.settle();
        CHECK(t.take("stops") == std::map<std::uint64_t, std::uint64_t>{{0, 1}});
        for (int i = 0; i < others; ++i) join("waits " + std::to_string(i));
        t.cut_off("stops");
        t.pass(5 * second_ns / 2);
        std::map<std::uint64_t, std::uint64_t> got;
        for (int i = 0; i < others; ++i)
            for (const auto& each : t.take("waits " + std::to_string(i))) {
                got.insert(each);
                t.ack("waits " + std::to_string(i), each.first);
            }
        CHECK(got == std::map<std::uint64_t, std::uint64_t>{{0, 2}});
        // When it is heard again it has its turn as before.
        t.plug_in("stops");
        t.settle();
        for (int i = 0; i < others; ++i) t.disconnect("waits " + std::to_string(i));
        t.put(1);
        t.settle();
        t.pass(3 * second_ns);
        CHECK(t.take("stops") == std::map<std::uint64_t, std::uint64_t>{{1, 1}});
    }
}

TEST_CASE("sessions: what a thousand producers put into a thousand streams in a turn shares one sync") {
    table t;
    std::vector<producer_session*> all;
    for (int i = 0; i < 1000; ++i)
        all.push_back(&t.producer("p" + std::to_string(i), {.stream = "s" + std::to_string(i)}));
    t.settle();
    std::vector<put_place> places;
    for (producer_session* each : all)
        for (int i = 0; i < 3; ++i) places.push_back(each->put(message{"x"}, t.now()));
    for (producer_session* each : all) each->flush();
    const std::uint64_t before = t.disk().syncs();
    t.settle();
    for (const put_place& each : places) CHECK(each.now().is == message_fate::state::stored);
    CHECK(t.counters().messages_stored == 3000);
    CHECK(t.disk().syncs() - before <= 2);
}

TEST_CASE("sessions: options that nobody knows are refused, not ignored") {
    table t;
    t.put(1);
    const auto said = [&](const std::string& head) {
        t.said_by(900, "somebody", protocol::encode(protocol::hello{}));
        return answer_in<protocol::error>(t.said_by(900, "somebody", head)).code;
    };
    const header_map odd{{"zzz", std::int64_t{1}}};
    CHECK(said(encode(protocol::join{1, "s", "g", odd, {}})) == protocol::code::bad_option);
    CHECK(said(encode(protocol::join{1, "s", "g", {{"until", std::int64_t{1}}}, {}})) ==
          protocol::code::bad_option);
    CHECK(said(encode(protocol::join{1, "s", std::nullopt, odd, {}})) == protocol::code::bad_option);
    CHECK(said(encode(protocol::open{2, "s", std::nullopt, std::nullopt, 0, odd})) ==
          protocol::code::bad_option);
    CHECK(t.admin("group.create", {{"group", "h"}, {"zzz", std::int64_t{1}}}).code ==
          protocol::code::bad_option);
    CHECK(t.admin("group.create", {{"group", "h"}, {"lease_ms", std::int64_t{1000}}}).code ==
          protocol::code::bad_option);
    CHECK(t.the_stream().groups.empty());
    CHECK(said(encode(protocol::join{0, "s", "g", {}, {}})) == protocol::code::bad_frame);
    CHECK(said(encode(protocol::open{0, "s", std::nullopt, std::nullopt, 0, {}})) ==
          protocol::code::bad_frame);
}

TEST_CASE("sessions: a producer whose name somebody took over puts nothing more, over a restart as well") {
    for (const bool restarts : {false, true}) {
        CAPTURE(restarts);
        table t;
        const auto put = [&](producer_session& by, const char* body) {
            const put_place place = by.put(message{body}, t.now());
            by.flush();
            t.settle();
            return place;
        };
        producer_session& old = t.producer("a", {.stream = "s", .name = "line"});
        CHECK(put(old, "o1").now().offset == 0);
        producer_session& fresh = t.producer("b", {.stream = "s", .name = "line"});
        CHECK(put(fresh, "n1").now().offset == 1);
        // The old one has heard nothing of it, and its connection is made again.
        if (restarts)
            t.restart(true);
        else
            t.producer_reconnects("a");
        const put_place late = put(old, "o2");
        CHECK(late.now().is == message_fate::state::refused);
        CHECK(late.fate->code(late.index) == protocol::code::fenced);
        const put_place next = put(fresh, "n2");
        CHECK(next.now().is == message_fate::state::stored);
        CHECK(next.now().offset == 2);
        CHECK_FALSE(next.now().duplicate);
        CHECK(t.the_stream().next == 3);
    }
}

TEST_CASE("sessions: a producer that is told another epoch than it holds takes it for being fenced") {
    producer_session session{{.stream = "s", .name = "line"}};
    const instant now{second_ns, second_ns};
    const auto answer = [&](std::uint64_t epoch, std::uint64_t last) {
        std::uint64_t channel = 0;
        for (const auto& each : session.take_output())
            if (protocol::open asked;
                protocol::kind_of(each.head) == protocol::kind::open && protocol::decode(each.head, asked))
                channel = asked.channel;
        session.frame(encode(protocol::opened{channel, "12345678", epoch, last, 64, 1 << 20}), now);
    };
    session.put(message{"x"}, now);
    session.tick(now);
    session.frame(encode(protocol::welcome{protocol::version, 1, {}}), now);
    answer(1, 0);
    CHECK(session.failed_code().empty());
    session.reconnected();
    session.tick(now);
    session.frame(encode(protocol::welcome{protocol::version, 1, {}}), now);
    answer(3, 7);
    CHECK(session.failed_code() == protocol::code::fenced);
}

TEST_CASE("sessions: pieces that are never finished take no more of a session than one message may") {
    table t;
    t.said_by(900, "somebody", encode(protocol::hello{}));
    const auto say = [&](const std::string& head, const std::string& body) {
        return t.said_by(900, "somebody", head, shared_bytes::of(std::string{body}));
    };
    const std::string piece(batch_bytes_max, 'x');
    for (std::uint64_t channel = 1; channel <= 200; ++channel) {
        t.said_by(900, "somebody", encode(protocol::open{channel, "s", std::nullopt, std::nullopt, 0, {}}));
        say(encode(protocol::part{channel, 0, 3}), piece);
    }
    CHECK(t.part_bytes(900) <= (16U << 20) + batch_bytes_max);
    // What ends one that was not kept is refused, and sent again it is not lost.
    say(encode(protocol::part{200, 1, 3}), piece);
    say(encode(protocol::part{200, 2, 3}), piece);
    const auto refused =
        answer_in<protocol::refused>(say(encode(protocol::put{200, 0, 1, 1, 0, 0, 1}), piece));
    CHECK(refused.code == protocol::code::out_of_order);
    CHECK(t.counters().frames_over_window == 1);
}

TEST_CASE("sessions: values that cannot be are refused, and arguments that nobody knows") {
    table t;
    t.put(1);
    REQUIRE(t.admin("group.create", {{"group", "g"}}).code.empty());
    t.said_by(900, "somebody", encode(protocol::hello{}));
    const auto open = [&](const header_map& options) {
        return answer_in<protocol::error>(
                   t.said_by(900, "somebody",
                             encode(protocol::open{1, "s", std::nullopt, std::nullopt, 0, options})))
            .code;
    };
    const auto join = [&](const header_map& options, bool reader = false) {
        const auto group = reader ? std::nullopt : std::optional<std::string>{"g"};
        return answer_in<protocol::error>(
                   t.said_by(900, "somebody", encode(protocol::join{2, "s", group, options, {}})))
            .code;
    };
    using std::int64_t;
    for (const header_map& wrong : {header_map{{"grade", int64_t{-1}}},
                                    {{"grade", "1"}},
                                    {{"create", int64_t{2}}},
                                    {{"create", "0"}},
                                    {{"dedup", int64_t{-1}}}})
        CHECK(open(wrong) == protocol::code::bad_option);
    for (const header_map& wrong :
         {header_map{{"lease_ms", int64_t{-1}}}, {{"from", int64_t{5}}}, {{"create", "0"}}})
        CHECK(join(wrong) == protocol::code::bad_option);
    CHECK(join({{"until", int64_t{-1}}}, true) == protocol::code::bad_option);
    CHECK(join({{"from", "18446744073709551615"}}, true) == protocol::code::bad_option);
    for (const auto& [command, more] : {std::pair<const char*, const char*>{"dead.drop", "ofsets"},
                                        {"stream.purge", "offsets"},
                                        {"group.pause", "until"}})
        CHECK(t.admin(command, {{"group", "g"}, {more, "1"}}).code == protocol::code::bad_option);
    CHECK(t.admin("dead.list", {{"group", "g"}, {"from", "x"}}).code == protocol::code::bad_option);
    CHECK(t.the_stream().messages() == 1);
}

TEST_CASE("sessions: a consumer that leaves waits for no stream that is full") {
    table t;
    t.put(1);
    REQUIRE(t.tell("stream.create", {{"stream", "out"}, {"max_messages", std::int64_t{1}}}).empty());
    producer_session& filler = t.producer("filler", {.stream = "out"});
    filler.put(message{"x"}, t.now());
    filler.flush();
    consumer_session& c = t.consumer("c");
    t.settle();
    const auto given = c.next(t.now().monotonic_ns);
    REQUIRE(given);
    std::string batch;
    append_item(batch, message{"result"});
    const auto fate = c.commit(given->lease, given->offset, {{"out", 1, batch}}, t.now());
    t.pass(second_ns);
    CHECK(fate->is == commit_fate::state::pending);
    c.leave(t.now());
    t.settle();
    CHECK(c.left());
    CHECK(fate->is == commit_fate::state::refused);
    CHECK(fate->code == protocol::code::full);
    t.consumer("next");
    t.settle();
    CHECK(t.take("next") == std::map<std::uint64_t, std::uint64_t>{{0, 2}});
    t.pass(3 * second_ns);
    CHECK(c.left());  // whatever is said after it
}

TEST_CASE(
    "sessions: what is put on a channel that is open still is fenced when somebody took the name over") {
    table t;
    const std::optional<std::string> name{"line"};
    for (const std::uint64_t session : {900, 901}) {
        t.said_by(session, "somebody", encode(protocol::hello{}));
        const auto told = answer_in<protocol::opened>(
            t.said_by(session, "somebody", encode(protocol::open{1, "s", name, std::nullopt, 0, {}})));
        CHECK(told.epoch == session - 899);
    }
    std::string batch;
    append_item(batch, message{"x"});
    const auto put = [&](std::uint64_t session) {
        return t.said_by(session, "somebody", encode(protocol::put{1, 0, 1, 1, 0, 0, 1}),
                         shared_bytes::of(std::string{batch}));
    };
    CHECK(answer_in<protocol::refused>(put(900)).code == protocol::code::fenced);
    CHECK(answer_in<protocol::stored>(put(901)).up_to == 1);
    CHECK(t.the_stream().next == 1);
}

TEST_CASE("sessions: who opens again has nothing left of the pieces that were under way") {
    table t;
    t.said_by(900, "somebody", encode(protocol::hello{}));
    const auto told = answer_in<protocol::opened>(
        t.said_by(900, "somebody", encode(protocol::open{1, "s", std::nullopt, std::nullopt, 0, {}})));
    // The first channel stays, for a confirm is due on it.
    t.hold_syncs();
    std::string batch;
    append_item(batch, message{"x"});
    t.said_by(900, "somebody", encode(protocol::put{1, 0, 1, 1, 0, 0, 1}),
              shared_bytes::of(std::string{batch}));
    t.said_by(900, "somebody", encode(protocol::part{1, 0, 3}),
              shared_bytes::of(std::string(batch_bytes_max, 'x')));
    CHECK(t.part_bytes(900) == batch_bytes_max);
    t.said_by(900, "somebody",
              encode(protocol::open{2, "s", std::nullopt, told.producer_id, told.epoch, {}}));
    CHECK(t.part_bytes(900) == 0);
}
