// A producer's side of the spool protocol, as a state machine: messages and frames in, frames out.
//
// Messages gather in batches. An idle session sends the first message at once; while batches are under way
// the following ones gather, until the batch is large or 200 us old. Every batch keeps its bounds and bytes
// until it is confirmed or refused for good; whatever goes wrong in between (a lost frame, a restarted spool,
// a hole), the session opens a new channel, is told the last sequence stored, and sends again from there. The
// spool recognises what it has.
//
// Nothing here blocks, reads a clock or owns a socket. Threads: one caller at a time.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/batch_fate.hpp"
#include "core/clock.hpp"
#include "core/flight.hpp"
#include "core/protocol.hpp"
#include "core/shared_bytes.hpp"
#include "core/spool_link.hpp"
#include "ferry/message.hpp"

namespace ferry {

struct producer_session_options {
    std::string stream;
    std::optional<std::string> name;       ///< a lasting identity; absent: one for this run
    bool create = true;                    ///< make the stream when it is not there
    std::optional<protocol::grade> grade;  ///< absent: the stream's own
    bool dedup = true;  ///< false: what has a message id that is known is stored all the same
    /// Less than a frame may have: with the smallest segments a record, its own fields included, may have 256
    /// KiB.
    std::size_t batch_bytes_max = ferry::batch_bytes_max - 1024;
    std::string client = "ferry";
};

/// A message's place: its batch, and which of the batch's messages it is.
struct put_place {
    std::shared_ptr<batch_fate> fate;
    std::uint64_t index = 0;
    message_fate now() const { return fate->of(index); }
};

/// Messages by what became of them.
struct put_counts {
    std::uint64_t put = 0;
    std::uint64_t confirmed = 0;
    std::uint64_t duplicates = 0;  ///< of these, stored before
    std::uint64_t refused = 0;
};

class producer_session {
  public:
    explicit producer_session(producer_session_options options);

    /// Takes a message. After `failed()` it is refused at once. `now` is looked at only when the message
    /// opens a batch, for a clock costs more than a small message: ask `opens_batch` before reading one.
    /// The place stands until the next call.
    const put_place& put(const message& message, instant now);
    const put_place& put(std::string_view payload, instant now);
    bool opens_batch(const message& next) const { return !has_room_for(item_bytes_most(next)); }
    bool opens_batch(std::string_view next) const { return !has_room_for(item_bytes_most(next)); }

    /// Sends the open batch without waiting for company.
    void flush() noexcept { flush_ = true; }

    void frame(std::string_view head, instant now);
    /// The connection broke or was made again: the spool must be greeted and the channel opened anew.
    void reconnected();
    void tick(instant now);
    std::uint64_t next_due_ns() const;

    /// Messages to send, in order. The caller keeps what its socket does not take.
    std::vector<outgoing_message> take_output() { return link_.counted(std::exchange(out_, {})); }

    /// True once after batches were settled: somebody may be waiting for them.
    bool take_settled() noexcept { return std::exchange(settled_, false); }

    std::size_t bytes_pending() const noexcept { return bytes_pending_; }
    bool idle() const noexcept { return unconfirmed_.empty() && gathering_.count == 0; }
    bool opened() const noexcept { return opened_; }
    /// What a batch may have now: messages of fewer bytes together, by `item_bytes_max`, share one.
    std::size_t batch_limit() const noexcept { return batch_limit_; }
    bool should_wake() const noexcept;  ///< the open batch can leave: the loop should tick
    /// What was put last is alone: nothing else gathers or is under way, so it can leave at once.
    bool may_leave_alone() const noexcept { return opened_ && unconfirmed_.empty() && gathering_.count == 1; }
    /// Why nothing can be put any more (denied, fenced, read-only, removed ...); code empty while all is
    /// well.
    const std::string& failed_code() const noexcept { return failed_code_; }
    const std::string& failed_reason() const noexcept { return failed_reason_; }
    const spool_link& link() const noexcept { return link_; }
    const put_counts& counts() const noexcept { return counts_; }

  private:
    struct batch {
        std::uint64_t first = 0;  // sequence; 0 = not sent yet
        std::uint64_t count = 0;
        std::uint32_t checksum = 0;
        std::uint64_t time_ns = 0;
        std::uint64_t since_ns = 0;  // monotonic, of its first message
        std::shared_ptr<std::string> bytes = std::make_shared<std::string>();
        std::shared_ptr<batch_fate> fate = std::make_shared<batch_fate>();
        std::uint64_t index = 0;    // in the fate, of its first message
        std::uint64_t settled = 0;  // so many of them are
        std::uint64_t flown = 0;    // what `flight_` had sent with it
        std::uint64_t last() const noexcept { return first + count - 1; }
    };
    static std::size_t item_bytes_most(const message& next);
    static std::size_t item_bytes_most(std::string_view payload) { return payload.size() + 6; }
    bool has_room_for(std::size_t bytes) const {
        return gathering_.count > 0 && gathering_.bytes->size() + bytes <= batch_limit_;
    }
    const put_place& took(std::size_t size_before);
    batch& gather(std::size_t bytes, instant now);
    void seal();
    void heed_window(std::uint64_t bytes);
    void pump(instant now);
    void let_out(instant now);
    bool send(batch& next);
    bool fits(std::size_t bytes) const;
    bool gathered_may_go() const;
    bool under_way() const noexcept { return opened_ && (sent_ > 0 || pieces_ > 0); }
    void open_channel();
    void opened(std::string_view head, instant now);
    void stored(std::string_view head, instant now);
    void refused(std::string_view head);
    void failed(std::string_view head);
    void fail(std::string code, std::string reason);
    void settle(std::deque<batch>::iterator which);
    void refused(std::deque<batch>::iterator which, const protocol::refused& message);
    void refuse(batch& which, std::string_view code, std::string_view reason);
    void cut(std::deque<batch>::iterator which, std::uint64_t count);
    std::deque<batch>::iterator holder_of(std::uint64_t sequence);

    producer_session_options options_;
    spool_link link_;
    std::vector<outgoing_message> out_;
    batch gathering_;
    put_place last_;           // of the message that was put last
    std::size_t batch_limit_;  // of bytes gathered in one
    std::deque<batch> unconfirmed_;
    std::size_t sent_ = 0;  // so many of unconfirmed_ went out on this channel
    flight flight_;
    std::size_t piece_bytes_ = 0;  // of the next one, when it has begun to go out in pieces,
    std::uint64_t pieces_ = 0;     // and so many of them did
    std::size_t bytes_pending_ = 0;
    std::uint64_t one_at_a_time_ = 0;  // so many batches: what is behind one that is split is sent again
    bool flush_ = false;
    bool settled_ = false;

    bool opening_ = false;
    bool opened_ = false;
    std::uint64_t channel_ = 0;
    std::optional<std::string> producer_id_;
    std::uint64_t epoch_ = 0;
    std::uint64_t next_sequence_ = 0;                  // 0 until the first OPENED
    std::uint64_t previous_ = 0;                       // of the next PUT
    std::uint64_t batches_sent_ = 0, bytes_sent_ = 0;  // on this channel
    std::uint64_t window_batches_ = 0, window_bytes_ = 0;
    std::uint64_t progress_ns_ = 0;
    std::uint64_t resend_after_ns_ = 0;
    put_counts counts_;
    std::string failed_code_;
    std::string failed_reason_;
};

}  // namespace ferry
