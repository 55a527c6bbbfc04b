// The cleaner: keeps the log within twice of what is live in it.
//
//     bytes of the log <= 2 x live bytes + 4 segments        (spares and snapshots aside)
//
// A segment leaves when nothing in it is needed; one message that nobody takes, or one with a delay of ten
// years, would keep all of it. So when the log has grown too large for what is live, the messages still
// needed in the emptiest segments are copied into a cold one, under the offsets they have, and the log adopts
// that and empties the others. Then it asks for snapshots, for only those let segments go.
//
//     resting -> looking (what does the log hold?) -> counting (what of it is live?) -> resting
//                                                        |
//                                                        v
//                                     moving (find, read, cut, copy, ...) -> adopting -> resting
//
// Every step is small and fits into a turn: a bounded count, one read, one copy that the writer makes beside
// the log. It looks only when records were written since it looked last, so a spool at rest does nothing. A
// crash at any point leaves the messages where they were, or where they moved to (core/log/adoption.hpp).
//
// When only the reserve is left on the disk it does the same with less patience, and has the disk looked at
// once a second: that is how a full spool comes back to service when its consumers make room.
// Threads: the brain's. Failure: a copy that fails is given up and tried again later.
#pragma once

#include <set>
#include <vector>

#include "core/log/log.hpp"
#include "devices/spool/brain_parts.hpp"
#include "devices/spool/live_bytes.hpp"

namespace ferry {

class cleaner {
  public:
    explicit cleaner(brain_parts& parts) : parts_{parts} {}

    /// Goes on with what is under way.
    void tick();
    std::uint64_t next_due_ns() const;

    void held(log::holdings&& what);
    /// False: the read was not ours.
    bool read_done(std::uint64_t cookie, const log::read_result& result);
    /// A step of a move is done; `problem` is empty, or why the move is over.
    void moved(const std::string& problem);
    void snapshot_refused();

  private:
    enum class stage : std::uint8_t { resting, looking, counting, finding, reading, copying, adopting };
    /// A share of a source: the messages of one stream in one segment.
    struct task {
        log::stream_share share;
        log::position base = 0;
    };

    void rest(std::uint64_t for_ns, std::uint64_t at_least_ns);
    void counted();
    void release_removed(const log::holdings& what);
    void choose_sources(std::uint64_t too_many);
    void begin_move(std::vector<const live_bytes::segment*> sources);
    void find_next();
    void take_pieces(const stream& of, const task& at, const log::read_result& result);
    void copy_pending();
    void watch_the_disk();
    void ask_for_snapshot();
    bool due() const;
    std::uint64_t half_segments(std::uint64_t count) const;

    brain_parts& parts_;
    stage stage_ = stage::resting;
    live_bytes count_;
    std::uint64_t steps_ = 0;           // the count took
    std::uint64_t soonest_ns_ = 0;      // of the next look, when much was written
    std::uint64_t next_look_ns_ = 0;    // when little was
    std::set<std::uint32_t> released_;  // streams that were removed, as far as the log was told here
    std::uint64_t records_seen_ = 0;    // the journal's counts when it looked last
    std::uint64_t bytes_seen_ = 0;
    std::uint64_t next_move_ns_ = 0;  // not 0: one failed, and none is begun before
    std::uint64_t next_disk_look_ns_ = 0;
    std::uint64_t next_snapshot_ns_ = 0;
    std::uint64_t snapshot_pause_ns_ = 0;  // grows while snapshots let nothing go
    std::uint64_t leaving_asked_ = 0;

    std::vector<log::position> sources_;
    std::vector<task> tasks_;  // by stream, then by offset
    std::size_t task_ = 0;
    std::uint64_t offset_ = 0;              // in the task: all below was copied or is not needed
    std::uint64_t cookie_ = 0;              // of the read under way
    std::vector<outgoing_record> pending_;  // cut, and not yet handed out
    std::size_t pending_bytes_ = 0;
    std::uint64_t moving_ = 0;            // messages cut so far
    std::set<log::position> unreadable_;  // segments that keep what could not be read of them
};

}  // namespace ferry
