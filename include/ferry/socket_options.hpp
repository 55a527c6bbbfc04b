// What every component lets you set on its ZeroMQ sockets, with the defaults bare libzmq leaves out: bounded
// linger, a size limit, heartbeats, a handshake limit, and no queueing to a peer that is not there.
//
//     ferry::pusher jobs{context, ferry::connect("tcp://10.0.0.1:5556"), {.socket = {.high_water_mark =
//     10}}};
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ferry {

/// An extra libzmq option by its number (ZMQ_...); a value of 4 or 8 bytes or a string.
struct raw_socket_option {
    int option = 0;
    std::variant<int, std::int64_t, std::string> value;
};

struct socket_options {
    int high_water_mark = 1000;                   ///< messages per peer and direction; 0 = no limit
    std::chrono::milliseconds linger{2000};       ///< how long closing waits for what was sent; senders only
    std::int64_t message_bytes_max = 64LL << 20;  ///< a peer that sends more is disconnected; -1 = no limit
    bool immediate = true;  ///< never queue to a peer that is not connected; senders only
    std::chrono::milliseconds heartbeat{10000};          ///< ZMTP PING interval; 0 = none
    std::chrono::milliseconds heartbeat_timeout{30000};  ///< PINGs queue behind data: leave it long
    std::chrono::milliseconds handshake{5000};           ///< a peer that takes longer is disconnected
    std::vector<raw_socket_option> raw{};                ///< applied last, before bind and connect
};

}  // namespace ferry
