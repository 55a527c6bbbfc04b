// A pusher: hands each message to one of its pullers, in turn, with back-pressure.
//
// Guarantee: at most once. It never queues to a dead address: with nobody connected, or all queues at their
// high-water mark, `send` waits. A message taken by a puller that then dies is lost (use a producer and a
// spool where that matters).
//
// With `batch` small messages (up to 16 KiB) that are sent faster than they leave go out together, up to 256
// KiB or 200 us at a time; one that nothing holds up leaves at once. Only ferry pullers understand a batch.
// It goes to one puller, and counts as one message in high-water marks, of which at most 64 wait for a
// puller. A message is `done` when it is in a batch: one batch may wait here for a puller that is gone.
//
// Threads: all calls from any thread; sending happens in the calling thread, or of what gathers in a batch on
// the context's loop thread.
// Failure: the constructor throws when an endpoint cannot be used.
//
//     ferry::pusher jobs{context, ferry::bind("tcp://127.0.0.1:5556")};
//     if (jobs.send("resize 7", 2s) != ferry::outcome::done) std::cerr << "nobody takes jobs\n";
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/event.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

struct pusher_options {
    envelope_mode envelope = envelope_mode::automatic;  ///< a header frame only when there are headers
    bool batch = false;                                 ///< see above
    bool count_unsent = true;  ///< lets `close` tell what never left; about 50 ns a message
    socket_options socket{};
    event_callback on_event{};
};

struct pusher_stats {
    std::uint64_t sent = 0;        ///< in a puller's queue, or further
    std::uint64_t sent_bytes = 0;  ///< bodies of these
    std::uint64_t dropped = 0;     ///< given back to the caller: nobody took them in time
    std::uint64_t unsent = 0;      ///< in a queue when it closed, and thrown away
};

class pusher {
  public:
    pusher(ferry::context& context, const ferry::endpoints& where, pusher_options options = {});
    ~pusher();
    pusher(pusher&&) noexcept;
    pusher& operator=(pusher&&) noexcept;

    /// `done` when a puller's queue took it; else it was not sent. Throws errc::too_large when its headers
    /// exceed 64 KiB, and errc::bad_argument for headers under envelope `none`.
    outcome send(message message, std::optional<duration> wait = forever);

    /// True when a puller is connected.
    bool connected();
    outcome wait_for_peer(std::optional<duration> wait = forever);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& endpoints() const noexcept;
    pusher_stats stats() const;

    /// Waits up to the linger time until everything is on its way, closes, and tells how many messages are
    /// not; these are thrown away. No other call may follow, but for `stats`. The destructor only closes:
    /// libzmq then sends on in the background, for no longer than the linger time.
    std::uint64_t close();

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
