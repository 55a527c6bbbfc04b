// A puller: takes messages from its pushers, fairly from each.
//
// Guarantee: at most once; what it has not taken holds its pushers back once the queues are full.
//
// Threads: all calls from any thread; several threads may receive, each message goes to one.
// Failure: the constructor throws when an endpoint cannot be used. Frames that are no message are counted,
// reported and dropped.
//
//     ferry::puller jobs{context, ferry::connect("tcp://127.0.0.1:5556")};
//     while (auto m = jobs.receive()) work(m->body());
#pragma once

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

struct puller_options {
    socket_options socket{};
    event_callback on_event{};
};

struct puller_stats {
    std::uint64_t received = 0;        ///< given to the program
    std::uint64_t received_bytes = 0;  ///< bodies of these
    std::uint64_t bad_frames = 0;      ///< dropped: no message, or a forged envelope
};

class puller {
  public:
    puller(ferry::context& context, const ferry::endpoints& where, puller_options options = {});
    ~puller();
    puller(puller&&) noexcept;
    puller& operator=(puller&&) noexcept;

    /// The next message; empty when none came in that time, or the context was asked to stop.
    std::optional<message> receive(std::optional<duration> wait = forever);

    /// True when a peer is connected (peers over inproc are not seen).
    bool connected();
    outcome wait_for_peer(std::optional<duration> wait = forever);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& endpoints() const noexcept;
    puller_stats stats() const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
