#include "ferry/publisher.hpp"

#include <array>
#include <functional>
#include <span>
#include <utility>

#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"
#include "core/random_id.hpp"
#include "core/socket.hpp"
#include "core/uninterrupted.hpp"
#include "core/unsent.hpp"
#include "ferry/error.hpp"
#include "patterns/batch_outlet.hpp"
#include "patterns/numbering.hpp"
#include "patterns/outgoing.hpp"
#include "patterns/subscriptions.hpp"

namespace ferry {
namespace {

// Asking libzmq for news costs a system call; a busy publisher does it this often.
constexpr unsigned messages_between_looks = 64;
constexpr std::uint64_t ns_between_looks = 1'000'000;

// The frames of a message, with an empty place for its header; in `usual` when they fit.
std::span<frame> as_frames(message&& content, bool enveloped, std::array<frame, 3>& usual,
                           std::vector<frame>& more) {
    const std::size_t between = content.frames().size();
    const bool topic = enveloped || content.has_topic() || between > 0;
    const std::size_t count = 1 + (topic ? 1 : 0) + (enveloped ? 1 : 0) + between;
    if (count > usual.size()) more.resize(count);
    const std::span<frame> all = count > usual.size() ? std::span{more} : std::span{usual}.first(count);
    std::size_t at = 0;
    if (topic) all[at++] = content.take_topic();
    if (enveloped) ++at;
    for (const frame& each : content.frames()) all[at++] = each;
    all[at] = content.take_body();
    return all;
}

void set_up(zmq::socket_t& socket, overflow policy) {
    socket.set(zmq::sockopt::xpub_verboser, true);
    socket.set(zmq::sockopt::xpub_nodrop, policy == overflow::block);
}

}  // namespace

struct publisher::parts {
    parts(ferry::context& context, const ferry::endpoints& where, publisher_options chosen)
        : options{std::move(chosen)},
          numbers{options.topics_max},
          tells_unsent{options.count_unsent && any_leaves_the_process(where)},
          socket{context,
                 zmq::socket_type::xpub,
                 where,
                 options.socket,
                 [this](zmq::socket_t& made) { set_up(made, options.overflow); },
                 [this](zmq::socket_t& used) { return read_subscriptions(used); }} {
        if (options.batch)
            outlet.emplace(socket, in_flight,
                           [this](const gathering::batch& all) { return try_publish(all); });
    }
    ~parts();

    bool read_subscriptions(zmq::socket_t& from);
    void look_now_and_then(std::uint64_t now_ns);
    bool wanted(std::string_view topic);
    bool try_publish(std::span<frame> frames, const header_map* headers, published& result);
    bool try_publish(const gathering::batch& all);
    bool may_gather(const message& content) const;
    bool try_gather(const message& content, published& result, bool& alone);
    published publish(message&& content, std::optional<duration> wait);
    published publish_alone(message&& content, std::optional<duration> wait);
    published gave_up(outcome how, bool enveloped, std::string_view topic);

    publisher_options options;
    const std::string id = random_id();
    // All below is touched under the socket's lock only.
    numbering numbers;
    subscriptions known;
    publisher_stats counts;
    std::string header;
    unsigned since_look = 0;
    std::uint64_t looked_ns = 0;

    unsent in_flight;
    bool tells_unsent;
    mutable ferry::socket socket;  // goes before these: it calls back
    std::optional<batch_outlet> outlet;
};

publisher::parts::~parts() {
    close_outlet(outlet, socket, options.socket.linger);
}

bool publisher::parts::read_subscriptions(zmq::socket_t& from) {
    bool changed = false;
    for (const int connection : socket.take_ended()) known.connection_ended(connection);
    zmq::message_t heard;
    while (receive_now(from, heard)) {
        const std::string_view bytes = heard.to_string_view();
        if (bytes.empty() || static_cast<unsigned char>(bytes[0]) > 1) {
            ++counts.bad_frames;
            continue;
        }
        const int connection = zmq_msg_get(heard.handle(), ZMQ_SRCFD);
        if (bytes[0] == 1)
            known.add(bytes.substr(1), connection);
        else
            known.remove(bytes.substr(1), connection);
        changed = true;
    }
    return changed;
}

void publisher::parts::look_now_and_then(std::uint64_t now_ns) {
    if (++since_look < messages_between_looks && now_ns - looked_ns < ns_between_looks) return;
    since_look = 0;
    looked_ns = now_ns;
    socket.absorb();
}

bool publisher::parts::wanted(std::string_view topic) {
    return known.wanted(topic) || (socket.absorb() && known.wanted(topic));
}

// True when the message is done with, sent or not; false when there is no room.
bool publisher::parts::try_publish(std::span<frame> frames, const header_map* headers, published& result) {
    const std::uint64_t now_ns = read_wall_ns();
    look_now_and_then(now_ns);
    const std::string_view topic = frames.front().view();
    if (outlet && !outlet->leave(topic)) return false;
    const bool heard = wanted(topic);
    if (headers != nullptr) {
        const auto [epoch, sequence] = numbers.next(topic);
        if (heard) {
            encode_header(header, {id, epoch, sequence, now_ns}, *headers);
            frames[1] = frame{std::string_view{header}};
        }
    }
    result = heard ? published::sent : published::unheard;
    if (heard && !socket.try_send(frames)) return false;
    // What nobody heard has a number too: a subscriber that comes back counts it as missed.
    if (headers != nullptr) numbers.use();
    return true;
}

bool publisher::parts::try_publish(const gathering::batch& all) {
    const bool numbered = options.envelope == envelope_mode::full;
    const std::uint64_t now_ns = read_wall_ns();
    look_now_and_then(now_ns);
    const bool heard = wanted(all.topic);
    stamp first;
    if (numbered) {
        const auto [epoch, sequence] = numbers.next(all.topic);
        first = {id, epoch, sequence, now_ns};
    }
    if (heard) {
        std::array<frame, 3> frames{frame{all.topic}, frame{encode_batch_header(first, all.messages)},
                                    in_flight.track({all.items, *all.items}, all.messages)};
        if (!socket.try_send(frames)) return false;
        counts.sent += all.messages;
        counts.sent_bytes += all.body_bytes;
    } else {
        counts.unheard += all.messages;
    }
    if (numbered) numbers.use(all.messages);
    return true;
}

// A plain message without a topic is filtered by its payload; one with headers is numbered even where others
// are not.
bool publisher::parts::may_gather(const message& content) const {
    if (!outlet || !gathering::is_small(content)) return false;
    return options.envelope == envelope_mode::full || (content.has_topic() && content.headers().empty());
}

// What nobody wants, and what need not wait, goes the way of one message.
bool publisher::parts::try_gather(const message& content, published& result, bool& alone) {
    const std::string_view topic = content.topic();
    alone = !outlet->gathers(topic) && !wanted(topic);
    if (alone) return true;
    const batch_outlet::fate fate = outlet->offer(content, topic, false);
    alone = fate == batch_outlet::fate::alone;
    result = published::sent;
    return fate != batch_outlet::fate::full;
}

published publisher::parts::publish(message&& content, std::optional<duration> wait) {
    if (!may_gather(content)) return publish_alone(std::move(content), wait);
    goes_enveloped(content, options.envelope);  // or it throws
    const deadline end{wait};
    published result = published::full;
    bool alone = false;
    const outcome how = socket.attempt(ZMQ_POLLOUT, wait, [&] { return try_gather(content, result, alone); });
    outlet->settle();
    if (how != outcome::done) return gave_up(how, options.envelope == envelope_mode::full, content.topic());
    return alone ? publish_alone(std::move(content), end.left()) : result;
}

published publisher::parts::publish_alone(message&& content, std::optional<duration> wait) {
    const bool enveloped = goes_enveloped(content, options.envelope);
    const std::size_t bytes = content.body().size();
    const header_map headers = enveloped ? content.headers() : header_map{};
    std::array<frame, 3> usual;
    std::vector<frame> more;
    std::span<frame> frames = as_frames(std::move(content), enveloped, usual, more);
    bool counted = !outlet && !tells_unsent;
    published result = published::full;
    const outcome how = socket.attempt(ZMQ_POLLOUT, wait, [&] {
        if (!std::exchange(counted, true)) frames.back() = in_flight.track(std::move(frames.back()));
        if (!try_publish(frames, enveloped ? &headers : nullptr, result)) return false;
        ++(result == published::sent ? counts.sent : counts.unheard);
        if (result == published::sent) counts.sent_bytes += bytes;
        return true;
    });
    return how == outcome::done ? result : gave_up(how, enveloped, frames.front().view());
}

published publisher::parts::gave_up(outcome how, bool enveloped, std::string_view topic) {
    socket.with([&](zmq::socket_t&) {
        if (enveloped) {
            numbers.next(topic);
            numbers.use();
        }
        ++counts.dropped;
    });
    if (options.on_event)
        options.on_event({event_kind::dropped, std::string{topic}, 0, 0, "a subscriber had no room in time"});
    return how == outcome::stopped ? published::stopped : published::full;
}

publisher::publisher(ferry::context& context, const ferry::endpoints& where, publisher_options options) {
    check_option("topics_max", options.topics_max, std::size_t{1}, std::size_t{100'000'000},
                 "1 to 100 million");
    parts_ = std::make_unique<parts>(context, where, std::move(options));
}
publisher::~publisher() = default;
publisher::publisher(publisher&&) noexcept = default;
publisher& publisher::operator=(publisher&&) noexcept = default;

published publisher::publish(message message, std::optional<duration> wait) {
    return parts_->publish(std::move(message), wait);
}

published publisher::publish(frame topic, frame body, std::optional<duration> wait) {
    return parts_->publish(message{std::move(topic), std::move(body)}, wait);
}

outcome publisher::wait_for_subscribers(std::size_t count, std::optional<duration> wait) {
    return parts_->socket.wait_until(wait, [&] { return parts_->known.subscribers() >= count; });
}

outcome publisher::wait_for_subscriber_of(std::string_view topic, std::optional<duration> wait) {
    return parts_->socket.wait_until(wait, [&] { return parts_->known.wanted(topic); });
}

std::size_t publisher::subscribers() {
    std::size_t count = 0;
    parts_->socket.with([&](zmq::socket_t&) {
        parts_->socket.absorb();
        count = parts_->known.subscribers();
    });
    return count;
}

bool publisher::has_subscriber_of(std::string_view topic) {
    bool has = false;
    parts_->socket.with([&](zmq::socket_t&) {
        parts_->socket.absorb();
        has = parts_->known.wanted(topic);
    });
    return has;
}

bool publisher::connected() {
    return parts_->socket.peers() > 0 || subscribers() > 0;
}

outcome publisher::wait_for_peer(std::optional<duration> wait) {
    return parts_->socket.wait_until(
        wait, [&] { return parts_->socket.has_peer() || parts_->known.subscribers() > 0; });
}

const std::vector<std::string>& publisher::endpoints() const noexcept {
    return parts_->socket.bound();
}

publisher_stats publisher::stats() const {
    publisher_stats counts;
    parts_->socket.with([&](zmq::socket_t&) { counts = parts_->counts; });
    return counts;
}

std::uint64_t publisher::close() {
    std::chrono::milliseconds linger = parts_->options.socket.linger;
    const std::uint64_t gathered = close_outlet(parts_->outlet, parts_->socket, linger);
    unsent nothing;
    const std::uint64_t left =
        parts_->socket.flush_and_close(parts_->tells_unsent ? parts_->in_flight : nothing, linger);
    parts_->counts.unsent = left + gathered;
    parts_->counts.sent -= left;
    return left + gathered;
}

}  // namespace ferry
