// The journal: turns decisions into records, and tells when they are as durable as somebody waits for.
//
// Everything decided between two `close_turn` calls is one turn with one ticket: written together, synced
// together. A record changes the state at once; whoever must not be answered before it is durable leaves a
// continuation with `when`. Continuations run in order of their tickets.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>

#include "core/clock.hpp"
#include "core/protocol.hpp"
#include "devices/spool/actions.hpp"
#include "devices/spool/state.hpp"

namespace ferry {

class journal {
  public:
    /// A snapshot is due after half a segment's worth of records, or 64 MiB, whichever is less.
    journal(spool_state& state, std::uint64_t segment_bytes) : state_{state}, segment_bytes_{segment_bytes} {}

    /// Applies the record and puts it into this turn. The payload is `head`, then `body`.
    void append(outgoing_record record, instant now);
    /// What says the same of many runs of messages, each for itself, may become several records: one has a
    /// limit.
    template <packed_struct Payload>
    void append(log::record_type type, const Payload& payload, instant now) {
        std::string head = pack_struct(payload);
        if constexpr (requires { payload.runs; })
            if (head.size() > split_bytes() && payload.runs.size() > 1)
                return append_halves(type, payload, now);
        append({.type = type, .head = std::move(head)}, now);
    }

    /// Collects an ack; all acks of a turn become one record, written when the turn closes or when
    /// `flush_acks` is called because something is about to look at the groups.
    void acked(std::uint32_t stream, std::uint32_t group, run acked);
    void flush_acks(instant now);

    /// Runs `then` when this turn is durable to `grade`. For `synced` somebody must also ask for the sync:
    /// `sync_now` for one who waits, `sync_soon` for acks, which share the next sync or have one in 10 ms.
    void when(protocol::grade grade, std::function<void()> then);
    void sync_now() { sync_wanted_ = true; }
    void sync_soon(instant now, std::uint64_t within_ns);
    void want_snapshot() { snapshot_wanted_ = true; }
    /// The disk is full but for the reserve, which acks must not use up before a snapshot lets segments go.
    void hurry_snapshots(bool hurry) noexcept { hurry_ = hurry; }

    /// Ends the turn, if there is anything to write, sync or wait for.
    std::optional<append_action> close_turn(instant now);

    void appended(std::uint64_t ticket);
    void durable(std::uint64_t ticket);
    void fail() noexcept;
    bool failed() const noexcept { return failed_; }

    /// The last turn of an orderly stop: what is left, a watermark and a snapshot that says so.
    std::optional<append_action> last_turn(std::uint64_t incarnation, instant now);

    /// When something is due although nothing happens: a sync for acks, the watermark after silence.
    std::uint64_t next_due_ns() const;
    void tick(instant now);

    std::uint64_t bytes_unwritten() const noexcept { return bytes_unwritten_; }
    /// The same as the log will hold them, and with those of this turn.
    std::uint64_t bytes_ahead() const noexcept { return bytes_ - bytes_written_; }
    /// Records made so far, and their bytes in the log.
    std::uint64_t records() const noexcept { return records_; }
    std::uint64_t bytes() const noexcept { return bytes_; }

  private:
    struct waiting {
        std::uint64_t ticket;
        std::function<void()> then;
    };
    /// Well below what the log takes of a record, which is a quarter of a segment at least.
    std::size_t split_bytes() const { return std::min<std::size_t>(128 << 10, segment_bytes_ / 8); }
    template <packed_struct Payload>
    void append_halves(log::record_type type, Payload payload, instant now) {
        Payload rest = payload;
        const auto middle = static_cast<std::ptrdiff_t>(payload.runs.size() / 2);
        payload.runs.erase(payload.runs.begin() + middle, payload.runs.end());
        rest.runs.erase(rest.runs.begin(), rest.runs.begin() + middle);
        if constexpr (requires { rest.messages; }) rest.messages = 0;  // they count once
        append(type, payload, now);
        append(type, rest, now);
    }
    static void run_up_to(std::deque<waiting>& queue, std::uint64_t ticket);

    std::uint64_t snapshot_every() const;

    spool_state& state_;
    const std::uint64_t segment_bytes_;
    append_action turn_{.ticket = 1, .records = {}, .snapshot = {}, .sync = false};
    std::map<std::pair<std::uint32_t, std::uint32_t>, run_set> acks_;
    std::deque<waiting> for_written_;
    std::deque<waiting> for_synced_;
    bool sync_wanted_ = false;
    bool snapshot_wanted_ = false;
    bool waits_ = false;  // somebody waits for this turn
    bool failed_ = false;
    std::uint64_t sync_due_ns_ = never;
    std::uint64_t watermark_due_ns_ = never;
    std::uint64_t last_appended_ = 0;
    std::uint64_t last_durable_ = 0;
    std::uint64_t last_wall_ns_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t bytes_at_snapshot_ = 0;
    std::uint64_t snapshot_bytes_ = 0;  // of the last one
    bool hurry_ = false;
    std::uint64_t bytes_unwritten_ = 0;
    struct unwritten_turn {
        std::uint64_t ticket, bytes;
        std::uint64_t end;  // what `bytes_` was
    };
    std::deque<unwritten_turn> unwritten_;
    std::uint64_t bytes_written_ = 0;

    static constexpr std::uint64_t never = ~std::uint64_t{0};
};

}  // namespace ferry
