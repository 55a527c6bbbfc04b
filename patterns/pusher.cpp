#include "ferry/pusher.hpp"

#include <atomic>

#include "core/envelope.hpp"
#include "core/random_id.hpp"
#include "core/socket.hpp"
#include "core/unsent.hpp"
#include "patterns/outgoing.hpp"

namespace ferry {

struct pusher::parts {
    parts(ferry::context& context, const ferry::endpoints& where, pusher_options chosen)
        : options{std::move(chosen)},
          tracks{options.count_unsent && any_leaves_the_process(where)},
          socket{context, zmq::socket_type::push,
                 where,   options.socket,
                 {},      [this](zmq::socket_t&) { return notice_writable(); }} {}

    // A puller over inproc shows only as room to write.
    bool notice_writable() {
        const bool before = was_writable;
        was_writable = socket.writable();
        return was_writable != before;
    }

    std::vector<frame> frames_of(message content);

    pusher_options options;
    const std::string id = random_id();
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> sent_bytes{0};
    std::atomic<std::uint64_t> dropped{0};
    std::uint64_t unsent_at_close = 0;
    bool was_writable = false;
    unsent in_flight;
    bool tracks;
    ferry::socket socket;  // goes first: it calls back
};

std::vector<frame> pusher::parts::frames_of(message content) {
    const bool enveloped = goes_enveloped(content, options.envelope);
    // Pullers compete, so that no one of them could count a sequence: it stays 0.
    if (enveloped) content.set_sent_by({id, 1, 0, read_clocks().wall_ns});
    if (tracks) content.set_body(in_flight.track(content.take_body()));
    return to_frames(std::move(content), enveloped ? envelope_mode::full : envelope_mode::none);
}

pusher::pusher(ferry::context& context, const ferry::endpoints& where, pusher_options options)
    : parts_{std::make_unique<parts>(context, where, std::move(options))} {}
pusher::~pusher() = default;
pusher::pusher(pusher&&) noexcept = default;
pusher& pusher::operator=(pusher&&) noexcept = default;

outcome pusher::send(message message, std::optional<duration> wait) {
    const std::size_t bytes = message.body().size();
    std::vector<frame> frames = parts_->frames_of(std::move(message));
    const outcome how = parts_->socket.send(frames, wait);
    if (how == outcome::done) {
        parts_->sent.fetch_add(1, std::memory_order_relaxed);
        parts_->sent_bytes.fetch_add(bytes, std::memory_order_relaxed);
        return how;
    }
    parts_->dropped.fetch_add(1, std::memory_order_relaxed);
    if (parts_->options.on_event)
        parts_->options.on_event({event_kind::dropped, {}, 0, 0, "no puller took it in time"});
    return how;
}

bool pusher::connected() {
    bool writable = false;
    parts_->socket.with([&](zmq::socket_t&) { writable = parts_->socket.writable(); });
    return writable || parts_->socket.peers() > 0;
}

outcome pusher::wait_for_peer(std::optional<duration> wait) {
    return parts_->socket.wait_until(wait,
                                     [&] { return parts_->socket.has_peer() || parts_->socket.writable(); });
}

const std::vector<std::string>& pusher::endpoints() const noexcept {
    return parts_->socket.bound();
}

pusher_stats pusher::stats() const {
    return {parts_->sent - parts_->unsent_at_close, parts_->sent_bytes, parts_->dropped,
            parts_->unsent_at_close};
}

std::uint64_t pusher::close() {
    parts_->unsent_at_close =
        parts_->socket.flush_and_close(parts_->in_flight, parts_->options.socket.linger);
    return parts_->unsent_at_close;
}

}  // namespace ferry
