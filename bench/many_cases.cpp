// Several at once: requests under way, through a queue or not; producers and consumers side by side.
#include <vector>

#include "bench/cases.hpp"
#include "bench/child.hpp"
#include "bench/fresh_spool.hpp"

namespace ferry::bench {
namespace {

constexpr const char* any_port = "tcp://127.0.0.1:*";
constexpr const char* under_way = "16";
constexpr int side_by_side = 4;

sample ask_many(const std::string& who, std::size_t size) {
    child replier{{"answer", who, any_port}};
    child asker{{"ask-many", who, replier.line(), std::to_string(size), under_way}};
    return rate_of(asker.line());
}

// The peers are plain on both sides, so that only the device differs.
sample through_queue(const std::string& device_by, std::size_t size) {
    child middle{{"device", device_by, "queue"}};
    const std::string front = middle.line();
    child worker{{"answer", "plain", middle.line()}};
    child asker{{"ask-many", "plain", front, std::to_string(size), under_way}};
    return rate_of(asker.line());
}

}  // namespace

void add_many_cases(std::vector<bench_case>& all, const durable_hop& ferry) {
    all.push_back({"request/reply, 16 under way", 64, "msg/s", "plain libzmq, one DEALER",
                   [] { return ask_many("ferry", 64); }, [] { return ask_many("plain", 64); }});
    for (const std::size_t size : {64, 1024})
        all.push_back({"queue", size, "msg/s", "zmq_proxy", [=] { return through_queue("ferry", size); },
                       [=] { return through_queue("plain", size); }});
    for (const std::size_t size : {100, 1024})
        all.push_back({"put and take, 4 producers, 4 consumers", size, "msg/s", "one of each",
                       [=] { return ferry.put_and_take(size, side_by_side); },
                       [=] { return ferry.put_and_take(size, 1); }});
}

}  // namespace ferry::bench
