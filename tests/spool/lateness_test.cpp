// How late delayed messages come from a real spool that has other work.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
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

std::int64_t wall_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

// A producer and a consumer on a stream of their own, as fast as they can, until told otherwise.
class other_work {
  public:
    other_work(context& of, const endpoint& at)
        : putting_{[this, &of, at] {
              producer jobs{of, at, {.stream = "other", .outbox_bytes = 1 << 20}};
              const std::string body(100, 'x');
              while (!over_) jobs.put(body);
          }},
          taking_{[this, &of, at] {
              consumer work{of, at, {.stream = "other", .group = "g"}};
              while (!over_)
                  if (auto d = work.next(100ms)) {
                      d->ack();
                      ++taken_;
                  }
          }} {}
    ~other_work() {
        over_ = true;
        putting_.join();
        taking_.join();
    }
    std::uint64_t taken() const { return taken_; }

  private:
    std::atomic<bool> over_ = false;
    std::atomic<std::uint64_t> taken_ = 0;
    std::thread putting_;
    std::thread taking_;
};

}  // namespace

namespace {

// How late each came, sorted, in milliseconds.
std::vector<std::int64_t> lateness_under_load() {
    temporary_directory directory;
    context context;
    spool spool{context, {.directory = directory / "spool", .listen = {ferry::bind("tcp://127.0.0.1:*")}}};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    constexpr std::size_t messages = 600;
    // Each carries its own time, which is spread over 1.5 s that begin when the load is there.
    consumer work{context, at, {.stream = "late", .group = "g"}};
    REQUIRE(work.wait_for_spool(10s) == outcome::done);
    const other_work load{context, at};
    while (load.taken() < 10'000) std::this_thread::yield();
    {
        producer jobs{context, at, {.stream = "late"}};
        std::mt19937 random{7};
        const std::int64_t from = wall_ms() + 500;
        for (std::size_t i = 0; i < messages; ++i) {
            const std::int64_t due = from + random() % 1500;
            message made{std::to_string(due)};
            made.set_header("deliver-at", due);
            jobs.put(made);
        }
        REQUIRE(jobs.flush(10s) == outcome::done);
    }
    std::vector<std::int64_t> late;
    while (late.size() < messages) {
        auto d = work.next(10s);
        REQUIRE(d);
        late.push_back(wall_ms() - std::stoll(std::string{d->body()}));
        d->ack();
    }
    std::sort(late.begin(), late.end());
    MESSAGE("late by ", late[messages / 2], " ms at the median, ", late[messages * 99 / 100], " ms at p99, ",
            late.back(), " ms at most; beside it ", load.taken(), " messages went through");
    return late;
}

}  // namespace

TEST_CASE("lateness: under load delayed messages come within 50 ms of their time, none before it") {
    // Whoever else uses the machine meanwhile can hold up a run, and not each of several.
    constexpr int runs = 4;
    std::int64_t p99 = 0;
    int run = 0;
    do {
        const auto late = lateness_under_load();
        CHECK(late.front() >= 0);
        CHECK(late.back() < 2000);
        p99 = late[late.size() * 99 / 100];
    } while (p99 >= 50 && ++run < runs);
    CHECK(p99 < 50);
}
