// Lets a publisher send no more than its subscriber can take in, so that both sides of a comparison do the
// same work and lose nothing: a flood would measure what dropping costs. Receivers give credit back over a
// socket of their own.
//
//     receiver: credit_giver credit; say(credit.endpoint()); ... credit.took();
//     sender:   credit_taker credit{endpoint}; ... credit.spend();
#pragma once

#include <cstdint>
#include <string>
#include <zmq.hpp>

namespace ferry::bench {

/// Of every queue between the two.
inline constexpr int high_water_mark = 10'000;
inline constexpr std::uint64_t credit_step = 1'000;
/// Messages under way at most. libzmq tells a sender of room in steps of half a queue: more than that could
/// be dropped.
inline constexpr std::uint64_t credit_start = 4 * credit_step;

class credit_giver {
  public:
    credit_giver() { socket_.bind("tcp://127.0.0.1:*"); }
    std::string endpoint() const { return socket_.get(zmq::sockopt::last_endpoint); }
    void took() {
        if (++count_ % credit_step == 0) socket_.send(zmq::message_t{}, zmq::send_flags::dontwait);
    }

  private:
    zmq::context_t context_;
    zmq::socket_t socket_{context_, zmq::socket_type::push};
    std::uint64_t count_ = 0;
};

class credit_taker {
  public:
    explicit credit_taker(const std::string& where) { socket_.connect(where); }
    void spend() {
        if (credit_ == 0) {
            zmq::message_t step;
            if (socket_.recv(step)) credit_ = credit_step;
        }
        --credit_;
    }

  private:
    zmq::context_t context_;
    zmq::socket_t socket_{context_, zmq::socket_type::pull};
    std::uint64_t credit_ = credit_start;
};

}  // namespace ferry::bench
