// Threads that wait for a producer or a consumer: one of them does the loop's work, all of them are told.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using ferry::test::temporary_directory;

namespace {

struct running_spool {
    temporary_directory directory;
    context owner;
    spool running{owner,
                  {.directory = directory / "spool",
                   .listen = {ferry::bind("tcp://127.0.0.1:*")},
                   .segment_bytes = 1 << 20}};
    endpoint at() const { return ferry::connect(running.endpoints().at(0)); }
};

}  // namespace

TEST_CASE("waiting: threads that wait for the receipts of one producer all get theirs, none late") {
    running_spool spool;
    context context;
    producer jobs{context, spool.at(), {.stream = "jobs"}};
    std::mutex mutex;
    std::set<std::uint64_t> offsets;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&] {
            for (int i = 0; i < 100; ++i) {
                const auto stored = jobs.put("job").wait(20s);
                const std::lock_guard lock{mutex};
                if (stored && stored->is == put_outcome::stored) offsets.insert(stored->offset);
            }
        });
    for (std::thread& each : threads) each.join();
    CHECK(offsets.size() == 400);
    CHECK(*offsets.rbegin() == 399);
}

TEST_CASE("waiting: consumers of one context are each given theirs, though one thread waits for each") {
    running_spool spool;
    context context;
    producer jobs{context, spool.at(), {.stream = "jobs"}};
    std::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (const char* group : {"a", "b", "c"})
        threads.emplace_back([&, group] {
            consumer work{context, spool.at(), {.stream = "jobs", .group = group}};
            for (int i = 0; i < 50; ++i)
                if (auto given = work.next(20s)) {
                    given->ack();
                    ++taken;
                }
        });
    for (int i = 0; i < 50; ++i) jobs.put("job").wait(20s);
    for (std::thread& each : threads) each.join();
    CHECK(taken == 150);
}

TEST_CASE("waiting: all threads that wait are let go when the context stops") {
    running_spool spool;
    context context;
    consumer work{context, spool.at(), {.stream = "jobs", .group = "g"}};
    REQUIRE(work.wait_for_spool(10s) == outcome::done);
    std::vector<std::future<bool>> waits;
    for (int i = 0; i < 3; ++i)
        waits.push_back(std::async(std::launch::async, [&] { return work.next().has_value(); }));
    for (std::future<bool>& each : waits) CHECK(each.wait_for(20ms) == std::future_status::timeout);
    context.request_stop();
    for (std::future<bool>& each : waits) {
        REQUIRE(each.wait_for(10s) == std::future_status::ready);
        CHECK_FALSE(each.get());
    }
}

TEST_CASE("waiting: a wait that is over before anything came takes its time, not more") {
    running_spool spool;
    context context;
    consumer work{context, spool.at(), {.stream = "jobs", .group = "g"}};
    REQUIRE(work.wait_for_spool(10s) == outcome::done);
    const auto from = std::chrono::steady_clock::now();
    CHECK_FALSE(work.next(50ms));
    const auto took = std::chrono::steady_clock::now() - from;
    CHECK(took >= 50ms);
    CHECK(took < 5s);
}

TEST_CASE("waiting: what a consumer tells its program it tells on one thread, whoever waits") {
    running_spool spool;
    context context;
    producer jobs{context, spool.at(), {.stream = "jobs"}};
    std::mutex mutex;
    std::set<std::thread::id> told_on;
    consumer work{context, spool.at(), {.stream = "jobs", .group = "g", .on_change = [&] {
                                            const std::lock_guard lock{mutex};
                                            told_on.insert(std::this_thread::get_id());
                                        }}};
    for (int i = 0; i < 50; ++i) {
        jobs.put("job").wait(20s);
        auto given = work.next(20s);
        REQUIRE(given);
        given->ack();
    }
    const std::lock_guard lock{mutex};
    CHECK(told_on.size() == 1);
    CHECK_FALSE(told_on.contains(std::this_thread::get_id()));
}

TEST_CASE(
    "waiting: a receipt that outlives its producer is waited for in vain, no longer than it is asked to") {
    context context;
    receipt left;
    {
        producer jobs{context,
                      ferry::connect("tcp://127.0.0.1:1"),  // where nobody is
                      {.stream = "jobs", .linger = std::chrono::milliseconds{0}}};
        left = jobs.put("job");
    }
    const auto from = std::chrono::steady_clock::now();
    CHECK_FALSE(left.wait(20s));  // nobody is left who could settle it
    CHECK(std::chrono::steady_clock::now() - from < 10s);
}

TEST_CASE("waiting: producers end while their receipts are waited for") {
    running_spool spool;
    context context;
    for (int round = 0; round < 50; ++round) {
        auto jobs = std::make_unique<producer>(context, spool.at(), producer_options{.stream = "jobs"});
        const receipt last = jobs->put("job");
        auto waits = std::async(std::launch::async, [&] { return last.wait(20s).has_value(); });
        jobs.reset();
        CHECK(waits.get());
    }
}
