// Requests under way at the same time, by a requester and by a bare DEALER.
#include <deque>
#include <stdexcept>
#include <zmq.hpp>

#include "bench/meter.hpp"
#include "bench/roles.hpp"
#include "bench/window.hpp"
#include "ferry/requester.hpp"

namespace ferry::bench {
namespace {

void ask_by_requester(const std::string& where, std::size_t size, std::uint64_t many) {
    context context;
    requester asks{context, ferry::connect(where)};
    numbered_body body{size};
    std::deque<pending_answer> under_way;
    std::uint64_t answered = 0;
    const auto step = [&] {
        while (under_way.size() < many) under_way.push_back(asks.send(body.next()));
        if (under_way.front().wait().kind != answer_kind::answered) throw std::runtime_error{"no reply"};
        under_way.pop_front();
        ++answered;
    };
    measure(step, [&] { return answered; });
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
    (arguments.at(0) == "ferry" ? ask_by_requester : ask_by_dealer)(
        arguments.at(1), std::stoul(arguments.at(2)), std::stoull(arguments.at(3)));
}

}  // namespace ferry::bench
