// Counts messages that libzmq has taken but not yet put on the wire, which libzmq itself does not tell.
//
// A tracked frame carries the caller's bytes, uncopied, and a note that is given back when libzmq releases
// them: over tcp and ipc when they were written into the connection's buffer (for several subscribers: into
// the last one's), over inproc when the receiver is done with them. A message thrown away with a broken
// connection counts as sent: libzmq released it, and says no more.
//
// The notes are used again: what is sent at millions a second must not ask the allocator twice for each.
//
// Threads: one at a time; frames are released by any, and may outlive the counter.
#pragma once

#include <cstdint>
#include <optional>

#include "core/clock.hpp"
#include "ferry/message.hpp"

namespace ferry {

class unsent {
  public:
    unsent();
    ~unsent();
    unsent(const unsent&) = delete;
    unsent& operator=(const unsent&) = delete;

    /// The same bytes, counted as so many messages until they are on the wire.
    frame track(frame body, std::uint64_t messages = 1);

    std::uint64_t count() const noexcept;

    /// Waits until the count is zero or the time is over; gives the count.
    std::uint64_t wait_for_none(duration wait);

    struct note;
    struct state;

  private:
    note* blank_note();

    state* state_;  // freed by the last of this object and the tracked frames
    note* blank_ = nullptr;
    std::uint64_t tracked_ = 0;  // messages, ever
    std::int64_t notes_ = 0;     // given out, ever
};

}  // namespace ferry
