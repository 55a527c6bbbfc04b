// The samples run as their first comments say, and as real programs.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "ferry/context.hpp"
#include "ferry/replier.hpp"
#include "ferry/spool.hpp"
#include "tests/cli/spool_process.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using ferry::test::process;

namespace {

const std::string anywhere = "tcp://127.0.0.1:*";

process sample(const std::string& name, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), FERRY_SAMPLES_BINARIES "/sample_" + name);
    return process{std::move(arguments)};
}

// "bound ENDPOINT", a sample's first line.
std::string bound(process& program) {
    const std::string line = program.next_line();
    REQUIRE(line.starts_with("bound tcp://"));
    return line.substr(6);
}

std::map<std::string, int> events_by_network(const std::string& file) {
    std::ifstream lines{file};
    std::map<std::string, int> count;
    for (std::string line; std::getline(lines, line);) {
        const auto at = line.find("\"net\":\"") + 7;
        ++count[line.substr(at, line.find('"', at) - at)];
    }
    return count;
}

}  // namespace

TEST_CASE("samples: publisher and subscriber pass every event of a network") {
    const std::string file = FERRY_SAMPLES_SOURCES "/data/earthquakes.jsonl";
    const auto counts = events_by_network(file);
    REQUIRE(counts.size() > 5);
    const int wanted = counts.at("us");
    process publisher = sample("publisher", {anywhere, file});
    process subscriber = sample("subscriber", {bound(publisher), "quake.us", std::to_string(wanted)});
    for (int i = 0; i < wanted; ++i) REQUIRE(subscriber.next_line().starts_with("quake.us {"));
    CHECK(subscriber.next_line() == "received " + std::to_string(wanted) + ", lost 0");
    CHECK(subscriber.wait() == 0);
    CHECK(publisher.next_line().starts_with("sent " + std::to_string(wanted) + ", nobody asked for "));
    CHECK(publisher.wait() == 0);
}

TEST_CASE("samples: pusher and puller do every job once, in order") {
    process pusher = sample("pusher", {anywhere, "100"});
    process puller = sample("puller", {bound(pusher), "100"});
    for (int job = 1; job <= 100; ++job) CHECK(puller.next_line() == "did job " + std::to_string(job));
    CHECK(puller.next_line() == "received 100");
    CHECK(puller.wait() == 0);
    CHECK(pusher.next_line() == "sent 100, not sent 0");
    CHECK(pusher.wait() == 0);
}

TEST_CASE("samples: requester and replier add, and the replier ends when told") {
    process replier = sample("replier", {anywhere});
    process requester = sample("requester", {bound(replier), "19", "23"});
    CHECK(requester.next_line() == "42");
    CHECK(requester.wait() == 0);
    replier.kill(SIGTERM);
    CHECK(replier.next_line() == "answered 1, of these with an error 0");
    CHECK(replier.wait() == 0);
}

TEST_CASE("samples: devices stand between the others, and end when told") {
    process devices = sample("devices", {});
    std::map<std::string, std::pair<std::string, std::string>> where;
    for (int i = 0; i < 3; ++i) {
        const std::string line = devices.next_line();
        const auto front = line.find(" front ");
        const auto back = line.find(" back ");
        REQUIRE(back != std::string::npos);
        where[line.substr(0, front)] = {line.substr(front + 7, back - front - 7), line.substr(back + 6)};
    }
    REQUIRE(where.contains("streamer"));
    devices.kill(SIGTERM);
    CHECK(devices.next_line() == "forwarder passed 0 down, 0 up");
    CHECK(devices.next_line() == "queue passed 0 down, 0 up");
    CHECK(devices.next_line() == "streamer passed 0 down, 0 up");
    CHECK(devices.wait() == 0);
}

TEST_CASE("samples: a work queue keeps its jobs, and two workers share them without one done twice") {
    const ferry::test::temporary_directory room;
    ferry::context context;
    const ferry::spool spool{context, {.directory = room / "queue", .listen = {ferry::bind(anywhere)}}};
    const std::string where = spool.endpoints().at(0);
    process giver = sample("work_queue", {"give", where, "100"});
    CHECK(giver.next_line() == "stored 100, not stored 0");
    CHECK(giver.wait() == 0);

    process first = sample("work_queue", {"work", where, "40"});
    process second = sample("work_queue", {"work", where, "60"});
    std::set<std::string> did;
    for (int i = 0; i < 40; ++i) did.insert(first.next_line());
    for (int i = 0; i < 60; ++i) did.insert(second.next_line());
    CHECK(first.next_line() == "done 40");
    CHECK(second.next_line() == "done 60");
    CHECK(first.wait() == 0);
    CHECK(second.wait() == 0);
    CHECK(did.size() == 100);
    for (int job = 1; job <= 100; ++job) CHECK(did.contains("did job " + std::to_string(job)));
}

TEST_CASE("samples: an embedded spool keeps readings while nobody is there, and forwards them all later") {
    const ferry::test::temporary_directory room;
    process alone = sample("embedded_spool", {room / "outbox", "tcp://127.0.0.1:1", "10"});
    CHECK(alone.next_line() == "stored 10");
    CHECK(alone.next_line() == "forwarded 0");
    CHECK(alone.wait() == 0);

    ferry::context context;
    ferry::replier other_side{context, ferry::bind(anywhere)};
    std::vector<std::string> received;
    std::thread answering{[&] {
        other_side.serve([&](const ferry::message& reading) {
            received.emplace_back(reading.body());
            return ferry::message{"kept"};
        });
    }};
    process later = sample("embedded_spool", {room / "outbox", other_side.endpoints().at(0), "5"});
    CHECK(later.next_line() == "stored 5");
    CHECK(later.next_line() == "forwarded 15");
    CHECK(later.wait() == 0);
    context.request_stop();
    answering.join();
    REQUIRE(received.size() == 15);
    CHECK(received[0] == "reading 1");
    CHECK(received[9] == "reading 10");
    CHECK(received[10] == "reading 1");
}

TEST_CASE(
    "samples: a question is answered while its asker is away, and the answer outlives the spool's death") {
    ferry::test::spool_process spool;
    CHECK(sample("disconnected_request", {"ask", spool.at, "anna", "q-17", "how long is this"}).wait() == 0);
    CHECK(sample("disconnected_request", {"ask", spool.at, "ben", "q-18", "and this"}).wait() == 0);
    // She is not sure that it arrived and asks again: it stays one question.
    CHECK(sample("disconnected_request", {"ask", spool.at, "anna", "q-17", "how long is this"}).wait() == 0);
    const auto kill_and_restart = [&] {
        spool.running->kill(SIGKILL);
        spool.running->wait();
        spool.start();
    };
    kill_and_restart();
    CHECK(sample("disconnected_request", {"serve", spool.at, "2"}).wait() == 0);
    kill_and_restart();

    process anna = sample("disconnected_request", {"collect", spool.at, "anna"});
    CHECK(anna.next_line() == "q-17: 16");
    CHECK(anna.wait() == 0);
    process ben = sample("disconnected_request", {"collect", spool.at, "ben"});
    CHECK(ben.next_line() == "q-18: 8");
    CHECK(ben.wait() == 0);
    CHECK(ferry::test::run_ferry({"take", spool.at, "questions", "--idle", "200ms", "-q"}).out.empty());
}

TEST_CASE("samples: an answer that a server put before it died is not stored again by the next one") {
    ferry::test::spool_process spool;
    CHECK(sample("disconnected_request", {"ask", spool.at, "anna", "q-17", "how long is this"}).wait() == 0);
    // What a server leaves that died between its put and its ack.
    CHECK(ferry::test::run_ferry(
              {"put", spool.at, "answers.anna", "16", "-H", "correlation-id=q-17", "--message-id", "q-17"})
              .status == 0);
    CHECK(sample("disconnected_request", {"serve", spool.at, "1"}).wait() == 0);
    const auto answers = ferry::test::run_ferry({"take", spool.at, "answers.anna", "--idle", "200ms", "-q"});
    CHECK(answers.out == "16\n");

    // One that cannot be answered comes again, with the reason, and does not end the server.
    CHECK(ferry::test::run_ferry({"put", spool.at, "questions", "to nobody"}).status == 0);
    CHECK(sample("disconnected_request", {"serve", spool.at, "2"}).wait() == 0);
    const auto left = ferry::test::run_ferry({"group", "info", spool.at, "questions", "default", "--json"});
    CHECK(left.out.find("\"acked_floor\":1,") != std::string::npos);
}

TEST_CASE("samples: wrong use and a bad endpoint end in a sentence, not in a crash") {
    CHECK(sample("publisher", {}).wait() == 2);
    CHECK(sample("work_queue", {"rest"}).wait() == 2);
    CHECK(sample("disconnected_request", {"ask", "tcp://127.0.0.1:1"}).wait() == 2);
    CHECK(sample("embedded_spool", {"outbox"}).wait() == 2);
    CHECK(sample("embedded_spool", {"/nowhere/outbox", "tcp://127.0.0.1:1", "1"}).wait() == 1);
    CHECK(sample("pusher", {"nonsense", "1"}).wait() == 1);
    CHECK(sample("requester", {"tcp://127.0.0.1:1", "1"}).wait() == 2);
}

TEST_CASE("samples: each is a small program that includes only the public headers") {
    for (const auto& entry : std::filesystem::directory_iterator{FERRY_SAMPLES_SOURCES}) {
        if (entry.path().extension() != ".cpp") continue;
        CAPTURE(entry.path().string());
        std::ifstream source{entry.path()};
        int lines = 0;
        for (std::string line; std::getline(source, line); ++lines)
            CHECK_FALSE(line.starts_with("#include \""));
        CHECK(lines < 60);
    }
}
