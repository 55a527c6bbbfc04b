// One raw port, with the test in the place of the spool; and what messages become on their way through both.
#include "devices/spool/in_port.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/batch.hpp"
#include "core/context_parts.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"
#include "ferry/administrator.hpp"
#include "ferry/error.hpp"
#include "ferry/puller.hpp"
#include "ferry/pusher.hpp"
#include "ferry/spool.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using ferry::test::temporary_directory;

namespace {

// An in port whose every frame the test answers.
struct answered_port {
    ferry::context context;
    std::vector<std::string> said;
    in_port port{context,
                 {raw_port_kind::in_pull, "jobs", ferry::bind("tcp://127.0.0.1:*")},
                 [this](const std::string& text) { said.push_back(text); }};
    pusher jobs{context, ferry::connect(port.stats().endpoint), {.socket = {.high_water_mark = 10}}};
    instant now{1'000'000'000, 1'000'000'000};
    std::uint64_t channel = 0;
    std::uint64_t sequence = 0;
    std::uint64_t window_bytes = 8 << 20;
    bool tells_what_fits = false;     // when it refuses with `full`
    std::vector<std::string> stored;  // the payloads

    /// Gives each PUT to `judge`, which says with which code it is refused; empty stores it.
    template <typename Judge>
    void turn(Judge judge) {
        now.monotonic_ns += 1'000'000;
        port.step({now});
        for (const outgoing_message& each : port.take_output()) answer(each, judge);
    }

    template <typename Judge>
    void answer(const outgoing_message& what, Judge judge) {
        using namespace protocol;
        const auto reply = [&](const auto& message) { port.frame(encode(message), std::nullopt, now); };
        switch (*kind_of(what.head)) {
            case kind::hello:
                return reply(welcome{version, 1, {}});
            case kind::ping: {
                protocol::ping asked;
                REQUIRE(decode(what.head, asked));
                return reply(pong{asked.token, 1});
            }
            case kind::open: {
                protocol::open asked;
                REQUIRE(decode(what.head, asked));
                CHECK(asked.stream == "jobs");
                channel = asked.channel;
                return reply(opened{channel, "12345678", 1, sequence, 64, window_bytes});
            }
            case kind::put: {
                protocol::put asked;
                REQUIRE(decode(what.head, asked));
                std::vector<std::string> payloads;
                batch_cursor cursor{what.body.value().view};
                while (const auto item = cursor.next()) payloads.emplace_back(item->payload);
                if (const std::string code = judge(payloads); !code.empty()) {
                    std::uint64_t fits = 0;
                    while (fits + 1 < payloads.size() && judge({payloads[fits]}).empty()) ++fits;
                    return reply(refused{channel, asked.first, asked.count, code, "because", asked.first,
                                         code == "full" && !tells_what_fits ? 0 : fits});
                }
                sequence = asked.first + asked.count - 1;
                stored.insert(stored.end(), payloads.begin(), payloads.end());
                return reply(
                    protocol::stored{channel,
                                     1,
                                     sequence,
                                     {{asked.first, asked.count, stored.size() - payloads.size(), 0}},
                                     0,
                                     1000,
                                     window_bytes + sequence * 1000});
            }
            default:
                return;
        }
    }

    template <typename Judge, typename Condition>
    void turn_until(Condition holds, Judge judge) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!holds()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            turn(judge);
        }
    }
};

using payloads = std::vector<std::string>;
const auto takes_all = [](const payloads&) { return std::string{}; };

}  // namespace

TEST_CASE("in port: what is refused for now is kept, put again in order, and said once") {
    answered_port scene;
    int refusals = 0;
    const auto full_at_first = [&](const payloads&) { return std::string{++refusals <= 5 ? "full" : ""}; };
    for (int i = 0; i < 8; ++i) REQUIRE(scene.jobs.send(std::to_string(i), 20s) == outcome::done);
    scene.turn_until([&] { return scene.stored.size() == 8; }, full_at_first);
    CHECK(scene.stored == payloads{"0", "1", "2", "3", "4", "5", "6", "7"});
    scene.turn(takes_all);
    CHECK(scene.port.stats().received == 8);
    CHECK(scene.port.stats().stored == 8);
    CHECK(scene.port.stats().lost == 0);
    CHECK(scene.port.stats().waits_for.empty());
    REQUIRE(scene.said.size() == 2);
    CHECK(scene.said[0].find("full") != std::string::npos);
    CHECK(scene.said[1].find("again") != std::string::npos);
}

TEST_CASE("in port: of a batch that fits in part each message is stored once, in order") {
    answered_port scene;
    scene.tells_what_fits = true;
    bool room = false;
    const auto first_three = [&](const payloads& all) {
        const bool fits =
            room || std::ranges::none_of(all, [](const std::string& each) { return each > "2"; });
        return std::string{fits ? "" : "full"};
    };
    for (int i = 0; i < 8; ++i) REQUIRE(scene.jobs.send(std::to_string(i), 20s) == outcome::done);
    scene.turn_until([&] { return scene.port.stats().stored == 3; }, first_three);
    for (int i = 0; i < 500; ++i) scene.turn(first_three);
    CHECK(scene.stored == payloads{"0", "1", "2"});
    CHECK(scene.port.stats().waits_for == "full");
    room = true;
    scene.turn_until([&] { return scene.port.stats().stored == 8; }, first_three);
    CHECK(scene.stored == payloads{"0", "1", "2", "3", "4", "5", "6", "7"});
    CHECK(scene.port.stats().lost == 0);
}

TEST_CASE("in port: each message is judged by its own refusal, whatever befell another of its batch") {
    answered_port scene;
    scene.tells_what_fits = true;
    // Of the two before the large one the first fits, once.
    const auto judge = [&](const payloads& all) {
        if (std::ranges::find(all, "large") != all.end()) return std::string{"too-large"};
        return std::string{all == payloads{"0", "1"} ? "full" : ""};
    };
    for (const char* each : {"0", "1", "large", "3"}) REQUIRE(scene.jobs.send(each, 20s) == outcome::done);
    scene.turn_until([&] { return scene.port.stats().stored == 3; }, judge);
    CHECK(scene.port.stats().lost == 1);
    std::ranges::sort(scene.stored);
    CHECK(scene.stored == payloads{"0", "1", "3"});
}

TEST_CASE("in port: where the window is small it goes on behind each of its batches, which are small then") {
    answered_port scene;
    scene.window_bytes = 16 << 10;
    constexpr std::size_t count = 200;
    const std::string body(1000, 'x');
    std::size_t sent = 0;
    const auto all = [&] {
        while (sent < count && scene.jobs.send(body, 0ms) == outcome::done) ++sent;
        return scene.stored.size() == count;
    };
    scene.turn_until(all, takes_all);
    scene.turn(takes_all);
    CHECK(scene.port.stats().stored == count);
}

TEST_CASE("in port: a spool that turned read-only is asked again, and nothing is dropped meanwhile") {
    answered_port scene;
    for (int i = 0; i < 3; ++i) REQUIRE(scene.jobs.send(std::to_string(i), 20s) == outcome::done);
    scene.turn_until([&] { return scene.stored.size() == 3; }, takes_all);
    scene.port.frame(
        protocol::encode(protocol::error{scene.channel, std::string{protocol::code::read_only}, "the disk"}),
        std::nullopt, scene.now);
    REQUIRE(scene.jobs.send("3", 20s) == outcome::done);
    scene.turn_until([&] { return scene.stored.size() == 4; }, takes_all);
    scene.turn(takes_all);
    CHECK(scene.stored == payloads{"0", "1", "2", "3"});
    CHECK(scene.port.stats().lost == 0);
    CHECK(scene.said.size() == 2);
}

TEST_CASE("in port: a message that can never be stored is thrown away alone, counted and said") {
    answered_port scene;
    const auto no_fives = [](const payloads& all) {
        return std::find(all.begin(), all.end(), "5") == all.end() ? std::string{} : std::string{"too-large"};
    };
    for (int i = 0; i < 9; ++i) REQUIRE(scene.jobs.send(std::to_string(i), 20s) == outcome::done);
    scene.turn_until([&] { return scene.stored.size() == 8; }, no_fives);
    scene.turn(no_fives);
    CHECK(scene.stored == payloads{"0", "1", "2", "3", "4", "6", "7", "8"});
    CHECK(scene.port.stats().stored == 8);
    CHECK(scene.port.stats().lost == 1);
    REQUIRE(scene.said.size() == 1);
    CHECK(scene.said[0].find("too-large") != std::string::npos);
}

TEST_CASE("in port: while the stream takes nothing it reads no more than its fill, and its peers feel it") {
    answered_port scene;
    const auto always_full = [](const payloads&) { return std::string{"full"}; };
    const std::string large(10'000, 'x');
    const auto push_until_full = [&] {
        int quiet = 0;
        int sent = 0;
        // The kernel takes some, libzmq some, the port its fill: then nothing moves.
        while (quiet < 200) {
            const bool went = scene.jobs.send(large, 5ms) == outcome::done;
            quiet = went ? 0 : quiet + 1;
            sent += went ? 1 : 0;
            scene.turn(always_full);
            REQUIRE(sent < 100'000);
            if (!went && scene.port.descriptor() < 0 && quiet > 20) break;
        }
        return sent;
    };
    const int sent = push_until_full();
    CHECK(scene.port.descriptor() == -1);
    CHECK(scene.port.stats().received * large.size() < (2 << 20));
    CHECK(scene.port.stats().lost == 0);
    CHECK(scene.port.stats().waits_for == "full");
    scene.turn_until([&] { return scene.stored.size() == static_cast<std::size_t>(sent); }, takes_all);
    CHECK(scene.port.descriptor() >= 0);
}

TEST_CASE("in port: told to leave it stores what had come, and what it cannot store counts as lost") {
    answered_port scene;
    for (int i = 0; i < 5; ++i) REQUIRE(scene.jobs.send(std::to_string(i), 20s) == outcome::done);
    scene.turn_until([&] { return scene.port.stats().received == 5; }, takes_all);
    scene.port.leave(scene.now);
    scene.turn_until([&] { return scene.port.left(); }, takes_all);
    CHECK(scene.stored.size() == 5);

    answered_port stuck;
    REQUIRE(stuck.jobs.send("x", 20s) == outcome::done);
    const auto always_full = [](const payloads&) { return std::string{"full"}; };
    stuck.turn_until([&] { return stuck.port.stats().received == 1; }, always_full);
    stuck.port.leave(stuck.now);
    stuck.turn(always_full);
    CHECK_FALSE(stuck.port.left());
    stuck.port.give_up();
    CHECK(stuck.port.stats().lost == 1);
}

TEST_CASE("in port: what comes in batches is stored message by message, and what of one is spoiled is lost") {
    answered_port scene;
    pusher batching{scene.context, ferry::connect(scene.port.stats().endpoint), {.batch = true}};
    constexpr std::size_t messages = 3000;
    for (std::size_t i = 0; i < messages; ++i)
        REQUIRE(batching.send(std::to_string(i), 20s) == outcome::done);
    scene.turn_until([&] { return scene.stored.size() == messages; }, takes_all);
    for (std::size_t i = 0; i < messages; ++i) REQUIRE(scene.stored[i] == std::to_string(i));
    CHECK(scene.port.stats().received == messages);

    zmq::socket_t forger{scene.context.internals().zmq, zmq::socket_type::push};
    forger.set(zmq::sockopt::linger, 0);
    forger.connect(scene.port.stats().endpoint);
    std::string items;
    append_payload(items, "whole");
    items += "spoiled";
    for (const std::string& part : {std::string{}, encode_batch_header({}, 3)})
        REQUIRE(forger.send(zmq::buffer(part), zmq::send_flags::sndmore));
    REQUIRE(forger.send(zmq::buffer(items), zmq::send_flags::none));
    scene.turn_until([&] { return scene.stored.size() == messages + 1; }, takes_all);
    CHECK(scene.stored.back() == "whole");
    CHECK(scene.port.stats().lost == 2);
}

TEST_CASE("in port: of a batch it keeps no more than its fill, and goes on where it stopped") {
    answered_port scene;
    zmq::socket_t forger{scene.context.internals().zmq, zmq::socket_type::push};
    forger.set(zmq::sockopt::linger, 0);
    forger.connect(scene.port.stats().endpoint);
    std::string items;
    constexpr std::size_t messages = 300'000;
    for (std::size_t i = 0; i < messages; ++i) append_payload(items, "x");
    for (const std::string& part : {std::string{}, encode_batch_header({}, messages)})
        REQUIRE(forger.send(zmq::buffer(part), zmq::send_flags::sndmore));
    REQUIRE(forger.send(zmq::buffer(items), zmq::send_flags::none));
    const auto always_full = [](const payloads&) { return std::string{"full"}; };
    scene.turn_until([&] { return scene.port.stats().waits_for == "full"; }, always_full);
    for (int i = 0; i < 10; ++i) scene.turn(always_full);
    CHECK(scene.port.stats().received < 20'000);
    CHECK(scene.port.descriptor() == -1);
    scene.turn_until([&] { return scene.stored.size() == messages; }, takes_all);
    CHECK(scene.port.stats().received == messages);
    CHECK(scene.port.stats().lost == 0);
}

TEST_CASE("ports: frames, topic, headers and payload of any shape come out as they went in") {
    temporary_directory directory;
    context context;
    spool spool{context,
                {.directory = directory / "spool",
                 .listen = {ferry::bind("inproc://ports")},
                 .ports = {{raw_port_kind::in_pull, "s", ferry::bind("tcp://127.0.0.1:*")},
                           {raw_port_kind::out_push, "s", ferry::bind("tcp://127.0.0.1:*")}}}};
    REQUIRE(spool.stats().ports.size() == 2);
    pusher in{context, ferry::connect(spool.stats().ports[0].endpoint), {}};
    zmq::socket_t out{context.internals().zmq, zmq::socket_type::pull};
    out.set(zmq::sockopt::linger, 0);
    out.set(zmq::sockopt::rcvtimeo, 20'000);
    out.connect(spool.stats().ports[1].endpoint);

    std::vector<message> all;
    all.emplace_back("alone");
    all.emplace_back(message{"topic", ""});
    all.emplace_back(message{"", "under an empty topic"});
    all.emplace_back(message{"topic", std::string(1 << 20, 'x')});
    all.emplace_back(message{"framed", "body"}).add_frame("between");
    all.back().add_frame("");
    all.emplace_back(message{"liar", "body"})
        .add_frame(std::string_view{"\xC1"
                                    "fy\x01no header"});
    all.emplace_back(message{"headed", "body"}).set_header("content-type", "text/plain");
    all.back().set_header("n", std::int64_t{-7});
    for (const message& each : all) {
        REQUIRE(in.send(each, 20s) == outcome::done);
        for (const frame& wanted : to_frames(each, envelope_mode::automatic)) {
            zmq::message_t got;
            CAPTURE(each.topic());
            REQUIRE(out.recv(got));
            CHECK(got.to_string_view() == wanted.view());
        }
        CHECK(out.get(zmq::sockopt::rcvmore) == 0);
    }

    administrator admin{context, ferry::connect("inproc://ports")};
    const auto rows = admin.call("spool.stats");
    REQUIRE(rows.size() == 3);
    CHECK(std::get<std::string>(rows[1].at("port")) == "in-pull");
    CHECK(std::get<std::int64_t>(rows[1].at("stored")) == static_cast<std::int64_t>(all.size()));
    CHECK(std::get<std::int64_t>(rows[2].at("sent")) == static_cast<std::int64_t>(all.size()));
}

TEST_CASE("ports: an address in use, a reach beyond loopback and a bad stream name are refused at once") {
    temporary_directory directory;
    context context;
    const auto kind_of_failure = [&](raw_port_kind kind, const char* stream,
                                     const endpoint& where) -> std::optional<errc> {
        const raw_port port{kind, stream, where};
        try {
            spool spool{
                context,
                {.directory = directory / "spool", .listen = {ferry::bind("inproc://p")}, .ports = {port}}};
        } catch (const error& failure) {
            return failure.kind();
        }
        return std::nullopt;
    };
    puller taken{context, ferry::bind("tcp://127.0.0.1:*"), {}};
    CHECK(kind_of_failure(raw_port_kind::in_pull, "s", ferry::bind(taken.endpoints().front())) ==
          errc::address_in_use);
    CHECK(kind_of_failure(raw_port_kind::out_pub, "s", ferry::bind("tcp://*:*")) == errc::denied);
    CHECK(kind_of_failure(raw_port_kind::out_pub, "a/b", ferry::bind("tcp://127.0.0.1:*")) ==
          errc::bad_argument);
    CHECK_FALSE(kind_of_failure(raw_port_kind::out_push, "s", ferry::connect("tcp://127.0.0.1:1")));
}
