#include "ferry/puller.hpp"

#include <atomic>

#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/socket.hpp"

namespace ferry {

struct puller::parts {
    parts(ferry::context& context, const ferry::endpoints& where, puller_options chosen)
        : options{std::move(chosen)}, socket{context, zmq::socket_type::pull, where, options.socket} {}

    puller_options options;
    std::atomic<std::uint64_t> received{0};
    std::atomic<std::uint64_t> received_bytes{0};
    std::atomic<std::uint64_t> bad_frames{0};
    ferry::socket socket;
};

puller::puller(ferry::context& context, const ferry::endpoints& where, puller_options options)
    : parts_{std::make_unique<parts>(context, where, std::move(options))} {}
puller::~puller() = default;
puller::puller(puller&&) noexcept = default;
puller& puller::operator=(puller&&) noexcept = default;

std::optional<message> puller::receive(std::optional<duration> wait) {
    const deadline end{wait};
    std::vector<frame> frames;
    while (parts_->socket.receive(frames, end.left()) == outcome::done) {
        decoded_message decoded = from_frames(std::move(frames));
        frames.clear();
        if (decoded.good) {
            parts_->received.fetch_add(1, std::memory_order_relaxed);
            parts_->received_bytes.fetch_add(decoded.content.body().size(), std::memory_order_relaxed);
            return std::move(decoded.content);
        }
        ++parts_->bad_frames;
        if (parts_->options.on_event)
            parts_->options.on_event({event_kind::bad_frame, {}, 0, 0, decoded.reason});
    }
    return std::nullopt;
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
    return {parts_->received, parts_->received_bytes, parts_->bad_frames};
}

}  // namespace ferry
