// What is asked of a ZeroMQ socket without waiting, and asked again when a signal cut it short.
//
// libzmq polls for what other threads told the socket, and gives EINTR for a signal that has a handler even
// where it does not wait. The C++ binding throws then, where a message is half moved or a destructor runs.
//
// Threads: as the socket. Failure: throws zmq::error_t for anything but a signal.
#pragma once

#include <cerrno>
#include <zmq.hpp>

namespace ferry {

/// ZMQ_POLLIN and ZMQ_POLLOUT, as they are now.
inline int events_of(zmq::socket_t& socket) {
    int events = 0;
    std::size_t size = sizeof events;
    while (zmq_getsockopt(socket.handle(), ZMQ_EVENTS, &events, &size) != 0)
        if (zmq_errno() != EINTR) throw zmq::error_t{};
    return events;
}

/// Takes a message part that is there already; false when none is.
inline bool receive_now(zmq::socket_t& from, zmq::message_t& into) {
    while (zmq_msg_recv(into.handle(), from.handle(), ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() == EAGAIN) return false;
        if (zmq_errno() != EINTR) throw zmq::error_t{};
    }
    return true;
}

}  // namespace ferry
