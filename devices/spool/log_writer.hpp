// The log's writer: does the brain's appends, snapshots and syncs on a thread of its own.
//
// What was handed over while the last sync ran is written together and synced once: group commit. When the
// writer has nothing to do, a small turn is done right in the caller's thread, which spares two thread hops;
// otherwise it zero-fills what will be written next, blocks and spare segments, in small steps.
//
// Threads: `submit`, `release`, `move`, `take_report` from the brain's thread. Failure: the first one is
// reported and everything after it is left undone.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/event_fd.hpp"
#include "core/log/log.hpp"
#include "devices/spool/actions.hpp"

namespace ferry {

class log_writer {
  public:
    /// What was done since the last report.
    struct report {
        std::optional<std::uint64_t> appended;  ///< all tickets up to this one
        std::optional<std::uint64_t> durable;
        std::optional<std::uint64_t> bytes_left;
        std::optional<std::string> moved;  ///< a step of a move was done, or why it was not
        bool snapshot_refused = false;     ///< for want of room
        std::string failure;
    };

    /// `done` is set whenever the writer's thread has something to report.
    log_writer(log::segmented_log& log, event_fd& done);
    ~log_writer();
    log_writer(const log_writer&) = delete;
    log_writer& operator=(const log_writer&) = delete;

    /// `may_block`: the caller has nothing else to do, so a small turn may be done in its thread. True when
    /// it was, and the report is there.
    bool submit(append_action turn, bool may_block);
    void release(std::uint32_t stream, std::uint64_t offset);
    /// Done after everything that was submitted before; at most one that is answered at a time.
    void move(move_action step);
    report take_report();

    /// Since it was made.
    struct counters {
        std::uint64_t syncs = 0;          ///< how often what was appended was synced
        std::uint64_t bytes_written = 0;  ///< of records, without the snapshots and what the cleaner copies
    };
    counters counted() const;

    /// Finishes what was submitted and ends the thread.
    void finish();

  private:
    struct work {
        std::vector<append_action> turns;
        std::vector<release_action> releases;
        std::vector<move_action> moves;
        bool empty() const noexcept { return turns.empty() && releases.empty() && moves.empty(); }
    };
    void run();
    void carry_out(work&& what, event_fd* told);
    void carry_out(const move_action& step);
    void append(const append_action& turn, report& into);
    bool prepare();
    void tell(const report& now, event_fd* told);

    log::segmented_log& log_;
    event_fd& done_;

    std::mutex writing_;        // held while the log is written; taken before `mutex_`, never after
    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    work waiting_;
    report report_;
    counters counters_;
    bool busy_ = false;
    bool preparing_wanted_ = true;
    bool ending_ = false;
    bool failed_ = false;
    std::thread thread_;
};

}  // namespace ferry
