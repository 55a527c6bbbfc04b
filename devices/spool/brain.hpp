// The brain of a spool: an asynchronous state machine. Events go in, actions come out.
//
// No call blocks, reads a clock, opens a file or owns a socket; randomness is seeded. The device (spool)
// gives it sockets, threads and the log, the simulator gives it none of these and replays any history from a
// seed.
//
//     brain.frame(session, user, head, body, now);      // what a peer sent
//     for (auto& each : brain.take_actions(now)...) ... // append, read, send, release
//     brain.appended(ticket, now); brain.durable(ticket, now);
//
// Events of one log arrive in the order of their actions. Threads: one caller at a time.
#pragma once

#include "core/log/log.hpp"
#include "devices/spool/administration.hpp"
#include "devices/spool/brain_parts.hpp"
#include "devices/spool/claims.hpp"
#include "devices/spool/cleaner.hpp"
#include "devices/spool/commits.hpp"
#include "devices/spool/dispatcher.hpp"
#include "devices/spool/intake.hpp"
#include "devices/spool/rereads.hpp"
#include "devices/spool/retention.hpp"
#include "devices/spool/settlement.hpp"
#include "devices/spool/succession.hpp"
#include "devices/spool/time_search.hpp"
#include "devices/spool/timetable.hpp"

namespace ferry {

class brain {
  public:
    /// Starts from the state the log was replayed into. Everything in it is synced.
    brain(const brain_options& options, spool_state recovered, instant now);
    brain(const brain&) = delete;
    brain& operator=(const brain&) = delete;

    // --- events
    // ---------------------------------------------------------------------------------------------
    /// A frame of the protocol and, where the kind has one, its payload frame.
    void frame(std::uint64_t session_number, std::string_view user, std::string_view head,
               std::optional<shared_bytes> body, instant now);
    void detached(std::uint64_t session_number, instant now);
    void appended(std::uint64_t ticket, instant now);
    void durable(std::uint64_t ticket, instant now);
    void failed(const std::string& reason, instant now);
    /// What was read, and where it could not be. False when that will be tried again, and is not final.
    bool read_done(std::uint64_t cookie, log::read_result&& result, instant now);
    /// Nothing could be read at all; the same. When it stays so, the spool is read-only.
    bool read_failed(std::uint64_t cookie, const std::string& reason, instant now);
    void space(std::uint64_t bytes_left);
    /// What the log holds, as an action asked.
    void held(log::holdings&& what, instant now);
    /// A step of moving messages is done, or was given up for `problem`; abandoning is not answered.
    void moved(const std::string& problem, instant now);
    /// There was no room for the snapshot of an append; the log is as it was.
    void snapshot_refused(instant now);
    /// A send whose peer is gone: the session is over, and what was to be delivered was seen by nobody.
    void unreachable(const send_action& action, instant now);
    /// A send the socket did not take: it is offered again when the peer next speaks, or after 10 ms. What
    /// was to go behind it in the same turn must come here, too.
    void unsent(send_action action);
    void tick(instant now);

    // --- actions
    // ---------------------------------------------------------------------------------------------
    actions take_actions(instant now);
    /// The last append of an orderly stop: a watermark and a clean snapshot. Nothing may follow.
    std::optional<append_action> stop(instant now);

    /// What was still to be told when the spool stopped.
    actions take_farewell();
    /// Asks for a snapshot with the next turn.
    void want_snapshot() { parts_.journal.want_snapshot(); }

    /// When `tick` must be called at the latest (monotonic).
    std::uint64_t next_due_ns() const;
    /// When that steady wall time comes (monotonic).
    std::uint64_t monotonic_ns_at(std::uint64_t wall_ms) const { return parts_.monotonic_ns_at(wall_ms); }

    spool_stats stats() const { return administration_.figures(); }
    /// What a session has in pieces that are not finished.
    std::size_t part_bytes(std::uint64_t session) const;
    const brain_counters& counters() const noexcept { return parts_.counters; }
    const log_figures& found() const noexcept { return parts_.log_found; }
    const spool_state& state() const noexcept { return parts_.state; }
    /// Whether messages are still kept back for those who held them before the restart.
    bool awaits_claims() const noexcept { return claims_.waiting(); }
    bool disk_full() const noexcept { return parts_.disk_full; }
    bool read_only() const noexcept { return !parts_.read_only_reason.empty(); }
    const std::string& read_only_reason() const noexcept { return parts_.read_only_reason; }
    /// Bytes of records handed out and not yet written: what the ingress pool bounds.
    std::uint64_t bytes_unwritten() const noexcept { return parts_.journal.bytes_unwritten(); }

  private:
    void settle_restart();
    static void use_up_lost(stream& of, const std::vector<log::damage>& damages);
    void handle(session& from, protocol::kind what, std::string_view head, const shared_bytes& body);
    void hello(session& from, const protocol::hello& request);
    template <typename Message, typename Handler>
    void decoded(session& from, std::string_view head, Handler handler);
    template <typename Request, typename Handler>
    void with_place(session& from, const std::string& stream_name, header_map Request::*options,
                    Request request, Handler handler);
    void bad_frame(session& from);
    void heard_ping(session& from, const protocol::ping& message);
    std::vector<send_action> in_order(std::vector<send_action>&& sends);
    void give_back(session& from, const send_action& unseen);
    void close_channels(session& of);
    void forget(std::uint64_t session_number);
    void forget_silent();
    void forget_unreachable();

    brain_parts parts_;
    rereads rereads_;
    time_search times_;
    depot depot_;
    retention retention_;
    intake intake_;
    dispatcher dispatcher_;
    settlement settlement_;
    commits commits_;
    claims claims_;
    succession succession_;
    timetable timetable_;
    dead_letter_office dead_letters_;
    administration administration_;
    cleaner cleaner_;
    std::vector<std::uint64_t> unreachable_;  // sessions that end with this turn
    std::vector<std::uint64_t> retried_;      // sessions that are offered again what was unsent
    std::uint64_t retry_due_ns_ = ~std::uint64_t{0};
    std::uint64_t silence_due_ns_ = ~std::uint64_t{0};  // nobody is silent for too long before
};

}  // namespace ferry
