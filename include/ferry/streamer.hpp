// A streamer: pushers connect to its FRONT, pullers to its BACK, and each message goes to one of them.
//
// Guarantee: messages are passed in turn to pullers with room; while there is none, pushers feel
// back-pressure. It keeps nothing beyond what it holds in its queues.
//
// Threads: `run` in one thread, all other calls from any. Failure: the constructor throws for endpoints.
//
//     ferry::streamer jobs{context, ferry::bind("tcp://127.0.0.1:5557"),
//     ferry::bind("tcp://127.0.0.1:5558")}; jobs.run();
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/device.hpp"

namespace ferry {

class streamer {
  public:
    streamer(ferry::context& context, const ferry::endpoints& front, const ferry::endpoints& back,
             device_options options = {});
    ~streamer();
    streamer(streamer&&) noexcept;
    streamer& operator=(streamer&&) noexcept;

    /// Passes messages until the context or `stop` ends it. The destructor closes; libzmq sends on in the
    /// background, for no longer than the linger time.
    void run();
    void stop() noexcept;

    /// While paused nothing is read: peers feel back-pressure. Returns when the device has heard it, at once
    /// when it does not run.
    void pause();
    void resume();

    /// Where it is bound, with real ports: FRONT's, then BACK's, then the capture's.
    const std::vector<std::string>& endpoints() const noexcept;
    device_stats stats() const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
