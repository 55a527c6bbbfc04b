// Who is connected to a socket: a reader of libzmq's socket monitor.
//
// It is read lazily, by whoever uses the socket. Its queue has no high-water mark: a monitor nobody drains
// would block libzmq's I/O thread. Only events of connections are asked for that were made, which are few: a
// dead address makes none. Peers over inproc make no events.
//
// Threads: as the socket it watches, one at a time. Lifetime: must go before the watched socket closes.
#pragma once

#include <cstddef>
#include <deque>
#include <unordered_set>
#include <vector>
#include <zmq.hpp>

namespace ferry {

class monitor {
  public:
    monitor(zmq::context_t& context, zmq::socket_t& watched);
    ~monitor();
    monitor(const monitor&) = delete;
    monitor& operator=(const monitor&) = delete;

    /// Becomes readable when something happened.
    int descriptor() const noexcept { return descriptor_; }

    /// Takes in what happened. True when a peer came or went.
    bool read();

    /// Peers whose handshake succeeded and that are still connected.
    std::size_t peers() const noexcept { return peers_.size(); }

    /// Descriptors of the connections that ended since this was last asked.
    std::vector<int> take_ended();

  private:
    bool next_event(int& kind, int& value);
    void end(int connection);

    zmq::socket_t& watched_;
    zmq::socket_t reader_;
    int descriptor_ = -1;
    std::deque<int> handshaking_;  // connections by descriptor, the oldest first
    std::unordered_set<int> peers_;
    bool handshake_failed_ = false;
    std::vector<int> ended_;
};

}  // namespace ferry
