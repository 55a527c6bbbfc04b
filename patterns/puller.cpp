#include "ferry/puller.hpp"

#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"
#include "core/socket.hpp"

namespace ferry {

struct puller::parts {
    parts(ferry::context& context, const ferry::endpoints& where, puller_options chosen)
        : options{std::move(chosen)}, socket{context, zmq::socket_type::pull, where, options.socket} {}

    bool take(std::optional<message>& result, const char*& wrong);
    std::optional<message> receive(std::optional<duration> wait);

    puller_options options;
    // All below is touched under the socket's lock only.
    std::vector<frame> frames;
    envelope_batch batch;
    puller_stats counts;
    mutable ferry::socket socket;
};

// False when nothing is there; else there is a message, or the reason why what was there is none.
bool puller::parts::take(std::optional<message>& result, const char*& wrong) {
    if (batch.left() == 0) {
        if (!socket.try_receive(frames)) return false;
        if (!envelope_batch::is_one(frames)) {
            decoded_message decoded = from_frames(frames);
            if (decoded.good)
                result.emplace(std::move(decoded.content));
            else
                wrong = decoded.reason;
            return true;
        }
        wrong = batch.open(frames);
        if (wrong != nullptr) return true;
    }
    batch.take(result);
    if (!result && batch.drop() > 0) wrong = "a batch is cut short";
    // Others may wait for what libzmq no longer has.
    if (batch.left() > 0) socket.offer();
    return true;
}

std::optional<message> puller::parts::receive(std::optional<duration> wait) {
    const deadline end{wait};
    std::optional<message> result;
    outcome how = outcome::done;
    while (!result && how == outcome::done) {
        // A feed that never pauses must not keep its reader from stopping.
        if (socket.stopped()) break;
        const char* wrong = nullptr;
        how = socket.attempt(ZMQ_POLLIN, end.left(), [&] {
            if (!take(result, wrong)) return false;
            if (wrong != nullptr) ++counts.bad_frames;
            if (!result) return true;
            ++counts.received;
            counts.received_bytes += result->body().size();
            return true;
        });
        if (wrong != nullptr && options.on_event) options.on_event({event_kind::bad_frame, {}, 0, 0, wrong});
    }
    return result;
}

puller::puller(ferry::context& context, const ferry::endpoints& where, puller_options options)
    : parts_{std::make_unique<parts>(context, where, std::move(options))} {}
puller::~puller() = default;
puller::puller(puller&&) noexcept = default;
puller& puller::operator=(puller&&) noexcept = default;

std::optional<message> puller::receive(std::optional<duration> wait) {
    return parts_->receive(wait);
}

bool puller::connected() {
    return parts_->socket.peers() > 0;
}

outcome puller::wait_for_peer(std::optional<duration> wait) {
    return parts_->socket.wait_for_peer(wait);
}

const std::vector<std::string>& puller::endpoints() const noexcept {
    return parts_->socket.bound();
}

puller_stats puller::stats() const {
    puller_stats counts;
    parts_->socket.with([&](zmq::socket_t&) { counts = parts_->counts; });
    return counts;
}

}  // namespace ferry
