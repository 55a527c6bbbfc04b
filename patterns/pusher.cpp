#include "ferry/pusher.hpp"

#include <array>

#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"
#include "core/random_id.hpp"
#include "core/socket.hpp"
#include "core/unsent.hpp"
#include "patterns/batch_outlet.hpp"
#include "patterns/outgoing.hpp"

namespace ferry {

struct pusher::parts {
    parts(ferry::context& context, const ferry::endpoints& where, pusher_options chosen)
        : options{std::move(chosen)},
          tells_unsent{options.count_unsent && any_leaves_the_process(where)},
          socket{context,
                 zmq::socket_type::push,
                 where,
                 options.batch ? with_queue_of_at_most(gathering::queue_max, options.socket) : options.socket,
                 {},
                 [this](zmq::socket_t&) { return notice_writable(); }} {
        if (options.batch)
            outlet.emplace(socket, in_flight, [this](const gathering::batch& all) { return try_send(all); });
    }
    ~parts();

    // A puller over inproc shows only as room to write.
    bool notice_writable() {
        const bool before = was_writable;
        was_writable = socket.writable();
        return was_writable != before;
    }

    outcome send(message&& content, std::optional<duration> wait);
    outcome send_alone(message&& content, std::optional<duration> wait);
    bool try_send(const gathering::batch& all);
    void count(std::uint64_t messages, std::uint64_t bytes);

    pusher_options options;
    const std::string id = random_id();
    pusher_stats counts;  // under the socket's lock
    bool was_writable = false;
    unsent in_flight;
    bool tells_unsent;
    mutable ferry::socket socket;  // goes before these: it calls back
    std::optional<batch_outlet> outlet;
};

pusher::parts::~parts() {
    close_outlet(outlet, socket, options.socket.linger);
}

void pusher::parts::count(std::uint64_t messages, std::uint64_t bytes) {
    counts.sent += messages;
    counts.sent_bytes += bytes;
}

bool pusher::parts::try_send(const gathering::batch& all) {
    stamp sender;
    // Pullers compete, so that no one of them could count a sequence: it stays 0.
    if (options.envelope == envelope_mode::full) sender = {id, 1, 0, read_wall_ns()};
    std::array<frame, 3> frames{frame{}, frame{encode_batch_header(sender, all.messages)},
                                in_flight.track({all.items, *all.items}, all.messages)};
    if (!socket.try_send(frames)) return false;
    count(all.messages, all.body_bytes);
    return true;
}

outcome pusher::parts::send_alone(message&& content, std::optional<duration> wait) {
    const std::size_t bytes = content.body().size();
    const bool enveloped = goes_enveloped(content, options.envelope);
    const bool bare = !enveloped && !content.has_topic() && content.frames().empty();
    if (enveloped) content.set_sent_by({id, 1, 0, read_wall_ns()});
    frame body;
    std::vector<frame> others;
    if (bare)
        body = content.take_body();
    else
        others = to_frames(std::move(content), enveloped ? envelope_mode::full : envelope_mode::none);
    const std::span<frame> frames = bare ? std::span{&body, 1} : std::span{others};
    bool counted = !outlet && !tells_unsent;
    const outcome how = socket.attempt(ZMQ_POLLOUT, wait, [&] {
        if (!std::exchange(counted, true)) frames.back() = in_flight.track(std::move(frames.back()));
        if ((outlet && !outlet->leave_all()) || !socket.try_send(frames)) return false;
        count(1, bytes);
        return true;
    });
    return how;
}

outcome pusher::parts::send(message&& content, std::optional<duration> wait) {
    if (!outlet || !gathering::is_small(content)) return send_alone(std::move(content), wait);
    goes_enveloped(content, options.envelope);  // or it throws
    const deadline end{wait};
    bool alone = false;
    const outcome how = socket.attempt(ZMQ_POLLOUT, wait, [&] {
        const batch_outlet::fate fate = outlet->offer(content, {}, true);
        alone = fate == batch_outlet::fate::alone;
        return fate != batch_outlet::fate::full;
    });
    outlet->settle();
    return how == outcome::done && alone ? send_alone(std::move(content), end.left()) : how;
}

pusher::pusher(ferry::context& context, const ferry::endpoints& where, pusher_options options)
    : parts_{std::make_unique<parts>(context, where, std::move(options))} {}
pusher::~pusher() = default;
pusher::pusher(pusher&&) noexcept = default;
pusher& pusher::operator=(pusher&&) noexcept = default;

outcome pusher::send(message message, std::optional<duration> wait) {
    const outcome how = parts_->send(std::move(message), wait);
    if (how == outcome::done) return how;
    parts_->socket.with([&](zmq::socket_t&) { ++parts_->counts.dropped; });
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
    pusher_stats counts;
    parts_->socket.with([&](zmq::socket_t&) { counts = parts_->counts; });
    return counts;
}

std::uint64_t pusher::close() {
    std::chrono::milliseconds linger = parts_->options.socket.linger;
    const std::uint64_t gathered = close_outlet(parts_->outlet, parts_->socket, linger);
    unsent nothing;
    const std::uint64_t left =
        parts_->socket.flush_and_close(parts_->tells_unsent ? parts_->in_flight : nothing, linger);
    parts_->counts.sent -= left;
    parts_->counts.unsent = left + gathered;
    return left + gathered;
}

}  // namespace ferry
