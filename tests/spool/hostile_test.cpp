// A spool among peers that mean harm. A failure prints the seed; FERRY_HOSTILE_SEED=N says the same again.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.hpp"
#include "core/protocol.hpp"
#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"
#include "tests/spool/hostile_peer.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using test::hostile_peer;
using test::temporary_directory;

namespace {

constexpr int messages_each = 10'000;

std::uint64_t seed_or(std::uint64_t usual) {
    const char* const asked = std::getenv("FERRY_HOSTILE_SEED");
    return asked == nullptr ? usual : std::strtoull(asked, nullptr, 10);
}

spool_options in(const std::string& directory) {
    return {.directory = directory, .listen = {ferry::bind("tcp://127.0.0.1:*")}, .segment_bytes = 8 << 20};
}

void put_and_take(context& context, const spool& at, const std::string& body) {
    const endpoint where = ferry::connect(at.endpoints().at(0));
    producer jobs{context, where, {.stream = "kept"}};
    const auto stored = jobs.put(body).wait(10s);
    REQUIRE(stored);
    CHECK(stored->is == put_outcome::stored);
    consumer work{context, where, {.stream = "kept", .group = "g"}};
    auto got = work.next(10s);
    REQUIRE(got);
    CHECK(got->body() == body);
    got->ack();
    CHECK(work.flush(10s) == outcome::done);
}

// A client that says exactly what it is told to.
struct bare_client {
    bare_client(zmq::context_t& theirs, const spool& of) : socket{theirs, zmq::socket_type::dealer} {
        socket.set(zmq::sockopt::linger, 0);
        socket.set(zmq::sockopt::rcvtimeo, 10'000);
        socket.connect(of.endpoints().at(0));
        say(protocol::hello{});
        hear<protocol::welcome>();
    }
    template <typename Message>
    void say(const Message& what, const std::optional<std::string>& body = std::nullopt) {
        REQUIRE(socket.send(zmq::buffer(protocol::encode(what)),
                            body ? zmq::send_flags::sndmore : zmq::send_flags::none));
        if (body) REQUIRE(socket.send(zmq::buffer(*body), zmq::send_flags::none));
    }
    /// The next answer of this kind; others are passed over.
    template <typename Message>
    Message hear() {
        Message what;
        zmq::message_t frame;
        do {
            REQUIRE(socket.recv(frame));
        } while (!protocol::decode(frame.to_string_view(), what));
        return what;
    }
    /// Puts so many messages, joins "g", which gives up after one attempt, and is given them all.
    protocol::deliver be_given(std::uint64_t count) {
        std::string batch;
        for (std::uint64_t i = 0; i < count; ++i) append_payload(batch, "x");
        say(protocol::open{1, "s", std::nullopt, std::nullopt, 0, {}});
        hear<protocol::opened>();
        say(protocol::put{1, 0, 1, count, 0, 0, 1}, batch);
        hear<protocol::stored>();
        say(protocol::join{2, "s", "g", {{"max_attempts", std::int64_t{1}}}, {}});
        hear<protocol::joined>();
        say(protocol::credit{2, count, 1 << 20, 0});
        return hear<protocol::deliver>();
    }
    zmq::socket_t socket;
};

std::int64_t of_group(context& context, const spool& at, const char* name) {
    administrator admin{context, ferry::connect(at.endpoints().at(0))};
    return std::get<std::int64_t>(admin.call("group.info", {{"stream", "s"}, {"group", "g"}}).at(0).at(name));
}

// What is durable of every stream and group, by name, in words. Offsets that a restart skips hold nothing, so
// a group that is through with everything stands at the end, wherever that is.
using picture = std::map<std::string, std::string>;
picture durable_state(context& context, const spool& of) {
    administrator admin{context, ferry::connect(of.endpoints().at(0))};
    const auto number = [](const header_map& row, const char* name) {
        return std::get<std::int64_t>(row.at(name));
    };
    picture seen;
    for (const header_map& each : admin.call("stream.list")) {
        const auto& name = std::get<std::string>(each.at("name"));
        seen.emplace(name, "messages " + std::to_string(number(each, "messages")));
        for (const header_map& group : admin.call("group.list", {{"stream", name}})) {
            const std::int64_t floor = number(group, "acked_floor");
            const std::string settled =
                floor == number(each, "next") ? "everything" : "up to " + std::to_string(floor);
            seen.emplace(name + '/' + std::get<std::string>(group.at("name")),
                         "dead " + std::to_string(number(group, "dead")) + ", settled " + settled);
        }
    }
    return seen;
}

}  // namespace

TEST_CASE("hostile: a commit that settles nothing stores nothing") {
    const temporary_directory room;
    context context;
    zmq::context_t theirs;
    const spool at{context, in(room.path())};
    bare_client peer{theirs, at};
    const protocol::deliver given = peer.be_given(1);
    std::string batch;
    append_payload(batch, "out of nothing");
    protocol::output out;
    out.stream = "made";
    out.count = 1;
    out.bytes = batch.size();
    for (const protocol::run nothing : {protocol::run{given.runs.at(0).offset, 0}, protocol::run{77, 0}}) {
        peer.say(protocol::commit{2, given.lease, {nothing}, 1, {out}}, batch);
        CHECK(peer.hear<protocol::refused>().code == protocol::code::bad_frame);
    }
    const picture seen = durable_state(context, at);
    CHECK_FALSE(seen.contains("made"));
    CHECK(seen.at("s") == "messages 1");
}

TEST_CASE("hostile: spoiled sessions are counted, and a spool goes on, stops in time and replays the same") {
    const std::uint64_t seed = seed_or(20260711);
    CAPTURE(seed);
    const temporary_directory room;
    {
        context context;
        auto served = std::make_unique<spool>(context, in(room / "spool"));
        zmq::context_t theirs;
        std::vector<std::unique_ptr<hostile_peer>> peers;
        for (std::uint64_t i = 0; i < 3; ++i)
            peers.push_back(std::make_unique<hostile_peer>(theirs, served->endpoints().at(0), seed + i));
        for (int i = 0; i < messages_each; ++i)
            for (const auto& each : peers) REQUIRE(each->speak());

        put_and_take(context, *served, "still here");
        const spool_stats stats = served->stats();
        CHECK(stats.frames_bad > messages_each / 10);
        CHECK(stats.messages_stored > 100);
        CHECK(stats.messages_delivered > 100);
        CHECK(stats.messages_acked > 10);
        CHECK(stats.read_only_reason.empty());
        CHECK(stats.messages_damaged == 0);
        std::uint64_t heard = 0;
        for (const auto& each : peers) heard += each->heard();
        MESSAGE(std::to_string(3 * messages_each), " messages sent, ", stats.messages_stored, " stored, ",
                stats.messages_delivered, " delivered, ", stats.messages_acked, " acked, ",
                stats.messages_dead, " dead, ", stats.frames_bad, " bad, ", heard, " answers");

        // They have not left: stopping must not wait for them.
        const auto began = std::chrono::steady_clock::now();
        served.reset();
        CHECK(std::chrono::steady_clock::now() - began < 2s);
        peers.clear();
    }
    // The snapshot tells what was; the records alone must tell the same.
    std::filesystem::copy(room / "spool", room / "records", std::filesystem::copy_options::recursive);
    for (const auto& each : std::filesystem::directory_iterator{room / "records"})
        if (each.path().filename().string().starts_with("snapshot-")) std::filesystem::remove(each);
    std::vector<picture> seen;
    for (const char* directory : {"spool", "records"}) {
        CAPTURE(directory);
        context context;
        spool again{context, in(room / directory)};
        seen.push_back(durable_state(context, again));
        put_and_take(context, again, "and back");
        CHECK(again.stats().messages_damaged == 0);
    }
    CHECK(seen.at(0).size() > 5);
    CHECK(seen.at(0).size() == seen.at(1).size());
    for (const auto& each : seen.at(0)) {
        CAPTURE(each.first);
        REQUIRE(seen.at(1).contains(each.first));
        CHECK(seen.at(1).at(each.first) == each.second);
    }
}

TEST_CASE("hostile: a peer that never reads its answers holds nobody up") {
    const temporary_directory room;
    context context;
    auto served = std::make_unique<spool>(context, in(room / "spool"));
    zmq::context_t theirs;
    zmq::socket_t deaf{theirs, zmq::socket_type::dealer};
    deaf.set(zmq::sockopt::linger, 0);
    deaf.set(zmq::sockopt::rcvhwm, 1);
    deaf.set(zmq::sockopt::sndtimeo, 10'000);
    deaf.connect(served->endpoints().at(0));
    const std::string question = protocol::encode(protocol::admin{1, std::string(1000, 'x'), {}});
    REQUIRE(deaf.send(zmq::buffer(protocol::encode(protocol::hello{})), zmq::send_flags::none));
    for (int i = 0; i < 40'000; ++i) REQUIRE(deaf.send(zmq::buffer(question), zmq::send_flags::none));
    put_and_take(context, *served, "meanwhile");
    const auto began = std::chrono::steady_clock::now();
    served.reset();
    CHECK(std::chrono::steady_clock::now() - began < 2s);
}

TEST_CASE("hostile: two hundred connections of random bytes leave a spool as it was") {
    const std::uint64_t seed = seed_or(20260712);
    CAPTURE(seed);
    const temporary_directory room;
    context context;
    auto served = std::make_unique<spool>(context, in(room / "spool"));
    std::mt19937 random{static_cast<std::mt19937::result_type>(seed)};
    std::string greeting{"\xFF\0\0\0\0\0\0\0\x01\x7F\x03\x00NULL", 16};
    greeting.resize(64);
    for (int i = 0; i < 200; ++i) {
        std::string bytes = random_bytes(random, random() % 2000);
        if (i % 2 == 0) bytes.insert(0, greeting);
        throw_at(served->endpoints().at(0), bytes);
    }
    put_and_take(context, *served, "still here");
    CHECK(served->stats().messages_stored == 1);
    const auto began = std::chrono::steady_clock::now();
    served.reset();
    CHECK(std::chrono::steady_clock::now() - began < 2s);
}

TEST_CASE("hostile: offsets that a peer names over and over are settled and counted once") {
    const temporary_directory room;
    context context;
    const spool served{context, in(room / "spool")};
    zmq::context_t theirs;
    bare_client peer{theirs, served};
    const protocol::deliver given = peer.be_given(10);
    REQUIRE(given.runs.size() == 1);
    const std::vector<protocol::run> acked(5000, {0, 4});
    peer.say(protocol::ack{2, given.lease, acked});
    CHECK(peer.hear<protocol::done>().runs == std::vector<protocol::run>{{0, 4}});
    CHECK(served.stats().messages_acked == 4);
    peer.say(protocol::nack{2, given.lease, {{6, 3}, {4, 3}, {4, 6}, {8, 0}}, std::nullopt, "no"});
    CHECK(peer.hear<protocol::done>().runs == std::vector<protocol::run>{{4, 6}});
    CHECK(of_group(context, served, "dead") == 6);
    CHECK(of_group(context, served, "acked_floor") == 10);
}

TEST_CASE("hostile: what a peer may name and open is bounded") {
    const temporary_directory room;
    context context;
    const spool served{context, in(room / "spool")};
    zmq::context_t theirs;
    bare_client peer{theirs, served};
    peer.say(protocol::open{1, "s", std::string(protocol::name_bytes_max + 1, 'n'), std::nullopt, 0, {}});
    CHECK(peer.hear<protocol::error>().code == "bad-name");
    peer.say(protocol::open{1, "s", std::string(protocol::name_bytes_max, 'n'), std::nullopt, 0, {}});
    CHECK(peer.hear<protocol::opened>().epoch == 1);
    for (std::uint64_t channel = 2; channel <= protocol::channels_max; ++channel) {
        peer.say(protocol::join{channel, "s", std::nullopt, {}, {}});
        REQUIRE(peer.hear<protocol::joined>().channel == channel);
    }
    peer.say(protocol::join{protocol::channels_max + 1, "s", std::nullopt, {}, {}});
    const auto refused = peer.hear<protocol::error>();
    CHECK(refused.channel == protocol::channels_max + 1);
    CHECK(refused.code == "full");
    // One that is there may be joined anew, and one that was left makes room.
    peer.say(protocol::join{2, "s", std::nullopt, {}, {}});
    CHECK(peer.hear<protocol::joined>().channel == 2);
    peer.say(protocol::leave{2, 0});
    peer.say(protocol::join{protocol::channels_max + 1, "s", std::nullopt, {}, {}});
    CHECK(peer.hear<protocol::joined>().channel == protocol::channels_max + 1);
}

TEST_CASE("hostile: a delay beyond what clocks hold is a long one, not none") {
    const temporary_directory room;
    context context;
    const spool served{context, in(room / "spool")};
    administrator admin{context, ferry::connect(served.endpoints().at(0))};
    admin.call("stream.create", {{"stream", "s"}});
    admin.call("group.create", {{"stream", "s"}, {"group", "g"}, {"max_attempts", std::int64_t{5}}});
    zmq::context_t theirs;
    bare_client peer{theirs, served};
    peer.say(protocol::open{1, "s", std::nullopt, std::nullopt, 0, {}});
    peer.hear<protocol::opened>();
    std::string batch;
    append_payload(batch, "x");
    peer.say(protocol::put{1, 0, 1, 1, 0, 0, 1}, batch);
    peer.say(protocol::join{2, "s", "g", {}, {}});
    peer.say(protocol::credit{2, 1, 1 << 20, 0});
    const auto given = peer.hear<protocol::deliver>();
    peer.say(protocol::nack{2, given.lease, {{0, 1}}, ~std::uint64_t{0}, "much later"});
    peer.hear<protocol::done>();
    CHECK(of_group(context, served, "delayed") == 1);
}

TEST_CASE("hostile: readers of streams that are made in the same moment are served, and nobody is harmed") {
    const temporary_directory room;
    context context;
    const spool served{context, in(room / "spool")};
    zmq::context_t theirs;
    bare_client peer{theirs, served};
    constexpr std::uint64_t streams = 200;
    // One message behind the other, so that some are taken in one turn of the spool.
    for (std::uint64_t each = 1; each <= streams; ++each) {
        const std::string name = "s" + std::to_string(each);
        peer.say(protocol::admin{each, "stream.create", {{"stream", name}}});
        peer.say(protocol::join{each, name, std::nullopt, {}, {}});
        peer.say(protocol::credit{each, 10, 1 << 20, 0});
    }
    for (std::uint64_t each = 1; each <= streams; ++each)
        REQUIRE(peer.hear<protocol::joined>().channel == each);
    put_and_take(context, served, "still here");
}
