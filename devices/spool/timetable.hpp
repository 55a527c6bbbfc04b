// The timetable: late messages become due, messages whose time is over are removed, and what stands in
// buckets of a calendar is read in the log before its time comes.
//
// That messages become due is a record, written a little ahead of their time, and none of them is given out
// before it is durable: after a crash it is known that somebody may have seen them, whatever the clock says
// then. What was read of a bucket is a record as well, so replay knows the same times and a mark means the
// same. Times are wall times that run on steadily while the spool lives, so a clock that is set does no harm
// before the next restart.
//
// There is one read at a time for all streams, in turn, and each is bounded: buckets open early enough to be
// read in the background.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "core/log/log.hpp"
#include "devices/spool/agenda.hpp"
#include "devices/spool/brain_parts.hpp"

namespace ferry {

class timetable {
  public:
    explicit timetable(brain_parts& parts) : parts_{parts} {}

    void tick();
    /// Looks again when the stream has something to do next; of all that were touched in this turn.
    void file(std::uint32_t stream_number);
    void file_touched();
    /// False: the read was not ours.
    bool read_done(std::uint64_t cookie, log::read_result& result);
    /// When `tick` is due next (monotonic).
    std::uint64_t next_due_ns() const;

  private:
    struct reading {
        std::uint64_t cookie = 0;
        std::uint32_t stream = 0;
        bool waiting = true;  // which calendar
        calendar::bucket_key which;
        std::uint64_t record = 0;  // the one asked for
        std::size_t bytes = 1;
    };
    void mark_due(stream& in, stream_run& run);
    void come_due(std::uint32_t stream_number);
    void expire(stream& in);
    void bury(stream& in, const std::vector<run>& over);
    bool is_open(const stream& in, const calendar& of) const;
    void read_next();
    bool ask(const stream& in);
    struct gathered {
        records::appointments record;
        std::vector<run> holes;  // where the log holds nothing, though it should
    };
    gathered gather(const stream& in, const reading& what, const log::read_result& result) const;
    std::uint64_t near_until(const calendar::bucket_key& which, const calendar::bucket& from) const;

    brain_parts& parts_;
    agenda<std::uint32_t> streams_;            // by steady wall time in ms
    std::set<std::uint32_t> opening_;          // streams with a bucket that is to be read
    std::uint32_t last_read_ = 0;              // the stream that had its turn
    std::optional<reading> reading_;           // the read that is under way
    std::map<std::uint32_t, time_load> load_;  // what each stream adds to `brain_parts::kept`
};

}  // namespace ferry
