// Requests under way at the same time: by ferry's threads, and by a bare DEALER that waits for none.
#include <stdexcept>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"
#include "ferry/requester.hpp"

namespace ferry::bench {
namespace {

// Each thread has one request under way; they share a requester, as a program's threads do.
void ask_by_threads(const std::string& where, std::size_t size, std::uint64_t many) {
    context context;
    requester asks{context, ferry::connect(where)};
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> answered{0};
    std::vector<std::jthread> others;
    const auto ask = [&](numbered_body& body) {
        if (!asks.request(body.next())) throw std::runtime_error{"no reply"};
        answered.fetch_add(1, std::memory_order_relaxed);
    };
    for (std::uint64_t i = 1; i < many; ++i)
        others.emplace_back([&] {
            for (numbered_body body{size}; !over;) ask(body);
        });
    numbered_body body{size};
    measure([&] { ask(body); }, [&] { return answered.load(); });
    over = true;
}

void ask_by_dealer(const std::string& where, std::size_t size, std::uint64_t many) {
    zmq::context_t context;
    zmq::socket_t asks{context, zmq::socket_type::dealer};
    asks.connect(where);
    numbered_body body{size};
    std::uint64_t under_way = 0, answered = 0;
    const auto step = [&] {
        for (; under_way < many; ++under_way) {
            asks.send(zmq::message_t{}, zmq::send_flags::sndmore);
            asks.send(zmq::message_t{body.next()}, zmq::send_flags::none);
        }
        zmq::message_t part;
        do {
            if (!asks.recv(part)) throw std::runtime_error{"interrupted"};
        } while (part.more());
        --under_way;
        ++answered;
    };
    measure(step, [&] { return answered; });
}

}  // namespace

void ask_many_role(const words& arguments) {
    (arguments.at(0) == "ferry" ? ask_by_threads : ask_by_dealer)(
        arguments.at(1), std::stoul(arguments.at(2)), std::stoull(arguments.at(3)));
}

}  // namespace ferry::bench
