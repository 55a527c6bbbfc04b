#include "patterns/spool_connection.hpp"

#include <array>
#include <utility>

#include "core/shared_frame.hpp"
#include "core/socket.hpp"

namespace ferry {
namespace {

constexpr std::size_t frame_bytes_max = 512 << 10;
constexpr std::uint64_t stuck_after_ns = 500'000'000;

}  // namespace

errc errc_of(std::string_view code) {
    using namespace protocol;
    struct row {
        std::string_view code;
        errc kind;
    };
    static constexpr std::array<row, 12> table = {{{code::full, errc::full},
                                                   {code::too_large, errc::too_large},
                                                   {code::no_such_stream, errc::not_found},
                                                   {code::no_such_group, errc::not_found},
                                                   {code::removed, errc::not_found},
                                                   {code::exists, errc::bad_argument},
                                                   {code::differs, errc::bad_argument},
                                                   {code::bad_name, errc::bad_argument},
                                                   {code::bad_option, errc::bad_argument},
                                                   {code::unsupported, errc::bad_argument},
                                                   {code::denied, errc::denied},
                                                   {code::read_only, errc::read_only}}};
    for (const row& each : table)
        if (each.code == code) return each.kind;
    return errc::failed;
}

void check_one(const endpoints& where) {
    if (where.size() != 1)
        throw error{errc::bad_argument, "one spool at a time, not '" + where.describe() + "'"};
}

spool_connection::spool_connection(context& owner, const endpoints& where, socket_options options)
    : owner_{owner}, where_{where}, options_{std::move(options)} {
    if (where_.size() == 0) throw error{errc::bad_argument, "no endpoint given"};
    // A lost connection is noticed by the session's own PING; sends to nobody wait here, not in libzmq.
    options_.message_bytes_max = frame_bytes_max;
    options_.linger = std::chrono::milliseconds{200};
    for (const endpoint& each : where_) inproc_ = inproc_ || each.address.starts_with("inproc://");
    connect();
}

void spool_connection::connect() {
    zmq::socket_t fresh{owner_.internals().zmq, zmq::socket_type::dealer};
    apply(fresh, options_);
    fresh.set(zmq::sockopt::reconnect_ivl, 50);
    fresh.set(zmq::sockopt::reconnect_ivl_max, 1000);
    peers_.reset();
    retired_ = std::exchange(socket_, std::move(fresh));
    if (!inproc_) peers_.emplace(owner_.internals().zmq, socket_);
    attach(socket_, where_);
    unsent_.clear();
}

void spool_connection::renew_if_stuck(instant now) {
    if (!inproc_ || stuck_since_ns_ == 0 || now.monotonic_ns < stuck_since_ns_ + stuck_after_ns) return;
    stuck_since_ns_ = 0;
    connect();
}

void spool_connection::receive(const receiver& take) {
    while (true) {
        std::array<frame, 2> frames;
        std::size_t count = 0;
        bool more = true;
        while (more) {
            frame surplus;
            frame& into = count < frames.size() ? frames.at(count) : surplus;
            auto* message = static_cast<zmq_msg_t*>(into.native());
            if (zmq_msg_recv(message, socket_.handle(), ZMQ_DONTWAIT) < 0) {
                if (zmq_errno() == EINTR) continue;
                return;
            }
            more = zmq_msg_more(message) != 0;
            ++count;
        }
        std::optional<shared_bytes> body;
        if (count == 2) body = bytes_of(std::move(frames[1]));
        if (count <= 2) take(frames[0].view(), std::move(body));
    }
}

bool spool_connection::send_one(outgoing_message& next) {
    frame head{std::string_view{next.head}};
    const int flags = ZMQ_DONTWAIT | (next.body ? ZMQ_SNDMORE : 0);
    if (zmq_msg_send(static_cast<zmq_msg_t*>(head.native()), socket_.handle(), flags) < 0) return false;
    if (!next.body) return true;
    frame body = frame_of(std::move(*next.body));
    zmq_msg_send(static_cast<zmq_msg_t*>(body.native()), socket_.handle(), 0);
    return true;
}

void spool_connection::send(std::vector<outgoing_message>&& more, bool link_up, instant now) {
    if (!link_up && !more.empty()) unsent_.clear();
    for (outgoing_message& each : more) unsent_.push_back(std::move(each));
    while (!unsent_.empty() && send_one(unsent_.front())) unsent_.pop_front();
    if (unsent_.empty())
        stuck_since_ns_ = 0;
    else if (stuck_since_ns_ == 0)
        stuck_since_ns_ = now.monotonic_ns;
}

}  // namespace ferry
