// Retention: what a stream lets go by itself, because it is old or because there is no room; and message ids.
//
// With `when-full drop-oldest` the oldest messages make room for new ones, whatever became of them; with
// `retain AGE` messages go when they are older, acked or not. What is a dead letter of some group stays, for
// the other groups as well: dead letters have limits of their own. Each removal is one record, and counted.
//
// The age of a message is asked of the log (time_search), once for each time that something is about to be
// too old, and at most ten times a second.
#pragma once

#include <map>

#include "devices/spool/time_search.hpp"

namespace ferry {

class retention {
  public:
    retention(brain_parts& parts, time_search& times) : parts_{parts}, times_{times} {}

    /// Removes the oldest messages until so many more have room, if the stream was told to.
    void make_room(const stream& into, std::uint64_t messages, std::uint64_t bytes);

    /// Takes note of streams that something happened to.
    void look_at_touched();
    /// Removes what is too old.
    void tick();
    std::uint64_t next_due_ns() const;

  private:
    /// When the oldest message of a stream is too old, if its messages may be so old.
    struct look_time {
        std::uint64_t due_ns = 0;
        std::uint64_t age_ms = 0;
    };

    void look(const stream& at);
    void forget_ids();
    void watch_clock();
    void remove_below(const stream& from, std::uint64_t end, records::removal_reason why);

    brain_parts& parts_;
    time_search& times_;
    std::uint64_t next_forget_ns_ = 0;
    std::uint64_t behind_ns_ = 0;  // so far the clock was set back, at most, since the spool began
    std::map<std::uint32_t, look_time> looks_;  // by stream
};

}  // namespace ferry
