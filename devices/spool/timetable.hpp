// The timetable: late messages become due, and messages whose time is over are removed.
//
// That messages became due is a record, and nothing of the stream is given out before it is durable: after a
// crash it is known that somebody may have seen them, whatever the clock says then. Times are wall times that
// run on steadily while the spool lives, so a clock that is set does no harm before the next restart.
#pragma once

#include "devices/spool/brain_parts.hpp"

namespace ferry {

class timetable {
  public:
    explicit timetable(brain_parts& parts) : parts_{parts} {}

    void tick();
    /// When `tick` is due next (monotonic).
    std::uint64_t next_due_ns() const;

  private:
    void become_due(stream& in, stream_run& run);
    void expire(stream& in);

    brain_parts& parts_;
};

}  // namespace ferry
