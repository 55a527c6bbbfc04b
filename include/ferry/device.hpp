// What the plain devices - forwarder, queue, streamer - have in common.
//
// A device stands between two groups of peers, its FRONT and its BACK, and passes what comes from one to the
// other: whole messages, unread, uncopied, of any number of frames and any size. It runs in the thread that
// calls `run`; everything else may be called from any thread meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/event.hpp"
#include "ferry/socket_options.hpp"

namespace ferry {

struct device_options {
    std::vector<endpoint> capture{};  ///< a PUB socket here sends a copy of everything that passes
    std::size_t held_max = 1000;  ///< queue: requests held while no replier is there; then requesters wait
    /// For both sides. The linger time is short, so that a device told to stop ends within 2 seconds.
    socket_options socket{.linger = std::chrono::milliseconds{1000}};
    event_callback on_event{};
};

/// Counts since the start. `down` is from FRONT to BACK, `up` the other way.
struct device_stats {
    std::uint64_t messages_down = 0;
    std::uint64_t bytes_down = 0;  ///< all frames
    std::uint64_t messages_up = 0;
    std::uint64_t bytes_up = 0;
    std::uint64_t dropped = 0;     ///< for a peer that is gone, or thrown away at the end
    std::uint64_t refused = 0;     ///< queue: requests answered with an error because no worker was there
    std::uint64_t captured = 0;    ///< copies handed to the capture socket
    std::uint64_t uncaptured = 0;  ///< copies not handed to it: a queue of its subscribers was full
};

}  // namespace ferry
