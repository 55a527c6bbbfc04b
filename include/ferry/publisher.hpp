// A publisher: one sender, any number of subscribers, and it knows whether anybody listens.
//
// Guarantee: at most once, and losses are known. Each message carries an envelope with this publisher's id
// and a sequence number per topic, by which a ferry subscriber counts what it missed. What nobody had
// subscribed to is not sent and counted as `unheard`. Order holds per topic.
//
// With `batch` small messages (up to 16 KiB) that are published faster than they leave go out together, up to
// 256 KiB or 200 us of one topic at a time; one that nothing holds up leaves at once. Only ferry subscribers
// understand a batch. It counts as one message in high-water marks, so that a subscriber that stands still
// may keep 1,000 of up to 256 KiB waiting, here and there: choose smaller marks where that is too much. One
// that is dropped for a subscriber is a gap of all its messages. Headers under envelope `automatic`, and
// messages without a topic that go plain, leave alone.
//
// Threads: all calls from any thread; sending happens in the calling thread, or of what gathers in a batch on
// the context's loop thread.
// Failure: the constructor throws when an endpoint cannot be used. A slow subscriber costs only itself
// (`drop_newest`: it sees a gap), or everybody waits for it (`block`).
//
//     ferry::publisher prices{context, ferry::bind("tcp://127.0.0.1:5555")};
//     prices.wait_for_subscribers(1, 2s);
//     prices.publish("eur.usd", ferry::pack(quote{1.09, 1.10}));
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/event.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

/// What happens to a message when a subscriber's queue is at its high-water mark.
enum class overflow : std::uint8_t {
    drop_newest,  ///< that subscriber does not get it, and sees a gap
    block,        ///< `publish` waits until every subscriber has room, or gives the message up: `full`
};

struct publisher_options {
    envelope_mode envelope = envelope_mode::full;  ///< none: plain frames, and nobody can count losses
    ferry::overflow overflow = ferry::overflow::drop_newest;
    std::size_t topics_max = 1'000'000;  ///< topics numbered at a time; one that falls out starts anew
    bool batch = false;                  ///< see above
    bool count_unsent = true;            ///< lets `close` tell what never left; about 50 ns a message
    socket_options socket{};
    event_callback on_event{};
};

struct publisher_stats {
    std::uint64_t sent = 0;        ///< handed to at least one subscriber's queue
    std::uint64_t sent_bytes = 0;  ///< bodies of these
    std::uint64_t unheard = 0;     ///< nobody had subscribed to the topic
    std::uint64_t dropped = 0;     ///< given up: no room in time under `block`
    std::uint64_t unsent = 0;      ///< in a queue when it closed, and thrown away
    std::uint64_t bad_frames = 0;  ///< what peers sent that is no subscription
};

/// What became of a message.
enum class published : std::uint8_t {
    sent,     ///< in the queue of every subscriber of its topic that had room, or in a batch that soon is
    unheard,  ///< nobody has subscribed to its topic; not sent
    full,     ///< under `block`: no room in that time; not sent
    stopped,  ///< the context was asked to stop; not sent
};

class publisher {
  public:
    publisher(ferry::context& context, const ferry::endpoints& where, publisher_options options = {});
    ~publisher();
    publisher(publisher&&) noexcept;
    publisher& operator=(publisher&&) noexcept;

    /// `wait` matters under `block` only. Throws errc::too_large when its headers exceed 64 KiB, and
    /// errc::bad_argument for headers under envelope `none`.
    published publish(message message, std::optional<duration> wait = forever);
    published publish(frame topic, frame body, std::optional<duration> wait = forever);

    /// Waits until at least `count` subscribers hold a subscription. A forwarder in between counts as one.
    outcome wait_for_subscribers(std::size_t count, std::optional<duration> wait = forever);

    /// Waits until a subscription is there that messages of `topic` match.
    outcome wait_for_subscriber_of(std::string_view topic, std::optional<duration> wait = forever);

    /// Subscribers that hold a subscription now.
    std::size_t subscribers();
    /// True when messages of `topic` go to somebody.
    bool has_subscriber_of(std::string_view topic);

    /// True when a peer is connected, whether it has subscribed or not (inproc peers: once they subscribed).
    bool connected();
    outcome wait_for_peer(std::optional<duration> wait = forever);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& endpoints() const noexcept;
    publisher_stats stats() const;

    /// Waits up to the linger time until everything is on its way, closes, and tells how many messages are
    /// not; these are thrown away. No other call may follow, but for `stats`. The destructor only closes:
    /// libzmq then sends on in the background, for no longer than the linger time.
    std::uint64_t close();

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
