// Redis Streams by hiredis: what a message costs there, written and synced before the answer.
#include <hiredis/hiredis.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"

namespace ferry::bench {
namespace {

constexpr int pipelined = 1000;  // commands under way

struct closing {
    void operator()(redisContext* of) const { redisFree(of); }
};
using connection = std::unique_ptr<redisContext, closing>;
struct freeing {
    void operator()(redisReply* of) const { freeReplyObject(of); }
};
using reply = std::unique_ptr<redisReply, freeing>;

connection connected(const std::string& port) {
    connection to{redisConnect("127.0.0.1", std::stoi(port))};
    if (to == nullptr || to->err != 0) throw std::runtime_error{"cannot connect to redis"};
    return to;
}

reply next_reply(redisContext& of) {
    void* got = nullptr;
    if (redisGetReply(&of, &got) != REDIS_OK) throw std::runtime_error{of.errstr};
    reply answer{static_cast<redisReply*>(got)};
    if (answer->type == REDIS_REPLY_ERROR) throw std::runtime_error{answer->str};
    return answer;
}

void append(redisContext& to, const std::vector<std::string>& command) {
    std::vector<const char*> words;
    std::vector<std::size_t> lengths;
    for (const std::string& each : command) {
        words.push_back(each.data());
        lengths.push_back(each.size());
    }
    redisAppendCommandArgv(&to, static_cast<int>(words.size()), words.data(), lengths.data());
}

}  // namespace

void redis_put_role(const words& arguments) {
    const connection to = connected(arguments.at(0));
    numbered_body body{std::stoul(arguments.at(1))};
    std::uint64_t confirmed = 0;
    int under_way = 0;
    const auto step = [&] {
        const std::string_view payload = body.next();
        const char* command[] = {"XADD", "bench", "*", "p", payload.data()};
        const std::size_t lengths[] = {4, 5, 1, 1, payload.size()};
        redisAppendCommandArgv(to.get(), 5, command, lengths);
        if (++under_way < pipelined) return;
        for (; under_way > pipelined / 2; --under_way, ++confirmed) next_reply(*to);
    };
    measure_and_go_on(step, [&] { return confirmed; });
}

void redis_confirm_role(const words& arguments) {
    const connection to = connected(arguments.at(0));
    meter meter{hop_window};
    for (numbered_body body{std::stoul(arguments.at(1))}; !meter.over();) {
        const std::string_view payload = body.next(read_clocks().monotonic_ns);
        const char* command[] = {"XADD", "bench", "*", "p", payload.data()};
        const std::size_t lengths[] = {4, 5, 1, 1, payload.size()};
        redisAppendCommandArgv(to.get(), 5, command, lengths);
        next_reply(*to);
        meter.take(payload);
    }
    meter.report();
}

void redis_take_role(const words& arguments) {
    const connection from = connected(arguments.at(0));
    append(*from, {"XGROUP", "CREATE", "bench", "g", "0", "MKSTREAM"});
    next_reply(*from);
    std::uint64_t acked = 0;
    // The step of a batch: the window's clock is then read too seldom for an end in time, so steps are
    // counted as messages.
    std::uint64_t ready = 0;
    const auto step = [&] {
        if (ready > 0) {
            --ready;
            return;
        }
        append(*from,
               {"XREADGROUP", "GROUP", "g", "c", "COUNT", "1000", "BLOCK", "20000", "STREAMS", "bench", ">"});
        const reply got = next_reply(*from);
        if (got->type != REDIS_REPLY_ARRAY || got->elements == 0)
            throw std::runtime_error{"no message to take"};
        const redisReply& messages = *got->element[0]->element[1];
        std::vector<std::string> ack{"XACK", "bench", "g"};
        for (std::size_t i = 0; i < messages.elements; ++i)
            ack.emplace_back(messages.element[i]->element[0]->str, messages.element[i]->element[0]->len);
        append(*from, ack);
        next_reply(*from);
        acked += messages.elements;
        ready = messages.elements - 1;
    };
    measure(step, [&] { return acked; });
}

}  // namespace ferry::bench
