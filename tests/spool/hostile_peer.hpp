// A client of a spool that knows the protocol and means harm.
//
// It says whole sessions as a client would - HELLO, OPEN, PUT, PART, JOIN, CREDIT, ACK, NACK, DEAD, RELEASE,
// EXTEND, LEAVE, ADMIN, PING - with the leases it was really given, and spoils most of what it says on the
// way: bits, lengths, numbers, counts of frames. The same seed says the same things, as far as the spool
// answers alike.
//
//     hostile_peer peer{context, spool.endpoints().at(0), seed};
//     for (int i = 0; i < 1000; ++i) peer.speak();
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "core/protocol.hpp"

namespace ferry::test {

class hostile_peer {
  public:
    hostile_peer(zmq::context_t& context, const std::string& address, std::uint64_t seed);

    /// Sends the next message of a session, spoiled or not, and hears what was answered meanwhile. False when
    /// the spool did not take it in time.
    bool speak();

    std::uint64_t sent() const noexcept { return sent_; }
    std::uint64_t spoiled() const noexcept { return spoiled_; }
    std::uint64_t heard() const noexcept { return heard_; }

  private:
    using frames = std::vector<std::string>;

    std::uint64_t pick(std::uint64_t below) { return random_() % below; }
    std::uint64_t number();
    std::string stream() { return "hostile-" + std::to_string(pick(4)); }
    std::string group() { return "g" + std::to_string(pick(3)); }
    std::uint64_t channel() { return 1 + pick(4); }
    std::vector<protocol::run> runs();

    frames next_message();
    frames an_open();
    frames a_put();
    frames a_join();
    frames a_settlement();
    frames an_administration();
    void spoil(frames& message);
    void spoil_bytes(std::string& bytes);
    void listen();
    void hear(std::string_view head);

    zmq::socket_t socket_;
    std::mt19937_64 random_;
    frames last_;                                           // to be said again, or joined to another
    std::map<std::uint64_t, std::uint64_t> last_sequence_;  // by channel
    std::vector<protocol::run> delivered_;
    std::uint64_t lease_ = 0;
    std::uint64_t lease_channel_ = 1;
    std::uint64_t pieces_left_ = 0;
    std::uint64_t frames_read_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t spoiled_ = 0;
    std::uint64_t heard_ = 0;
};

}  // namespace ferry::test
