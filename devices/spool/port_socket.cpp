#include "devices/spool/port_socket.hpp"

#include "core/context_parts.hpp"
#include "core/socket.hpp"

namespace ferry {
namespace {

// What stands in an out socket's queue counts as done, and is lost with the process: it is short. An in
// socket's is not: while it is full a publisher drops, and libzmq forgets what a peer that left had sent.
constexpr int out_queue = 100;
constexpr int in_queue = 1000;

zmq::socket_type type_of(raw_port_kind kind) {
    switch (kind) {
        case raw_port_kind::in_pull:
            return zmq::socket_type::pull;
        case raw_port_kind::in_sub:
            return zmq::socket_type::sub;
        case raw_port_kind::out_push:
            return zmq::socket_type::push;
        case raw_port_kind::out_pub:
            break;
    }
    return zmq::socket_type::xpub;
}

}  // namespace

std::string_view name_of(raw_port_kind kind) noexcept {
    switch (kind) {
        case raw_port_kind::in_pull:
            return "in-pull";
        case raw_port_kind::in_sub:
            return "in-sub";
        case raw_port_kind::out_push:
            return "out-push";
        case raw_port_kind::out_pub:
            break;
    }
    return "out-pub";
}

port_socket::port_socket(context& owner, const raw_port& what)
    : owner_{owner}, kind_{what.kind}, socket_{owner.internals().zmq, type_of(what.kind)} {
    socket_options with;
    const bool in = kind_ == raw_port_kind::in_pull || kind_ == raw_port_kind::in_sub;
    with.high_water_mark = in ? in_queue : out_queue;
    // A PING to a pusher that has left resets the connection, and what it had sent and nobody read is gone.
    if (kind_ == raw_port_kind::in_pull) with.heartbeat = std::chrono::milliseconds{0};
    with.linger = std::chrono::milliseconds{500};
    apply(socket_, with);
    if (kind_ == raw_port_kind::in_sub) socket_.set(zmq::sockopt::subscribe, "");
    // A slow subscriber holds the stream up rather than losing what the stream kept for it.
    if (kind_ == raw_port_kind::out_pub) socket_.set(zmq::sockopt::xpub_nodrop, true);
    bound_ = attach(socket_, what.where);
    address_ = bound_.empty() ? what.where.address : bound_.front();
}

// Whoever opens the next spool finds the address free.
port_socket::~port_socket() {
    detach(owner_.internals().zmq, socket_, bound_);
}

bool port_socket::receive(std::vector<frame>& frames) {
    frames.clear();
    bool more = true;
    while (more) {
        frame next;
        auto* message = static_cast<zmq_msg_t*>(next.native());
        if (zmq_msg_recv(message, socket_.handle(), ZMQ_DONTWAIT) < 0) {
            if (zmq_errno() == EINTR) continue;
            return false;  // between the frames of a message this cannot be: libzmq hands over whole ones
        }
        more = zmq_msg_more(message) != 0;
        frames.push_back(std::move(next));
    }
    return true;
}

bool port_socket::send(std::vector<frame>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
        int sent = -1;
        do
            sent = zmq_msg_send(static_cast<zmq_msg_t*>(frames[i].native()), socket_.handle(),
                                ZMQ_DONTWAIT | more);
        while (sent < 0 && zmq_errno() == EINTR);
        // A message is taken whole or not at all: only its first frame can meet a full queue.
        if (sent < 0 && i == 0) return false;
    }
    return true;
}

bool port_socket::anybody() {
    if (kind_ != raw_port_kind::out_pub) return true;
    while (receive(subscription_)) {
        const std::string_view said = subscription_.front().view();
        if (said.starts_with('\1')) ++topics_wanted_;
        if (said.starts_with('\0') && topics_wanted_ > 0) --topics_wanted_;
    }
    return topics_wanted_ > 0;
}

}  // namespace ferry
