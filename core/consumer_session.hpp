// A consumer's side of the spool protocol, as a state machine: frames in, deliveries out; acks in, frames
// out.
//
// Deliveries come in parcels under leases, as far as the credit goes, and are handed out one by one. Leases
// of what is held are renewed while the session is ticked. After a lost connection or a restart of the spool
// the session claims what it holds when it joins again, and until that is answered it hands out nothing. What
// it is not given back it drops (somebody else has it, or will) and names as lost if it was handed out; acks
// are sent all the same, and the spool answers them with the truth.
//
// Nothing here blocks, reads a clock or owns a socket. Threads: one caller at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/batch.hpp"
#include "core/clock.hpp"
#include "core/commit_queue.hpp"
#include "core/credit_account.hpp"
#include "core/dead_queue.hpp"
#include "core/protocol.hpp"
#include "core/recent_ids.hpp"
#include "core/run_set.hpp"
#include "core/shared_bytes.hpp"
#include "core/spool_link.hpp"

namespace ferry {

struct consumer_session_options {
    std::string stream;
    std::optional<std::string> group;    ///< absent: read only, nothing is leased or settled
    std::optional<std::string> dead_of;  ///< a reader that sees this group's dead letters only
    bool create = true;                  ///< make stream and group when they are not there
    std::optional<std::string> from;     ///< first, new, an offset or a time: where a group it creates starts
    std::optional<std::uint64_t> until;  ///< a reader's end: the first offset it does not want
    std::optional<std::uint64_t> lease_ms;  ///< absent: the group's
    std::optional<std::uint64_t>
        max_attempts;  ///< of a group it creates, as all that follow up to the credit
    std::optional<std::uint64_t> lease_max_ms;
    std::optional<std::string> backoff_ms;  ///< with commas between
    std::optional<std::uint64_t> max_in_flight;
    std::string filter;                      ///< patterns, one a line,
    std::string filter_prefix;               ///< beginnings of topics,
    std::string where;                       ///< and headers as NAME=VALUE
    bool single_active = false;              ///< only one consumer at a time is given messages
    std::optional<bool> ordered;             ///< by key
    std::uint64_t credit_messages = 40'000;  ///< held and not settled, at most
    std::uint64_t credit_bytes = 4 << 20;    ///< received and not handed out, at most
    std::string client = "ferry";
};

/// One message as handed out. `item` points into `keep`.
struct delivered_item {
    std::uint64_t lease = 0;
    std::uint64_t offset = 0;
    std::uint64_t attempt = 1;
    std::uint64_t wall_ns = 0;
    item_view item;
    shared_bytes keep;
};

/// What came of settling messages, as the spool answered.
struct settled_runs {
    std::vector<protocol::run> done;   ///< acks that count (also those that counted before)
    std::vector<protocol::run> dead;   ///< given up: dead letters now (also those that were before)
    std::vector<protocol::run> stale;  ///< refused: the lease was over
    std::vector<protocol::run> gone;   ///< in vain: the message was removed meanwhile
    std::vector<protocol::run> lost;   ///< handed out and not settled, and the lease is over
};

class consumer_session {
  public:
    explicit consumer_session(consumer_session_options options);

    /// The next message, if one is at hand. `now_ns` (monotonic) may be some milliseconds old: it keeps a
    /// program that slept from being handed what it no longer has on lease.
    std::optional<delivered_item> next(std::uint64_t now_ns);
    bool has_next() const noexcept { return !parcels_.empty() && (joined_ || !options_.group); }

    void ack(std::uint64_t lease, std::uint64_t offset);
    void nack(std::uint64_t lease, std::uint64_t offset, std::optional<std::uint64_t> delay_ms,
              const std::string& reason);

    /// Gives a message back that was handed out but shown to nobody: no attempt is used.
    void release(std::uint64_t lease, std::uint64_t offset);

    /// Gives a message up: it becomes a dead letter with this reason, whatever attempts it has left. Told
    /// again until it is answered.
    void dead_letter(std::uint64_t lease, std::uint64_t offset, const std::string& reason);

    /// Stores the outputs and acks the message, both or neither. Refused, the message goes back to its group.
    std::shared_ptr<commit_fate> commit(std::uint64_t lease, std::uint64_t offset,
                                        std::vector<commit_output> outputs, instant now);
    std::size_t commit_bytes() const noexcept { return commits_.bytes(); }

    /// True when a message that was handed out and not settled is not ours any more: its lease is
    /// over.
    bool lease_over(std::uint64_t lease, std::uint64_t offset) const;

    /// Asks for nothing more and gives back what was not handed out; then waits for the answers to its acks.
    void leave(instant now);
    /// After `leave`: everything settled was answered, and the spool has heard the LEAVE.
    bool left() const noexcept { return left_; }
    bool leaving() const noexcept { return leaving_; }

    void frame(std::string_view head, std::optional<shared_bytes> body, instant now);
    void tick(instant now);
    std::uint64_t next_due_ns() const;
    std::vector<outgoing_message> take_output() { return link_.counted(std::exchange(out_, {})); }
    bool has_output() const noexcept { return !out_.empty(); }
    settled_runs take_settled() { return std::exchange(settled_, {}); }

    bool joined() const noexcept { return joined_; }
    /// Until when (monotonic) the spool waits for claims after its restart, and may hold messages back.
    std::uint64_t claims_until_ns() const noexcept { return claims_until_ns_; }
    /// The connection broke or was made again: the spool must be greeted, and leases claimed.
    void reconnected();
    /// A reader has been given all before `until`.
    bool ended() const noexcept { return ended_ && parcels_.empty(); }
    /// Offset at which the spool said this group (or reader) stands when it joined.
    std::uint64_t start() const noexcept { return start_; }
    std::uint64_t unanswered() const noexcept { return unanswered_; }
    bool all_answered() const noexcept {
        return unanswered_ == 0 && to_send_ == 0 && commits_.empty() && dead_.empty();
    }
    std::uint64_t frames_bad() const noexcept { return frames_bad_; }
    const std::string& failed_code() const noexcept { return failed_code_; }
    const std::string& failed_reason() const noexcept { return failed_reason_; }
    const spool_link& link() const noexcept { return link_; }

  private:
    struct held_lease;
    struct parcel {
        std::uint64_t lease = 0;
        const held_lease* under = nullptr;  // while a group's parcel is here, its lease is
        std::uint64_t channel = 0;          // which it came on
        std::vector<protocol::delivered_run> runs;
        std::size_t run_at = 0;       // which run is next,
        std::uint64_t taken = 0;      // and how many of it were handed out
        std::size_t frame_bytes = 0;  // as it came
        shared_bytes batch;
        std::size_t at = 0;  // bytes handed out
    };
    struct held_lease {
        run_set open;        // not settled by us yet
        run_set to_ack;      // settled, not sent yet
        run_set unanswered;  // sent, not answered yet
        run_set nacked;      // told once, not answered yet; never told again as an ack
        std::uint64_t renewed_ns = 0;
        std::uint64_t sent_ns = 0;
        bool empty() const noexcept {
            return open.empty() && to_ack.empty() && unanswered.empty() && nacked.empty();
        }
    };
    void join();
    void deliver(std::string_view head, const shared_bytes& body, instant now);
    void done(std::string_view head);
    void refused(std::string_view head, instant now);
    void failed(std::string_view head);
    void joined(std::string_view head, instant now);
    void rejoin_lost();
    protocol::claim claim_of(std::uint64_t id, const held_lease& from) const;
    void lose(std::uint64_t id, held_lease& from, run_set lost);
    bool needless(std::uint64_t id, const held_lease& what) const;
    void keep_held(parcel& what);
    void finished(const parcel& what);
    bool over(const held_lease& what, std::uint64_t now_ns) const noexcept {
        return lease_ns_ > 0 && now_ns >= what.renewed_ns + lease_ns_;
    }
    bool settle(std::uint64_t lease, std::uint64_t offset);
    void give_credit();
    void send_settlements(instant now);
    void renew(instant now);

    consumer_session_options options_;
    spool_link link_;
    std::vector<outgoing_message> out_;
    std::deque<parcel> parcels_;
    std::map<std::uint64_t, held_lease> leases_;
    recent_ids delivered_;  // leases
    std::string parts_;     // pieces of the DELIVER that follows
    std::uint64_t parts_seen_ = 0;
    settled_runs settled_;
    commit_queue commits_;
    dead_queue dead_;

    bool joining_ = false, joined_ = false, leaving_ = false;
    std::uint64_t leave_token_ = 0;  // of the PING behind the LEAVE
    bool left_ = false;
    bool ended_ = false;
    std::uint64_t channel_ = 0;
    std::uint64_t lease_ns_ = 0;
    std::uint64_t start_ = 0;
    std::uint64_t claims_until_ns_ = 0;
    std::uint64_t read_from_ = 0;  // a reader's place, for joining again
    bool read_any_ = false;
    std::uint64_t held_ = 0;             // delivered to us and not settled by us
    std::uint64_t frames_received_ = 0;  // on this channel
    credit_account credit_;
    std::uint64_t to_send_ = 0;     // messages in to_ack
    std::uint64_t unanswered_ = 0;  // messages in unanswered
    std::uint64_t frames_bad_ = 0;
    std::string failed_code_;
    std::string failed_reason_;
};

}  // namespace ferry
