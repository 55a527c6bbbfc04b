// What the parts of the brain share: the state, the journal, the sessions, and what leaves at the turn's end.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.hpp"
#include "core/log/log.hpp"
#include "devices/spool/actions.hpp"
#include "devices/spool/agenda.hpp"
#include "devices/spool/batch_cache.hpp"
#include "devices/spool/census.hpp"
#include "devices/spool/journal.hpp"
#include "devices/spool/key_order.hpp"
#include "devices/spool/mark_pace.hpp"
#include "devices/spool/session.hpp"
#include "devices/spool/state.hpp"

namespace ferry {

/// What somebody wants to do; asked for by verb, user and stream before anything is done.
enum class verb : std::uint8_t { publish, consume, ack, admin };

struct brain_options {
    std::uint64_t incarnation = 1;
    std::vector<log::damage> damages{};  ///< met when the log was opened
    std::uint64_t seed = 1;              ///< of lease and producer ids
    std::uint64_t spool_id = 0;          ///< fixed for a directory: what hashes of message ids start from
    std::uint64_t record_bytes_max = 16 << 20;   ///< what the log takes
    std::uint64_t segment_bytes = 64 << 20;      ///< of the log: what its size is compared with
    std::uint64_t clean_every_ns = 250'000'000;  ///< how often the cleaner looks when little is written
    std::uint64_t message_bytes_max = 16 << 20;  ///< payload of one message
    std::size_t pool_bytes = 8 << 20;            ///< ingress, egress and cached batches, each
    std::size_t runs_max = 250'000;              ///< open runs kept by all groups together (about 100 B each)
    std::size_t producers_max = 100'000;         ///< per user
    protocol::grade default_grade = protocol::grade::synced;
    std::uint64_t near_ms = 3'600'000;            ///< delays and expiry within are kept by the millisecond,
    std::size_t appointments_near = 262'144;      ///< unless there are that many: then within two minutes
    std::size_t time_bytes_max = 24 << 20;        ///< of all that asks for a delay, an expiry or a priority
    std::uint64_t claim_wait_ns = 2'000'000'000;  ///< after a restart, for leases that are still held
    std::function<bool(std::string_view user, verb, std::string_view stream)> allow;  ///< absent: everything
    /// What the device around the brain adds to the rows of `spool.stats`, of which the first is the brain's;
    /// absent: nothing.
    std::function<void(std::vector<header_map>&)> add_stats{};
};

/// Counters of everything that is dropped, refused or noticed.
struct brain_counters {
    std::uint64_t messages_stored = 0;
    std::uint64_t messages_duplicate = 0;
    std::uint64_t messages_refused = 0;
    std::uint64_t messages_delivered = 0;
    std::uint64_t messages_redelivered = 0;
    std::uint64_t messages_acked = 0;
    std::uint64_t commits = 0;
    std::uint64_t messages_nacked = 0;
    std::uint64_t messages_dead = 0;
    std::uint64_t leases_expired = 0;
    std::uint64_t acks_stale = 0;
    std::uint64_t frames_bad = 0;
    std::uint64_t frames_over_window = 0;
    std::uint64_t sessions_silent = 0;
    std::uint64_t sessions_lossy = 0;  ///< frames of theirs did not arrive
    std::uint64_t messages_damaged = 0;
    std::uint64_t messages_redriven = 0;
    std::uint64_t messages_expired = 0;  ///< removed undelivered, for their time was over
    std::uint64_t messages_skipped = 0;  ///< not wanted by a group with a filter: acked for it unseen
    std::uint64_t messages_moved = 0;    ///< to cold segments, counted at each move
    std::uint64_t segments_emptied = 0;
    std::uint64_t messages_dropped = 0;  ///< the oldest, to make room
    std::uint64_t messages_aged = 0;     ///< older than their stream keeps them
    std::uint64_t messages_removed = 0;  ///< purged, and dead letters dropped or over a limit
};

/// What the cleaner found when it looked at the log last.
struct log_figures {
    std::uint64_t log_bytes = 0;   ///< of the segments, spares and snapshots aside
    std::uint64_t live_bytes = 0;  ///< of the messages in them that are needed, as they stand there
    std::uint64_t segments = 0;    ///< with the open one and the cold ones
    std::uint64_t cold_segments = 0;
};

/// How far a stream may be shown: everything below is durable to its own grade, and its offset may be told.
struct stream_run {
    struct pending {
        std::uint64_t end = 0;
        bool durable = false;
        bool needs_told = false;
    };
    std::uint64_t visible = 0;
    std::deque<pending> pending;
    std::uint64_t told_durable = 0;  ///< the told mark that is synced
    std::uint64_t told_asked = 0;
    std::deque<std::pair<std::uint64_t, std::function<void()>>>
        untold;  ///< (end offset, answer) until the mark covers it
    std::uint64_t released = 0;
    /// (session, channel) of those who read without a group; some may be gone.
    std::set<std::pair<std::uint64_t, std::uint64_t>> readers;
    bool due_pending = false;          ///< a due mark is on its way to the disk
    std::uint64_t due_durable_ms = 0;  ///< late messages up to here may be given out when their time comes
};

/// What of a group lives only as long as the spool runs.
struct group_run {
    std::uint64_t mark_durable = 0;  ///< the delivered mark that is synced
    ferry::mark_pace mark_pace;
    std::deque<std::pair<std::uint64_t, std::uint64_t>>
        consumers;             ///< (session, channel), next in turn first; where one is active, that one
    std::uint64_t active = 0;  ///< holder of the only consumer that is given messages, where there is one
    std::uint64_t active_heard_ns = 0;
    bool awaits_claims = false;  ///< what was held before the restart may still be claimed
    bool reading = false;
    std::unique_ptr<ordered_run> ordered;  ///< of an ordered group: which keys are held, and by whom
    std::uint64_t known_wanted =
        ~std::uint64_t{0};  ///< passed the filter; it waits for somebody who takes it
};

/// What delays, expiry and priorities take in memory.
struct time_load {
    std::size_t appointments = 0;  ///< kept by the millisecond
    std::size_t bytes = 0;
    void more(const time_load& other) { appointments += other.appointments, bytes += other.bytes; }
    void less(const time_load& other) { appointments -= other.appointments, bytes -= other.bytes; }
};

struct brain_parts {
    brain_parts(const brain_options& given, spool_state recovered)
        : options{given},
          state{std::move(recovered)},
          journal{state, given.segment_bytes},
          cache{given.pool_bytes},
          random{given.seed} {}

    using group_key = std::pair<std::uint32_t, std::uint32_t>;  // stream, group

    brain_options options;
    spool_state state;
    ferry::journal journal;
    batch_cache cache;
    std::mt19937_64 random;
    instant now;
    instant opened;  ///< when the brain was made
    std::map<std::uint64_t, session> sessions;
    census channels;  ///< of these
    std::map<std::uint32_t, stream_run> stream_runs;
    std::map<group_key, group_run> group_runs;
    std::set<group_key> successions;  ///< groups with a single active consumer that somebody joined
    std::set<std::uint32_t> touched;  ///< streams in which something may be deliverable now
    agenda<group_key> groups_due;     ///< when a lease ends or a delay is over (monotonic)
    time_load kept;                   ///< of all streams, as of the last turn
    std::set<std::pair<std::uint64_t, std::uint64_t>> to_confirm;  ///< (session, channel) with STORED to send
    std::uint64_t next_holder = 1;
    std::uint64_t next_cookie = 1;  ///< of reads
    std::string read_only_reason;   ///< empty while writing works
    bool disk_full = false;
    std::uint64_t disk_bytes_left = ~std::uint64_t{0};  ///< when it was last told, above the reserve
    actions out;
    brain_counters counters;
    log_figures log_found;

    bool allowed(const session& who, verb what, std::string_view stream) const {
        return !options.allow || options.allow(who.user, what, stream);
    }
    session* find_session(std::uint64_t number) {
        const auto found = sessions.find(number);
        return found == sessions.end() ? nullptr : &found->second;
    }
    void send(std::uint64_t to, std::string head, std::optional<shared_bytes> body = std::nullopt) {
        out.sends.push_back({to, std::move(head), std::move(body)});
    }
    void send_error(std::uint64_t to, std::uint64_t channel, std::string_view code, std::string text) {
        send(to, protocol::encode(protocol::error{channel, std::string{code}, std::move(text)}));
    }
    /// Wall time that runs on steadily from the opening, whatever the clock is set to meanwhile: what delays
    /// and expiry go by.
    std::uint64_t steady_wall_ms() const {
        return (opened.wall_ns + (now.monotonic_ns - opened.monotonic_ns)) / 1'000'000;
    }
    /// When that time comes, by the steady clock.
    std::uint64_t monotonic_ns_at(std::uint64_t wall_ms) const {
        const std::uint64_t wall_ns = wall_ms * 1'000'000;
        return opened.monotonic_ns + (wall_ns > opened.wall_ns ? wall_ns - opened.wall_ns : 0);
    }
    /// A lease was given or a message delayed: the group has something to do sooner than was known.
    void file(const stream& in, const group& whose) {
        groups_due.file({in.number, whose.number}, std::min(whose.next_deadline_ns(), whose.next_due_ns()));
    }
    std::uint64_t random_id() {
        std::uint64_t id = 0;
        while (id == 0) id = random();
        return id;
    }
};

}  // namespace ferry
