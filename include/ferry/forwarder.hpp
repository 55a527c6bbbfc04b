// A forwarder: publishers connect to its FRONT, subscribers to its BACK, and neither knows the others.
//
// Guarantee: what arrives at FRONT goes to every subscriber of its topic at BACK that has room; subscriptions
// travel upstream, so publishers send only what somebody asked for. It keeps nothing. Envelopes pass
// unread: subscribers count losses as if they were connected to the publisher.
//
// Threads: `run` in one thread, all other calls from any. Failure: the constructor throws for endpoints.
//
//     ferry::forwarder hub{context, ferry::bind("tcp://127.0.0.1:5555"),
//     ferry::bind("tcp://127.0.0.1:5556")}; hub.run();
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/device.hpp"

namespace ferry {

class forwarder {
  public:
    forwarder(ferry::context& context, const ferry::endpoints& front, const ferry::endpoints& back,
              device_options options = {});
    ~forwarder();
    forwarder(forwarder&&) noexcept;
    forwarder& operator=(forwarder&&) noexcept;

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
