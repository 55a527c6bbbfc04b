#include "core/monitor.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "core/uninterrupted.hpp"

namespace ferry {
namespace {

constexpr int handshake_failures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                   ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
constexpr int opened = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED;
constexpr int wanted = opened | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | handshake_failures;

// Ended connections matter to publishers only; others never ask, and must not pay for that.
constexpr std::size_t ended_max = 4096;

}  // namespace

monitor::monitor(zmq::context_t& context, zmq::socket_t& watched)
    : watched_{watched}, reader_{context, zmq::socket_type::pair} {
    const std::string name =
        "inproc://ferry-monitor-" + std::to_string(reinterpret_cast<std::uintptr_t>(watched.handle()));
    reader_.set(zmq::sockopt::linger, 0);
    reader_.set(zmq::sockopt::rcvhwm, 0);
    if (zmq_socket_monitor(watched.handle(), name.c_str(), wanted) != 0) throw zmq::error_t{};
    reader_.connect(name);
    descriptor_ = reader_.get(zmq::sockopt::fd);
    read();  // libzmq signals the descriptor only to readers that have found nothing
}

monitor::~monitor() {
    // In this order: events for a reader that is gone would block the I/O thread.
    zmq_socket_monitor(watched_.handle(), nullptr, 0);
}

bool monitor::next_event(int& kind, int& value) {
    zmq::message_t event;
    if (!receive_now(reader_, event)) return false;
    std::uint16_t id = 0;
    std::int32_t number = 0;
    std::memcpy(&id, event.data(), sizeof id);
    std::memcpy(&number, static_cast<const char*>(event.data()) + sizeof id, sizeof number);
    kind = id;
    value = number;
    zmq::message_t address;
    receive_now(reader_, address);
    return true;
}

// Only some events name the connection they are about. A handshake that succeeded is taken to be the oldest
// one under way; where that was wrong, the end of the other one puts it right.
void monitor::end(int connection) {
    const bool failed = std::exchange(handshake_failed_, false);
    const auto waiting = std::find(handshaking_.begin(), handshaking_.end(), connection);
    if (waiting != handshaking_.end()) {
        handshaking_.erase(waiting);
    } else if (peers_.erase(connection) > 0 && failed && !handshaking_.empty()) {
        peers_.insert(handshaking_.front());
        handshaking_.pop_front();
    }
    if (ended_.size() < ended_max) ended_.push_back(connection);
}

bool monitor::read() {
    bool changed = false;
    int kind = 0;
    int value = 0;
    while (next_event(kind, value)) {
        if ((kind & opened) != 0) handshaking_.push_back(value);
        if ((kind & handshake_failures) != 0) handshake_failed_ = true;
        if (kind == ZMQ_EVENT_DISCONNECTED) end(value);
        if (kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && !handshaking_.empty()) {
            peers_.insert(handshaking_.front());
            handshaking_.pop_front();
        }
        changed = changed || kind == ZMQ_EVENT_DISCONNECTED || kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    }
    return changed;
}

std::vector<int> monitor::take_ended() {
    std::vector<int> ended;
    ended.swap(ended_);
    return ended;
}

}  // namespace ferry
