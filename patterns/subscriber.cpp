#include "ferry/subscriber.hpp"

#include <algorithm>

#include "core/context_parts.hpp"
#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/loop.hpp"
#include "core/socket.hpp"
#include "patterns/numbering.hpp"
#include "patterns/outgoing.hpp"
#include "core/wildcard.hpp"

namespace ferry {

struct subscriber::parts {
    parts(ferry::context& context, const ferry::endpoints& where, subscriber_options chosen);

    void set_up(zmq::socket_t& made) const;
    bool asked_for(std::string_view topic) const;
    std::optional<message> take(std::vector<frame> frames, std::vector<event>& events);
    std::optional<message> receive(std::optional<duration> wait);

    subscriber_options options;
    // Both are touched under the socket's lock only.
    heard last_heard;
    subscriber_stats counts;
    mutable ferry::socket socket;
    std::unique_ptr<loop::member> renewal;
};

subscriber::parts::parts(ferry::context& context, const ferry::endpoints& where, subscriber_options chosen)
    : options{std::move(chosen)},
      last_heard{options.topics_max},
      socket{context, zmq::socket_type::sub, where, options.socket,
             [this](zmq::socket_t& made) { set_up(made); }},
      // Subscriptions go to a peer when somebody enters the socket after it came; the program may not.
      renewal{context.internals().shared_loop().add([this] {
          socket.settle();
          return loop::next{steady_time::max(), socket.peers_descriptor()};
      })} {}

void subscriber::parts::set_up(zmq::socket_t& made) const {
    for (const std::string& topic : options.topics) made.set(zmq::sockopt::subscribe, topic);
    for (const std::string& pattern : options.match)
        made.set(zmq::sockopt::subscribe, std::string{literal_prefix(pattern)});
    if (options.topics.empty() && options.match.empty()) made.set(zmq::sockopt::subscribe, "");
}

bool subscriber::parts::asked_for(std::string_view topic) const {
    if (options.match.empty()) return true;  // libzmq has filtered
    return std::any_of(options.match.begin(), options.match.end(),
                       [&](const std::string& pattern) { return matches(pattern, topic); }) ||
           std::any_of(options.topics.begin(), options.topics.end(),
                       [&](const std::string& prefix) { return topic.starts_with(prefix); });
}

std::optional<message> subscriber::parts::take(std::vector<frame> frames, std::vector<event>& events) {
    decoded_message decoded = from_frames(std::move(frames));
    message& content = decoded.content;
    if (!decoded.good) {
        ++counts.bad_frames;
        events.push_back({event_kind::bad_frame, {}, 0, 0, decoded.reason});
        return std::nullopt;
    }
    if (!asked_for(content.topic())) {
        ++counts.filtered;
        return std::nullopt;
    }
    if (const auto& stamp = content.sent_by()) {
        const heard::verdict verdict = last_heard.judge(*stamp, content.topic());
        if (verdict.duplicate) {
            ++counts.duplicates;
            events.push_back({event_kind::duplicate, std::string{content.topic()}, stamp->sequence, 0, {}});
            return std::nullopt;
        }
        if (verdict.lost_from > 0) {
            ++counts.gaps;
            counts.lost += verdict.lost_to - verdict.lost_from + 1;
            events.push_back(
                {event_kind::gap, std::string{content.topic()}, verdict.lost_from, verdict.lost_to, {}});
        }
    }
    ++counts.received;
    counts.received_bytes += content.body().size();
    return std::move(content);
}

std::optional<message> subscriber::parts::receive(std::optional<duration> wait) {
    const deadline end{wait};
    std::vector<event> events;
    std::vector<frame> frames;
    std::optional<message> result;
    outcome how = outcome::done;
    while (!result && how == outcome::done) {
        if (socket.stopped()) return std::nullopt;
        // Judged under the lock, in the order of arrival: two receiving threads would see gaps otherwise.
        how = socket.attempt(ZMQ_POLLIN, end.left(), [&] {
            if (!socket.try_receive(frames)) return false;
            result = take(std::move(frames), events);
            frames.clear();
            return true;
        });
        if (options.on_event)
            for (const event& each : events) options.on_event(each);
        events.clear();
    }
    return result;
}

subscriber::subscriber(ferry::context& context, const ferry::endpoints& where, subscriber_options options) {
    check_option("topics_max", options.topics_max, std::size_t{1}, std::size_t{100'000'000},
                 "1 to 100 million");
    for (const std::string& pattern : options.match) check_pattern(pattern);
    parts_ = std::make_unique<parts>(context, where, std::move(options));
}
subscriber::~subscriber() = default;
subscriber::subscriber(subscriber&&) noexcept = default;
subscriber& subscriber::operator=(subscriber&&) noexcept = default;

std::optional<message> subscriber::receive(std::optional<duration> wait) {
    return parts_->receive(wait);
}

void subscriber::subscribe(std::string_view topic) {
    parts_->socket.with([&](zmq::socket_t& used) {
        used.set(zmq::sockopt::subscribe, std::string{topic});
        parts_->options.topics.emplace_back(topic);
    });
}

void subscriber::unsubscribe(std::string_view topic) {
    parts_->socket.with([&](zmq::socket_t& used) {
        used.set(zmq::sockopt::unsubscribe, std::string{topic});
        auto& topics = parts_->options.topics;
        const auto found = std::find(topics.begin(), topics.end(), topic);
        if (found != topics.end()) topics.erase(found);
    });
}

bool subscriber::connected() {
    return parts_->socket.peers() > 0;
}

outcome subscriber::wait_for_peer(std::optional<duration> wait) {
    return parts_->socket.wait_for_peer(wait);
}

const std::vector<std::string>& subscriber::endpoints() const noexcept {
    return parts_->socket.bound();
}

subscriber_stats subscriber::stats() const {
    subscriber_stats counts;
    parts_->socket.with([&](zmq::socket_t&) { counts = parts_->counts; });
    return counts;
}

}  // namespace ferry
