// SIGKILL, at random moments, of a spool with producers and consumers at work, all of them processes of their
// own. What became of every message is judged from their logs alone.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "tests/fault/history.hpp"
#include "tests/fault/mortal_spool.hpp"
#include "tests/fault/roles.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

// A client in a process of its own, and where it logs.
struct client {
    client(std::vector<std::string> part, const std::string& log)
        : file{log}, running{command(std::move(part)), {.stdout_to = log}} {}
    static std::vector<std::string> command(std::vector<std::string> part) {
        part.insert(part.begin(), {own_path(), "--play"});
        return part;
    }

    std::string file;
    process running;
};

std::int64_t number(const header_map& row, const char* name) {
    return std::get<std::int64_t>(row.at(name));
}

// Until the group has nothing left to do.
void drain(const std::string& endpoint) {
    context context;
    administrator admin{context, ferry::connect(endpoint)};
    const auto deadline = steady_clock::now() + patience;
    while (true) {
        const auto rows = admin.call("stream.info", {{"stream", kill_stream}});
        if (number(rows.at(1), "acked_floor") == number(rows.at(0), "next")) return;
        if (steady_clock::now() > deadline) {
            FAIL("the group was not done in time: floor " << number(rows.at(1), "acked_floor") << " of "
                                                          << number(rows.at(0), "next"));
        }
    }
}

std::uint64_t fresh_seed() {
    const char* given = std::getenv("FERRY_SEED");
    return given != nullptr ? std::stoull(given) : std::random_device{}();
}

// 2 producers, 2 consumers and a spool, with a history to be judged when it is over.
class scene {
  public:
    explicit scene(std::uint64_t messages) : spool_{directory_ / "spool", "synced"} {
        for (unsigned i = 0; i < 2; ++i) hire();
        for (unsigned i = 1; i <= 2; ++i)
            producers_.push_back(std::make_unique<client>(
                std::vector<std::string>{"producer", spool_.endpoint(), std::to_string(i),
                                         std::to_string(messages)},
                directory_ / "producer" + std::to_string(i)));
    }

    mortal_spool& spool() { return spool_; }

    /// A consumer more.
    void hire() {
        const std::string log = directory_ / "consumer" + std::to_string(logs_.size());
        logs_.push_back(log);
        consumers_.push_back(
            std::make_unique<client>(std::vector<std::string>{"consumer", spool_.endpoint()}, log));
        consumers_.back()->running.wait_for_error("ready");
    }

    /// One of the consumers dies with all it holds, and another one comes.
    void lose_consumer(std::size_t which) {
        consumers_.at(which)->running.kill(SIGKILL);
        consumers_.at(which)->running.wait();
        consumers_.erase(consumers_.begin() + static_cast<std::ptrdiff_t>(which));
        hire();
    }

    bool producing() {
        for (auto& each : producers_)
            if (each->running.running()) return true;
        return false;
    }

    void stop_producers() {
        for (auto& each : producers_) each->running.kill(SIGTERM);
    }

    verdict end() {
        for (auto& each : producers_) {
            CHECK(each->running.wait() == 0);
            CHECK(each->running.err() == "");
        }
        drain(spool_.endpoint());
        for (auto& each : consumers_) {
            each->running.kill(SIGTERM);
            CHECK(each->running.wait() == 0);
        }
        CHECK(spool_.stop() == 0);
        history all;
        for (auto& each : producers_) all.read_producer(each->file);
        for (const std::string& log : logs_) all.read_consumer(log);
        CHECK(all.acks.size() > 0);
        return judge(all);
    }

  private:
    temporary_directory directory_;
    mortal_spool spool_;
    std::vector<std::string> logs_;
    std::vector<std::unique_ptr<client>> consumers_;
    std::vector<std::unique_ptr<client>> producers_;
};

constexpr std::uint64_t unlimited = 1ULL << 40;

}  // namespace

TEST_CASE("kill: 50 random SIGKILLs of the spool lose, invent, hide and reorder nothing") {
    const std::uint64_t seed = fresh_seed();
    INFO("FERRY_SEED=" << seed);
    std::mt19937_64 random{seed};
    scene scene{unlimited};
    for (int kills = 0; kills < 50; ++kills) {
        REQUIRE(scene.spool().survives(std::chrono::milliseconds{1 + random() % 100}));
        scene.spool().kill();
        scene.spool().start();
    }
    REQUIRE(scene.producing());
    scene.stop_producers();
    const verdict found = scene.end();
    INFO(found.text());
    CHECK(found.faultless());
    CHECK(found.confirmed > 1000);
    CHECK(found.flagged > 0);
    std::printf("kill: 50 kills of the spool, seed %llu: %s\n", static_cast<unsigned long long>(seed),
                found.text().c_str());
}

TEST_CASE("kill: consumers that die with the spool give back all they held, flagged") {
    const std::uint64_t seed = fresh_seed();
    INFO("FERRY_SEED=" << seed);
    std::mt19937_64 random{seed};
    scene scene{unlimited};
    for (int kills = 0; kills < 8; ++kills) {
        REQUIRE(scene.spool().survives(std::chrono::milliseconds{20 + random() % 100}));
        if (random() % 2 == 0) {
            scene.lose_consumer(random() % 2);
            continue;
        }
        scene.spool().kill();
        scene.spool().start();
    }
    scene.stop_producers();
    verdict found = scene.end();
    INFO(found.text());
    // What a dead consumer never got comes to another one as a first attempt, later than its successors.
    found.out_of_order = 0;
    CHECK(found.faultless());
    CHECK(found.flagged > 0);
}

TEST_CASE("kill: confirms of grade queued do not survive it, and the checker notices") {
    history all;
    verdict found;
    for (int attempt = 0; attempt < 40 && found.lost == 0; ++attempt) {
        temporary_directory directory;
        mortal_spool spool{directory / "spool", "queued"};
        all = {};
        context context;
        {
            producer jobs{context, ferry::connect(spool.endpoint()), {.stream = kill_stream, .linger = 0ms}};
            constexpr std::uint64_t count = 5000;
            all.puts.push_back({{1, 0}, count});
            std::vector<receipt> receipts;
            for (std::uint64_t i = 0; i < count; ++i) receipts.push_back(jobs.put(body_of({1, i})));
            REQUIRE(receipts.at(0).wait(patience));
            spool.kill();
            for (std::uint64_t i = 0; i < count; ++i)
                if (const auto confirm = receipts[i].wait(0s)) {
                    INFO(confirm->code << ": " << confirm->reason);
                    REQUIRE(confirm->is == put_outcome::stored);
                    all.confirms.push_back({{1, i}, confirm->offset});
                }
        }
        spool.start();
        administrator admin{context, ferry::connect(spool.endpoint())};
        std::vector<shown>& shows = all.shows.emplace_back();
        const auto streams = admin.call("stream.list");
        if (!streams.empty()) {
            consumer work{
                context, ferry::connect(spool.endpoint()), {.stream = kill_stream, .group = kill_group}};
            const std::int64_t stored = number(streams.at(0), "messages");
            for (std::int64_t i = 0; i < stored; ++i) {
                auto d = work.next(patience);
                REQUIRE(d);
                shows.push_back({name_in(d->body()).value_or(message_name{}), d->offset(), d->attempt(), 1});
                d->ack();
            }
        }
        found = judge(all);
        CHECK(found.phantom == 0);
        CHECK(found.misplaced == 0);
    }
    INFO(found.text());
    CHECK(found.lost > 0);
}
