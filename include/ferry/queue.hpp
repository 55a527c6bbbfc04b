// A queue: requesters connect to its FRONT, repliers to its BACK, and each request goes to one of them.
//
// Guarantee: a request waits here for a replier with room, and its reply finds the way back. A ferry replier
// announces itself and gives back what would wait there, so that it goes to the least loaded; plain REP
// workers get their turn, unaltered. With no replier connected, requests in an envelope are refused at once
// (`ferry-error: no-worker`), plain ones are held. A request that a replier took with it into its grave is
// the requester's to repeat.
//
// Threads: `run` in one thread, all other calls from any. Failure: the constructor throws for endpoints.
//
//     ferry::queue desk{context, ferry::bind("tcp://127.0.0.1:5560"), ferry::bind("tcp://127.0.0.1:5561")};
//     desk.run();
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ferry/device.hpp"

namespace ferry {

class queue {
  public:
    queue(ferry::context& context, const ferry::endpoints& front, const ferry::endpoints& back,
          device_options options = {});
    ~queue();
    queue(queue&&) noexcept;
    queue& operator=(queue&&) noexcept;

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
