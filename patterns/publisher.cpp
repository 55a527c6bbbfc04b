#include "ferry/publisher.hpp"

#include <functional>

#include "core/envelope.hpp"
#include "core/random_id.hpp"
#include "core/socket.hpp"
#include "core/unsent.hpp"
#include "ferry/error.hpp"
#include "patterns/numbering.hpp"
#include "patterns/outgoing.hpp"
#include "patterns/subscriptions.hpp"

namespace ferry {
namespace {

// Asking libzmq for news costs a system call; a busy publisher does it this often.
constexpr unsigned messages_between_looks = 64;
constexpr std::uint64_t ns_between_looks = 1'000'000;

void set_up(zmq::socket_t& socket, overflow policy) {
    socket.set(zmq::sockopt::xpub_verboser, true);
    socket.set(zmq::sockopt::xpub_nodrop, policy == overflow::block);
}

}  // namespace

struct publisher::parts {
    parts(ferry::context& context, const ferry::endpoints& where, publisher_options chosen)
        : options{std::move(chosen)},
          numbers{options.topics_max},
          tracks{options.count_unsent && any_leaves_the_process(where)},
          socket{context,
                 zmq::socket_type::xpub,
                 where,
                 options.socket,
                 [this](zmq::socket_t& made) { set_up(made, options.overflow); },
                 [this](zmq::socket_t& used) { return read_subscriptions(used); }} {}

    bool read_subscriptions(zmq::socket_t& from);
    void look_now_and_then(std::uint64_t now_ns);
    bool try_publish(std::vector<frame>& frames, const header_map* headers, published& result);
    published publish(message content, std::optional<duration> wait);

    publisher_options options;
    const std::string id = random_id();
    // All below is touched under the socket's lock only.
    numbering numbers;
    subscriptions known;
    publisher_stats counts;
    unsigned since_look = 0;
    std::uint64_t looked_ns = 0;

    unsent in_flight;
    bool tracks;
    mutable ferry::socket socket;  // goes first: it calls back
};

bool publisher::parts::read_subscriptions(zmq::socket_t& from) {
    bool changed = false;
    for (const int connection : socket.take_ended()) known.connection_ended(connection);
    zmq::message_t heard;
    while (from.recv(heard, zmq::recv_flags::dontwait)) {
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

// True when the message is done with, sent or not; false when there is no room.
bool publisher::parts::try_publish(std::vector<frame>& frames, const header_map* headers, published& result) {
    const std::uint64_t now_ns = read_clocks().wall_ns;
    look_now_and_then(now_ns);
    const std::string_view topic = frames.front().view();
    bool wanted = known.wanted(topic);
    if (!wanted && socket.absorb()) wanted = known.wanted(topic);
    if (headers != nullptr) {
        const auto [epoch, sequence] = numbers.next(topic);
        if (wanted) frames[1] = encode_header({id, epoch, sequence, now_ns}, *headers);
    }
    result = wanted ? published::sent : published::unheard;
    if (wanted && !socket.try_send(frames)) return false;
    // What nobody heard has a number too: a subscriber that comes back counts it as missed.
    if (headers != nullptr) numbers.use();
    return true;
}

published publisher::parts::publish(message content, std::optional<duration> wait) {
    const bool enveloped = goes_enveloped(content, options.envelope);
    const std::size_t bytes = content.body().size();
    const header_map headers = enveloped ? content.headers() : header_map{};
    std::vector<frame> frames;
    frames.reserve(3 + content.frames().size());
    if (enveloped || content.has_topic() || !content.frames().empty()) frames.push_back(content.take_topic());
    if (enveloped) frames.emplace_back();
    frames.insert(frames.end(), content.frames().begin(), content.frames().end());
    frames.push_back(tracks ? in_flight.track(content.take_body()) : content.take_body());

    published result = published::full;
    const outcome how = socket.attempt(ZMQ_POLLOUT, wait, [&] {
        if (!try_publish(frames, enveloped ? &headers : nullptr, result)) return false;
        ++(result == published::sent ? counts.sent : counts.unheard);
        if (result == published::sent) counts.sent_bytes += bytes;
        return true;
    });
    if (how == outcome::done) return result;
    socket.with([&](zmq::socket_t&) {
        if (enveloped) {
            numbers.next(frames.front().view());
            numbers.use();
        }
        ++counts.dropped;
    });
    if (options.on_event)
        options.on_event(
            {event_kind::dropped, frames.front().str(), 0, 0, "a subscriber had no room in time"});
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
    const std::uint64_t left =
        parts_->socket.flush_and_close(parts_->in_flight, parts_->options.socket.linger);
    parts_->counts.unsent = left;
    parts_->counts.sent -= left;
    return left;
}

}  // namespace ferry
