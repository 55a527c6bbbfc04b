// A group: what each message of a stream is to one set of competing consumers.
//
//                       lease                    ack
//     (not yet looked at) ----> leased ------------------> settled
//              ^   ready  ^       |  nack, expiry           ^
//              |          |       v                         |
//              |          +--- delayed (back-off)           |
//              +--- released      |  max-attempts           |
//                                 v                         |
//                               dead  (kept, settled for the floor)
//
// All below the `cursor` has been looked at. Of that, what is neither acked nor dead stands in `open_` as
// runs with equal fate; everything else below the cursor is settled, so acks cost nothing to keep. At and
// above the cursor every message is ready for its first attempt.
//
// The `apply_*` calls change durable state and are used alike when it happens and when the log is replayed;
// leases exist only while the spool runs. Nothing here reads a clock, and nothing fails: what the caller may
// not do is an assertion.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/protocol.hpp"
#include "core/run_set.hpp"
#include "devices/spool/dead_letters.hpp"
#include "devices/spool/filter.hpp"
#include "devices/spool/lanes.hpp"
#include "devices/spool/lease_runs.hpp"
#include "devices/spool/progress.hpp"
#include "devices/spool/seen_mark.hpp"

namespace ferry {

using protocol::run;

struct group_settings {
    std::uint64_t lease_ms = 30'000;
    std::uint64_t max_attempts = 16;
    std::vector<std::uint64_t> backoff_ms = {0, 1000, 5000,
                                             30'000};  ///< after attempt 1, 2, ...; the last repeats
    std::string from = "first";  ///< where it was told to start: first, new, an offset or a time
    bool paused = false;         ///< nothing is given out; leases that are out go on
    std::uint64_t lease_max_ms = 12ULL * 3600 * 1000;  ///< a lease is not renewed beyond this
    std::uint64_t max_in_flight = 0;                   ///< messages on lease at a time; 0 = no limit
    filter wants;                                      ///< what it is given; all else is acked for it unseen
    bool single_active = false;  ///< only one consumer at a time is given messages: the first that joined
    bool ordered = false;        ///< messages of one key go out one at a time, in the order of their offsets
    static auto fields(auto& m) {
        return std::tie(m.lease_ms, m.max_attempts, m.backoff_ms, m.from, m.paused, m.lease_max_ms,
                        m.max_in_flight, m.wants, m.single_active, m.ordered);
    }
    friend bool operator==(const group_settings&, const group_settings&) = default;
};

/// How often a message was delivered. `attempt` is what the consumer is told; `failures` counts only what
/// went wrong in a consumer, not restarts of the spool, and is what max-attempts is compared with.
struct tried_run {
    std::uint64_t offset = 0;
    std::uint64_t count = 0;
    std::uint64_t attempt = 1;
    std::uint64_t failures = 0;
    std::uint64_t due_wall_ns = 0;  ///< not before this wall time; 0 = at once
    std::uint64_t end() const noexcept { return offset + count; }
    bool valid() const noexcept { return end() >= offset; }
    static auto fields(auto& m) { return std::tie(m.offset, m.count, m.attempt, m.failures, m.due_wall_ns); }
    friend bool operator==(const tried_run&, const tried_run&) = default;
};

/// Who holds a lease, and until when (monotonic).
struct lease {
    std::uint64_t id = 0;
    std::uint64_t holder = 0;  ///< the brain's number of the consumer (session and channel)
    std::uint64_t frame = 0;   ///< which DELIVER of that channel it went out with, from 1
    std::string user;
    std::uint64_t deadline_ns = 0;
    std::uint64_t given_ns = 0;
    std::vector<run> runs;          ///< as delivered; what is still open of them is in the group
    std::uint64_t outstanding = 0;  ///< messages not yet acked, nacked or released
};

/// What became of each part of an acked run.
struct ack_outcome {
    std::vector<run> leased;   ///< held under this lease
    std::vector<run> already;  ///< settled before
    std::vector<run> stale;    ///< open, but not under this lease, or a dead letter by now
    std::vector<run> gone;     ///< never given out here, or removed while it was leased
};

class group {
  public:
    group(std::uint32_t of_number, std::string of_name, group_settings with, std::uint64_t start)
        : number{of_number}, name{std::move(of_name)}, settings{std::move(with)}, progress_{start} {}

    const std::uint32_t number;
    const std::string name;
    group_settings settings;

    // --- picking and leasing -------------------------------------------------------------------------------

    /// The next messages to deliver: the lowest that came back, else from the cursor up to `visible`. Offsets
    /// in `gaps` hold no message.
    std::optional<tried_run> pick(std::uint64_t visible, const lanes& of, std::uint64_t count_max) const;

    /// The lowest of what came back.
    std::optional<tried_run> pick_returned(std::uint64_t visible, const lanes& of,
                                           std::uint64_t count_max) const;

    /// Puts what was picked under a lease.
    void take(const tried_run& picked, const lanes& of, lease& under);
    lease& new_lease(lease made);
    lease* find_lease(std::uint64_t id);
    const std::unordered_map<std::uint64_t, lease>& leases() const noexcept { return leases_; }
    void extend(lease& held, std::uint64_t deadline_ns);

    /// Sorts the run by what an ack of it under this lease means; changes nothing.
    void judge(std::uint64_t lease_id, run acked, const lanes& of, ack_outcome& into) const;

    /// What is still open under a lease, as runs of equal attempt.
    std::vector<tried_run> open_under(std::uint64_t lease_id, const std::vector<run>& within) const;

    /// Puts what is ready of `wanted` under a lease that was held before the spool's restart, as long as
    /// claims are awaited for it. Gives what was there.
    std::vector<run> claim(lease& under, run wanted, const lanes& of);
    /// What is ready below `offset` is kept for those who held it before the restart; 0 = nothing is.
    void await_claims(std::uint64_t below) noexcept { claims_below_ = below; }
    bool awaits_claims() const noexcept { return claims_below_ > 0; }
    /// Another consumer of the same user goes on with the lease.
    void hand_over(lease& held, std::uint64_t holder, std::uint64_t deadline_ns);

    /// Gives leased messages back without an attempt used (never shown to anybody).
    void release(std::uint64_t lease_id, const std::vector<run>& runs);

    /// Earliest deadline of a lease and earliest due time of a delayed message; max when there is none.
    std::uint64_t next_deadline_ns() const;
    std::uint64_t next_due_ns() const;
    /// Leases that ended at `now_ns`.
    std::vector<std::uint64_t> expired(std::uint64_t now_ns) const;
    /// Makes delayed messages ready whose time has come; true if there were any.
    bool wake_due(std::uint64_t now_ns);

    /// These are not wanted, and about to be acked: until that is applied nobody is given them.
    void skip(run unwanted, const lanes& of);

    // --- an ordered group looks ahead (usher.hpp)
    /// Goes past messages without giving them out: below the cursor they stand as sets, not as open runs.
    void leave(run met, const lanes& of) { progress_.leave(met, of); }
    bool left(std::uint64_t offset) const { return progress_.left().contains(offset); }
    std::uint64_t left_count() const noexcept { return progress_.left().count(); }
    std::optional<run> next_in_order(std::uint64_t visible, const lanes& of) const {
        return progress_.next_in_order(visible, of);
    }
    /// The messages of `fresh` from its first on with the attempt they are given out with for the first time.
    tried_run first_attempt(run fresh) const {
        const seen_mark::part alike = seen_.first_attempt(fresh);
        return {fresh.first, alike.count, alike.attempt, 0, 0};
    }
    /// From now on what is settled and what is redriven is kept until it is taken.
    void watch();
    std::vector<run> take_settled() { return std::exchange(settled_, {}); }
    std::vector<run> take_came_back() { return std::exchange(came_back_, {}); }
    std::uint64_t seeks() const noexcept { return seeks_; }
    template <typename Take>
    void each_open(Take take) const {
        for (const auto& [offset, open] : open_) take(run{offset, open.count});
    }
    template <typename Take>
    void each_left(Take take) const {
        constexpr std::uint64_t end = ~std::uint64_t{0};
        for (auto at = progress_.left().next_run(0, end); at; at = progress_.left().next_run(at->end(), end))
            take(*at);
    }

    // --- durable changes
    // -------------------------------------------------------------------------------------

    void apply_ack(run settled, const lanes& of);
    void apply_attempt(const tried_run& tried, const lanes& of, instant now);
    void apply_dead(const dead_run& died, const lanes& of);
    /// Dead letters in the run are ready again, for their first attempt.
    void apply_redrive(run within, const lanes& of);
    /// Dead letters in the run are done with, for this group.
    void apply_drop(run within) { dead_.take(within); }
    /// The messages are removed from the stream: whatever they were here, they are settled. Dead letters go
    /// only if told.
    void apply_removed(run removed, const lanes& of, bool dead_too);
    /// Settled, and about to leave the lanes: not known here any more.
    void forget(run gone) { progress_.forget(gone); }
    /// The group stands at `start`, as if all below were settled and all of `kept` above were new to it; what
    /// is dead stays so. Its leases end.
    void apply_seek(std::uint64_t start, const offset_set& kept, std::uint64_t end, const lanes& of);
    /// A new group: everything below is settled for it.
    void start_at(std::uint64_t start, const lanes& of) { progress_.restart(start, of); }
    /// From the cursor up to `end`, what is not in `kept` is settled.
    void settle_but(const offset_set& kept, std::uint64_t end, const lanes& of);
    void apply_mark(std::uint64_t delivered_mark) {
        delivered_mark_ = std::max(delivered_mark_, delivered_mark);
    }

    /// An ordered group after an unclean open: what is below and was not looked at may have been seen.
    void apply_seen(std::uint64_t below, const lanes& of);

    /// Everything below is removed, and was settled here: the gaps in it will not be known any more.
    void pass(std::uint64_t removed_below) { progress_.forget_below(removed_below); }

    /// After an unclean open: what was stored then and lies below the delivered mark may have been seen.
    /// Gives the runs whose attempt must rise, for one record that `apply_attempt` then reads.
    std::vector<tried_run> perhaps_seen(std::uint64_t stored_end, const lanes& of, instant now) const;

    // --- looking
    // -------------------------------------------------------------------------------------------------

    std::uint64_t delivered_mark() const noexcept { return delivered_mark_; }
    std::uint64_t cursor() const noexcept { return progress_.cursor(); }
    /// All below is settled (dead letters and gaps count as settled).
    std::uint64_t floor(const lanes& of) const;
    /// All below is needed by nobody in this group: the floor, or the lowest dead letter.
    std::uint64_t needed_from(const lanes& of) const;
    /// Adds what this group still needs of `within` to `needed`; gives in how many pieces.
    std::size_t add_needed(offset_set& needed, run within, const lanes& of) const;
    /// Messages below `end` that are ready; those that wait for their time.
    std::uint64_t ready_count(std::uint64_t end, const lanes& of) const {
        return returned_count() + progress_.ready_count(end, of);
    }
    std::uint64_t waiting_count(const lanes& of) const { return delayed_count() + progress_.late_count(of); }
    /// Whether the message is open here or was not looked at.
    bool needs(std::uint64_t offset, const lanes& of) const;
    /// The attempt it was delivered with last; 0 when it never was.
    std::uint64_t attempts_of(std::uint64_t offset) const;
    std::uint64_t leased_count() const noexcept { return counts_[static_cast<int>(fate::leased)]; }
    std::uint64_t delayed_count() const noexcept { return counts_[static_cast<int>(fate::delayed)]; }
    std::uint64_t returned_count() const noexcept { return counts_[static_cast<int>(fate::ready)]; }
    std::uint64_t dead_count() const noexcept { return dead_.count(); }
    const dead_letters& dead() const noexcept { return dead_; }
    /// Runs kept in memory: what the memory bound is about.
    std::size_t runs_kept() const noexcept {
        return open_.size() + dead_.runs().size() + progress_.left().count() / 32;
    }

    /// The group as the snapshot keeps it. Leases are worth keeping at an orderly stop only.
    struct saved_lease {
        std::uint64_t id = 0;
        std::string user;
        std::uint64_t held_ms = 0;  ///< so long already
        std::vector<run> runs;
        static auto fields(auto& m) { return std::tie(m.id, m.user, m.held_ms, m.runs); }
    };
    struct saved {
        std::uint64_t number = 0;
        std::string name;
        group_settings settings;
        progress::saved looked_at;
        std::uint64_t delivered_mark = 0;
        std::vector<tried_run> open;
        std::vector<dead_run> dead;
        std::vector<saved_lease> leases;
        seen_mark::saved seen;
        static auto fields(auto& m) {
            return std::tie(m.number, m.name, m.settings, m.looked_at, m.delivered_mark, m.open, m.dead,
                            m.leases, m.seen.below, m.seen.attempt, m.seen.anew);
        }
    };
    saved save(instant now, bool with_leases) const;
    group(const saved& from, const lanes& of, instant now);

  private:
    enum class fate : std::uint8_t { ready, delayed, leased, skipped };
    struct open_run {
        std::uint64_t count = 0;
        std::uint64_t attempt = 1;
        std::uint64_t failures = 0;
        fate is = fate::ready;
        std::uint8_t priority = 0;
        std::uint64_t due_ns = 0;    // when delayed
        std::uint64_t lease_id = 0;  // when leased
        bool same_fate(const open_run& other) const;
    };
    using open_map = std::map<std::uint64_t, open_run>;

    void insert(std::uint64_t offset, const open_run& open);
    open_map::iterator erase(open_map::iterator at);
    void insert_new(run fresh, const lanes& of);
    void open_new(run fresh, const lanes& of);
    void look(run what, const lanes& of, bool itself);
    void set_tried(const tried_run& tried, instant now);
    tried_run tried(std::uint64_t offset, const open_run& open, instant now) const;
    template <typename Change>
    void replace(run within, Change change);
    /// Nothing of it is open, and all of it was looked at.
    void clear(run place, const lanes& of);
    void lose(run what);
    void count_down(std::uint64_t lease_id, std::uint64_t count);
    std::vector<run>* settled_as(std::uint64_t at, std::uint64_t& end, ack_outcome& into) const;

    open_map open_;
    std::set<std::pair<unsigned, std::uint64_t>> ready_;         // (9 - priority, offset) of ready runs
    std::set<std::pair<std::uint64_t, std::uint64_t>> delayed_;  // (due, offset) of delayed runs
    std::unordered_map<std::uint64_t, lease> leases_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> deadlines_;  // (deadline, lease id)
    dead_letters dead_;
    run_set gone_;  // removed while they were leased: what late acks are told, as long as the spool runs
    std::uint64_t counts_[4] = {};
    progress progress_{0};
    std::uint64_t delivered_mark_ = 0;
    std::uint64_t claims_below_ = 0;
    seen_mark seen_;
    lease_runs lost_{1024};  // by their end, a nack, a release, a hand-over or a seek
    bool watched_ = false;
    std::vector<run> settled_, came_back_;  // since somebody asked
    std::uint64_t seeks_ = 0;
};

}  // namespace ferry
