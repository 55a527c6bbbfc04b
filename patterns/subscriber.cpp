#include "ferry/subscriber.hpp"

#include <algorithm>

#include "core/context_parts.hpp"
#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"
#include "core/loop.hpp"
#include "core/socket.hpp"
#include "core/wildcard.hpp"
#include "patterns/numbering.hpp"
#include "patterns/outgoing.hpp"

namespace ferry {

struct subscriber::parts {
    parts(ferry::context& context, const ferry::endpoints& where, subscriber_options chosen);

    void set_up(zmq::socket_t& made) const;
    bool asked_for(std::string_view topic) const;
    std::uint64_t judge(const stamp& first, std::string_view topic, std::uint64_t messages,
                        std::vector<event>& events);
    bool open_batch(std::vector<event>& events);
    void take_of_batch(std::optional<message>& result, std::vector<event>& events);
    std::optional<message> take_single(std::vector<event>& events);
    bool take(std::optional<message>& result, std::vector<event>& events);
    std::optional<message> receive(std::optional<duration> wait);

    subscriber_options options;
    // All up to the socket is touched under its lock only.
    std::vector<frame> frames;
    envelope_batch batch;
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

// How many of some messages that follow each other had come before. Tells what their numbers say.
std::uint64_t subscriber::parts::judge(const stamp& first, std::string_view topic, std::uint64_t messages,
                                       std::vector<event>& events) {
    const heard::verdict verdict = last_heard.judge(first, topic, messages);
    counts.duplicates += verdict.duplicates;
    if (verdict.duplicates > 0)
        events.push_back({event_kind::duplicate,
                          std::string{topic},
                          first.sequence,
                          first.sequence + verdict.duplicates - 1,
                          {}});
    if (verdict.lost_from > 0) {
        ++counts.gaps;
        counts.lost += verdict.lost_to - verdict.lost_from + 1;
        events.push_back({event_kind::gap, std::string{topic}, verdict.lost_from, verdict.lost_to, {}});
    }
    return verdict.duplicates;
}

bool subscriber::parts::open_batch(std::vector<event>& events) {
    const char* const wrong = batch.open(frames);
    if (wrong != nullptr) {
        ++counts.bad_frames;
        events.push_back({event_kind::bad_frame, {}, 0, 0, wrong});
        return false;
    }
    if (!asked_for(batch.topic())) {
        counts.filtered += batch.drop();
        return false;
    }
    batch.skip(judge(batch.sent_by(), batch.topic(), batch.left(), events));
    return batch.left() > 0;
}

// What its numbers promised and its bytes do not hold is lost.
void subscriber::parts::take_of_batch(std::optional<message>& result, std::vector<event>& events) {
    batch.take(result);
    if (result) {
        // A publisher's messages have the topic of their batch; what says otherwise is asked again.
        if (result->topic() == batch.topic() || asked_for(result->topic())) return;
        ++counts.filtered;
        return result.reset();
    }
    const stamp missing = batch.sent_by();
    const std::uint64_t left = batch.drop();
    ++counts.bad_frames;
    events.push_back({event_kind::bad_frame, {}, 0, 0, "a batch is cut short"});
    if (missing.sequence == 0 || left == 0) return;
    ++counts.gaps;
    counts.lost += left;
    events.push_back(
        {event_kind::gap, std::string{batch.topic()}, missing.sequence, missing.sequence + left - 1, {}});
}

std::optional<message> subscriber::parts::take_single(std::vector<event>& events) {
    decoded_message decoded = from_frames(frames);
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
    const auto stamped = content.sent_by();
    if (stamped && judge(*stamped, content.topic(), 1, events) > 0) return std::nullopt;
    return std::move(content);
}

// False when nothing is there. What was there may be no message.
bool subscriber::parts::take(std::optional<message>& result, std::vector<event>& events) {
    if (batch.left() == 0) {
        if (!socket.try_receive(frames)) return false;
        if (!envelope_batch::is_one(frames))
            result = take_single(events);
        else if (open_batch(events))
            take_of_batch(result, events);
    } else {
        take_of_batch(result, events);
    }
    // Others may wait for what libzmq no longer has.
    if (batch.left() > 0) socket.offer();
    if (!result) return true;
    ++counts.received;
    counts.received_bytes += result->body().size();
    return true;
}

std::optional<message> subscriber::parts::receive(std::optional<duration> wait) {
    const deadline end{wait};
    std::vector<event> events;
    std::optional<message> result;
    outcome how = outcome::done;
    while (!result && how == outcome::done) {
        if (socket.stopped()) break;
        // Judged under the lock, in the order of arrival: two receiving threads would see gaps otherwise.
        how = socket.attempt(ZMQ_POLLIN, end.left(), [&] { return take(result, events); });
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
