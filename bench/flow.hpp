// Lets a publisher send no more than its subscriber can take in, so that both sides of a comparison do the
// same work and lose nothing: a flood would measure what dropping costs. Receivers give credit back over a
// socket of their own.
//
//     receiver: credit_giver credit{flow.step}; say(credit.endpoint()); ... credit.took();
//     sender:   credit_taker credit{endpoint, flow.step, flow.start()}; ... credit.spend();
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <zmq.hpp>

namespace ferry::bench {

/// Of every queue between the two, at most. Of large messages it is less: what waits is bytes, too.
inline constexpr int high_water_mark = 10'000;
inline constexpr std::uint64_t queue_bytes = 160 << 20;

/// What the sizes of messages ask for. libzmq tells a sender of room in steps of half a queue: more than four
/// steps of credit under way could be dropped.
struct flow {
    explicit flow(std::size_t size)
        : queue{static_cast<int>(std::clamp<std::uint64_t>(queue_bytes / size, 10, high_water_mark))},
          step{static_cast<std::uint64_t>(queue) / 10} {}
    int queue;
    std::uint64_t step;
    std::uint64_t start() const noexcept { return 4 * step; }
    /// Where a batch counts as one message: so many bytes of messages.
    std::uint64_t start_of_batches(std::size_t size) const {
        return std::max<std::uint64_t>(start(), (8 << 20) / size);
    }
};

class credit_giver {
  public:
    /// Step 0: there is nobody who asks for credit.
    explicit credit_giver(std::uint64_t step) : step_{step} { socket_.bind("tcp://127.0.0.1:*"); }
    std::string endpoint() const { return socket_.get(zmq::sockopt::last_endpoint); }
    /// Waits for whoever spends it, at the first step: a credit that is lost would be waited for without end.
    void took() {
        if (step_ > 0 && ++count_ % step_ == 0) socket_.send(zmq::message_t{}, zmq::send_flags::none);
    }

  private:
    zmq::context_t context_;
    zmq::socket_t socket_{context_, zmq::socket_type::push};
    const std::uint64_t step_;
    std::uint64_t count_ = 0;
};

class credit_taker {
  public:
    credit_taker(const std::string& where, std::uint64_t step, std::uint64_t start)
        : step_{step}, credit_{start} {
        socket_.connect(where);
    }
    void spend() {
        if (credit_ == 0) {
            zmq::message_t step;
            if (socket_.recv(step)) credit_ = step_;
        }
        --credit_;
    }

  private:
    zmq::context_t context_;
    zmq::socket_t socket_{context_, zmq::socket_type::pull};
    const std::uint64_t step_;
    std::uint64_t credit_;
};

}  // namespace ferry::bench
