// The way out for messages that leave in batches: what gathers, the socket it leaves through, and the linger
// time, which passes on the context's loop thread.
//
// Threads: `settle` from any thread, without the socket's lock; all else under it. The socket outlives it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "core/loop.hpp"
#include "core/socket.hpp"
#include "core/unsent.hpp"
#include "patterns/gathering.hpp"

namespace ferry {

class batch_outlet {
  public:
    /// Sends a batch, or is done with it in another way; false when there is no room.
    using sender = std::function<bool(const gathering::batch&)>;

    batch_outlet(socket& through, unsent& in_flight, sender send);

    /// What becomes of a message.
    enum class fate : std::uint8_t {
        gathered,  ///< it leaves with others, soon
        alone,     ///< nothing holds it up: its sender sends it as it is
        full,      ///< what gathered has no room to leave: try again
    };
    fate offer(const message& content, std::string_view topic, bool with_topic);

    bool gathers(std::string_view topic) { return gathered_.find(topic) != nullptr; }
    /// What gathers of the topic leaves: before a message that goes alone, say. False when there is no room.
    bool leave(std::string_view topic);
    bool leave_all();
    /// Gives up what gathers; how many messages that are.
    std::uint64_t drop();

    /// After every `offer`, without the lock: the linger time of what gathers begins.
    void settle();
    /// Without the lock: nothing leaves any more by itself.
    void stop() { linger_.reset(); }

  private:
    bool leave(gathering::batch& which, gathering::cause why);
    bool wire_free();
    loop::next leave_when_due();

    socket& socket_;
    unsent& in_flight_;
    sender send_;
    gathering gathered_;
    std::uint64_t stuck_ = 0;  // messages under way that do not move: for a peer that stands still
    bool watched_ = false;     // the loop will look at what gathers
    std::atomic<bool> wake_{false};
    std::unique_ptr<loop::member> linger_;
};

/// The same with a high-water mark of at most so many batches.
socket_options with_queue_of_at_most(int batches, socket_options given);

/// What gathers leaves within the linger time, which is less by what that took then, and nothing gathers any
/// more; gives the number of messages that did not leave. Without the lock.
std::uint64_t close_outlet(std::optional<batch_outlet>& outlet, socket& through,
                           std::chrono::milliseconds& linger) noexcept;

}  // namespace ferry
