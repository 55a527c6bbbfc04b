// What putting and taking asks the allocator for.
#include <cstdio>
#include <stdexcept>

#include "bench/allocations.hpp"
#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"

namespace ferry::bench {
namespace {

using namespace std::chrono_literals;

// With all that the threads behind a producer or consumer ask for.
template <typename Step, typename Settle>
void count_allocations(std::uint64_t count, Step step, Settle settle) {
    for (std::uint64_t i = 0; i < count / 10; ++i) step();
    settle();
    const std::uint64_t before = allocations();
    for (std::uint64_t i = 0; i < count; ++i) step();
    settle();
    std::printf("%llu %.3f 0\n", static_cast<unsigned long long>(allocations() - before),
                static_cast<double>(count) / 1000);
    std::fflush(stdout);
}

}  // namespace

void put_allocations_role(const words& arguments) {
    context context;
    producer jobs{context, ferry::connect(arguments.at(0)), {.stream = bench_stream}};
    numbered_body body{100};
    jobs.wait_for_spool();
    count_allocations(
        std::stoull(arguments.at(1)), [&] { jobs.put(body.next()); }, [&] { jobs.flush(); });
}

void take_allocations_role(const words& arguments) {
    context context;
    consumer work{context, ferry::connect(arguments.at(0)), {.stream = bench_stream, .group = bench_stream}};
    count_allocations(
        std::stoull(arguments.at(1)), [&] { take_one(work); }, [&] { work.flush(); });
}

}  // namespace ferry::bench
