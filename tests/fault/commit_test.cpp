// SIGKILL in the middle of consume, process, produce: of the spool and of the workers, at random moments. At
// the end every input is in the output once.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <random>

#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "tests/fault/mortal_spool.hpp"
#include "tests/fault/roles.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

class worker {
  public:
    explicit worker(std::string endpoint) : endpoint_{std::move(endpoint)} { start(); }
    void replace() {
        process_->kill(SIGKILL);
        process_->wait();
        start();
    }
    void stop() {
        process_->kill(SIGTERM);
        process_->wait();
    }

  private:
    void start() {
        process_.emplace(std::vector<std::string>{own_path(), "--play", "worker", endpoint_});
        process_->wait_for_error("ready");
    }
    std::string endpoint_;
    std::optional<process> process_;
};

std::uint64_t settled(administrator& admin) {
    const auto rows = admin.call("group.info", {{"stream", kill_stream}, {"group", kill_group}});
    return static_cast<std::uint64_t>(std::get<std::int64_t>(rows.at(0).at("acked_floor")));
}

int kills_wanted() {
    const char* given = std::getenv("FERRY_COMMIT_KILLS");
    return given != nullptr ? std::atoi(given) : 500;
}

}  // namespace

TEST_CASE("kill: every input of consume, process, produce is in the output once, whoever is killed") {
    const char* given = std::getenv("FERRY_SEED");
    const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
    INFO("FERRY_SEED=" << seed);
    std::mt19937_64 random{seed};
    temporary_directory directory;
    mortal_spool spool{directory / "spool", "synced"};
    context context;
    consumer group{
        context, ferry::connect(spool.endpoint()), {.stream = kill_stream, .group = kill_group, .credit = 1}};
    REQUIRE(group.wait_for_spool(20s) == outcome::done);
    REQUIRE(group.leave(20s) == outcome::done);
    producer inputs{context, ferry::connect(spool.endpoint()), {.stream = kill_stream}};
    worker first{spool.endpoint()};
    worker second{spool.endpoint()};
    std::uint64_t put = 0;
    for (int kills = kills_wanted(); kills > 0; --kills) {
        for (int i = 0; i < 100; ++i) inputs.put(std::to_string(put++));
        CHECK(spool.survives(std::chrono::milliseconds{random() % 30}));
        switch (random() % 4) {
            case 0:
                spool.kill();
                spool.start();
                break;
            case 1:
                first.replace();
                break;
            default:
                second.replace();
        }
    }
    REQUIRE(inputs.flush(60s) == outcome::done);
    administrator admin{context, ferry::connect(spool.endpoint())};
    const auto deadline = steady_clock::now() + 60s;
    while (settled(admin) < put) REQUIRE_MESSAGE(steady_clock::now() < deadline, settled(admin), " of ", put);
    first.stop();
    second.stop();

    std::map<std::string, int> times;
    consumer reader{
        context, ferry::connect(spool.endpoint()), {.stream = kill_result, .group = std::nullopt}};
    while (const auto made = reader.next(times.size() < put ? 10s : 200ms))
        ++times[std::string{made->body()}];
    CHECK(times.size() == put);
    std::uint64_t doubled = 0;
    for (const auto& [body, count] : times) doubled += count > 1 ? 1 : 0;
    CHECK(doubled == 0);
    CHECK(spool.stop() == 0);
}
