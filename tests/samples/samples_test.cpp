// The samples run as their first comments say, and as real programs.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/child.hpp"

using ferry::child;

namespace {

const std::string anywhere = "tcp://127.0.0.1:*";

child sample(const std::string& name, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), FERRY_SAMPLES_BINARIES "/sample_" + name);
    return child{std::move(arguments)};
}

// "bound ENDPOINT", a sample's first line.
std::string bound(child& program) {
    const std::string line = program.line();
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
    child publisher = sample("publisher", {anywhere, file});
    child subscriber = sample("subscriber", {bound(publisher), "quake.us", std::to_string(wanted)});
    for (int i = 0; i < wanted; ++i) REQUIRE(subscriber.line().starts_with("quake.us {"));
    CHECK(subscriber.line() == "received " + std::to_string(wanted) + ", lost 0");
    CHECK(subscriber.wait() == 0);
    CHECK(publisher.line().starts_with("sent " + std::to_string(wanted) + ", nobody asked for "));
    CHECK(publisher.wait() == 0);
}

TEST_CASE("samples: pusher and puller do every job once, in order") {
    child pusher = sample("pusher", {anywhere, "100"});
    child puller = sample("puller", {bound(pusher), "100"});
    for (int job = 1; job <= 100; ++job) CHECK(puller.line() == "did job " + std::to_string(job));
    CHECK(puller.line() == "received 100");
    CHECK(puller.wait() == 0);
    CHECK(pusher.line() == "sent 100, not sent 0");
    CHECK(pusher.wait() == 0);
}

TEST_CASE("samples: requester and replier add, and the replier ends when told") {
    child replier = sample("replier", {anywhere});
    child requester = sample("requester", {bound(replier), "19", "23"});
    CHECK(requester.line() == "42");
    CHECK(requester.wait() == 0);
    replier.send_signal(SIGTERM);
    CHECK(replier.line() == "answered 1, of these with an error 0");
    CHECK(replier.wait() == 0);
}

TEST_CASE("samples: devices stand between the others, and end when told") {
    child devices = sample("devices", {});
    std::map<std::string, std::pair<std::string, std::string>> where;
    for (int i = 0; i < 3; ++i) {
        const std::string line = devices.line();
        const auto front = line.find(" front ");
        const auto back = line.find(" back ");
        REQUIRE(back != std::string::npos);
        where[line.substr(0, front)] = {line.substr(front + 7, back - front - 7), line.substr(back + 6)};
    }
    REQUIRE(where.contains("streamer"));
    devices.send_signal(SIGTERM);
    CHECK(devices.line() == "forwarder passed 0 down, 0 up");
    CHECK(devices.line() == "queue passed 0 down, 0 up");
    CHECK(devices.line() == "streamer passed 0 down, 0 up");
    CHECK(devices.wait() == 0);
}

TEST_CASE("samples: wrong use and a bad endpoint end in a sentence, not in a crash") {
    CHECK(sample("publisher", {}).wait() == 2);
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
