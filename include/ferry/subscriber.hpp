// A subscriber: receives the topics it asked for, and knows what it missed.
//
// Guarantee: at most once, losses known. From publishers that send the envelope it counts, exactly and per
// topic, what was lost since it first heard the topic: each hole is an event gap{topic, from, to}. A message
// that came before is dropped and counted. Plain publishers are received as they are; of their losses
// nothing is known. Order holds per topic.
//
// Threads: all calls from any thread; receiving happens in the calling thread. Subscriptions are renewed on
// the context's loop thread when a publisher comes back, whether or not the program is receiving then.
// Failure: the constructor throws for an endpoint or a pattern that cannot be. Frames that are no message
// are counted, reported and dropped.
//
//     ferry::subscriber quotes{context, ferry::connect("tcp://127.0.0.1:5555"), {.topics = {"eur."}}};
//     while (auto m = quotes.receive()) use(m->topic(), ferry::unpack<quote>(m->body()));
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/event.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

struct subscriber_options {
    std::vector<std::string> topics{};   ///< prefixes; any of them. With none, and no `match`: everything
    std::vector<std::string> match{};    ///< patterns: `*` is one dot-separated token, `>` the rest
    std::size_t topics_max = 1'000'000;  ///< (publisher, topic) pairs whose numbers are followed at a time
    socket_options socket{};
    event_callback on_event{};
};

struct subscriber_stats {
    std::uint64_t received = 0;        ///< given to the program
    std::uint64_t received_bytes = 0;  ///< bodies of these
    std::uint64_t lost = 0;            ///< messages in all gaps
    std::uint64_t gaps = 0;
    std::uint64_t duplicates = 0;  ///< dropped: they had come before
    std::uint64_t bad_frames = 0;  ///< dropped: no message, or a forged envelope
    std::uint64_t filtered = 0;    ///< dropped: the prefix fits, no pattern does
};

class subscriber {
  public:
    subscriber(ferry::context& context, const ferry::endpoints& where, subscriber_options options = {});
    ~subscriber();
    subscriber(subscriber&&) noexcept;
    subscriber& operator=(subscriber&&) noexcept;

    /// The next message; empty when none came in that time, or the context was asked to stop.
    std::optional<message> receive(std::optional<duration> wait = forever);

    /// Adds or takes away a prefix. Empty = everything.
    void subscribe(std::string_view topic);
    void unsubscribe(std::string_view topic);

    /// True when a peer is connected (peers over inproc are not seen).
    bool connected();
    outcome wait_for_peer(std::optional<duration> wait = forever);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& endpoints() const noexcept;
    subscriber_stats stats() const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

/// True when `topic` fits `pattern`: tokens are separated by dots, `*` is one token, a last `>` one or more.
bool matches(std::string_view pattern, std::string_view topic);

}  // namespace ferry
