// A consumer: takes messages of a stream, as a member of a group, and says when each is done.
//
// Guarantee: at least once. Consumers of one group compete for messages; every group gets all of them. A
// message belongs to the consumer it was delivered to until a deadline (its lease), which is renewed while
// the consumer lives. Acked, it is done; nacked, or with a consumer that died, it comes again with `attempt`
// one higher, after the group's back-off, and becomes a dead letter after max-attempts; `dead_letter` makes
// it one at once, when trying again is pointless. A message that may have been seen by somebody before always
// has an attempt above 1.
//
// Effectively once: `commit` stores what came of a message, in any streams of the spool, together with its
// ack: a crash of anybody leaves both or neither.
//
// Threads: all calls from any thread; a delivery belongs to one thread at a time and must not outlive the
// consumer. Its session lives on the context's loop thread; a thread that waits for it does that thread's
// work meanwhile, but for the callbacks. The destructor gives back what it holds. Failure: `next` throws when
// the spool refuses the group (denied, no such stream, other settings, read-only).
//
//     ferry::consumer work{context, ferry::connect("tcp://127.0.0.1:7000"), {.stream = "resize", .group =
//     "thumbs"}}; while (auto d = work.next()) { resize(d->body()); d->ack(); }   // destroyed un-acked: goes
//     back
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

struct consumer_options {
    std::string stream{};
    std::optional<std::string> group{"default"};  ///< none: read only, nothing is leased or acked
    std::optional<std::string> dead_of{};         ///< without a group: only its dead letters are read
    bool create = true;                           ///< make stream and group when they are not there
    /// Where a new group or a reader starts: first, new, an offset, or a time, which is `@` and nanoseconds
    /// since 1970, or `-300000ms` for so long ago.
    std::optional<std::string> from{};
    std::optional<std::uint64_t> until{};  ///< without a group: the first offset that is not wanted any more
    std::optional<std::chrono::milliseconds> lease{};  ///< this consumer's; absent: the group's (30 s)
    std::optional<std::uint64_t> max_attempts{};       ///< of a new group (16)
    std::optional<std::chrono::milliseconds>
        lease_max{};  ///< of a new group: longest a lease is renewed (12 h)
    /// Of a new group: pause after the 1st, 2nd, ... failure; the last repeats (0 s, 1 s, 5 s, 30 s).
    std::vector<std::chrono::milliseconds> backoff{};
    std::optional<std::uint64_t> max_in_flight{};  ///< of a new group: on lease at a time (no limit)
    /// Of a new group: topics it wants, by pattern (`*` is one token between dots, a last `>` one or more) or
    /// by how they begin; of all these one must fit. A group that exists with others is refused.
    std::vector<std::string> filter{};
    std::vector<std::string> filter_prefix{};
    std::vector<std::string> where{};  ///< of a new group: headers that messages must all have, as NAME=VALUE
    /// Of a new group: only one of its consumers at a time is given messages, the one that joined first; when
    /// it leaves, dies or stands still the next goes on within two seconds, in order.
    bool single_active = false;
    /// Of a new group: messages with the same header `key` are out one at a time and never overtake one
    /// another; others go on meanwhile. Priorities do not count in it.
    std::optional<bool> ordered_by_key{};
    std::string name{};  ///< what `group info` calls this consumer; the program and its process id if empty
    std::uint64_t credit = 40'000;           ///< messages held and not acked, at most
    std::size_t credit_bytes = 4 << 20;      ///< received and not handed out, at most
    std::chrono::milliseconds linger{2000};  ///< how long the destructor waits for its acks' answers
    socket_options socket{};
    /// Told about deliveries that were handed out, are not settled, and whose lease is over: offsets `first`
    /// to `last`. They will come again, to whoever takes next; what is still being done for them is in vain.
    /// Called, as all of these, from the loop thread, which it must not hold up; the last ones from the
    /// thread that destroys the consumer.
    std::function<void(std::uint64_t first, std::uint64_t last)> on_lost{};
    /// Told about acks and `dead_letter`s the spool refused because the lease was over: offsets `first` to
    /// `last`. Called from the loop thread.
    std::function<void(std::uint64_t first, std::uint64_t last)> on_stale{};
    /// Told about acks and `dead_letter`s in vain: the messages, offsets `first` to `last`, had expired or
    /// were removed, by a purge or for room, while they were on lease. Called from the loop thread.
    std::function<void(std::uint64_t first, std::uint64_t last)> on_gone{};
    /// Called when there may be something to see: a message for `next`, a lease that is over. From the loop
    /// thread, which it must not hold up; for programs that wait for other things as well.
    std::function<void()> on_change{};
};

struct consumer_stats {
    std::uint64_t received = 0;     ///< handed out by `next`
    std::uint64_t redelivered = 0;  ///< of these, with an attempt above 1
    std::uint64_t acked = 0;        ///< acks that were answered: they are durable
    std::uint64_t dead = 0;         ///< given up with `dead_letter`, answered: they are dead letters
    std::uint64_t stale = 0;        ///< acks and `dead_letter`s that came too late: the lease was over
    std::uint64_t gone = 0;         ///< acks and `dead_letter`s of messages that were removed meanwhile
    std::uint64_t lost = 0;         ///< handed out, and the lease ended before they were settled
    std::uint64_t bad_frames = 0;   ///< dropped: damaged on the way
};

/// One message, on lease.
class delivery {
  public:
    delivery(delivery&& other) noexcept;
    delivery& operator=(delivery&& other) noexcept;
    ~delivery();  ///< nacks, unless it was settled or read without a group

    std::string_view body() const noexcept { return what_.body; }
    std::string_view topic() const noexcept { return what_.topic; }
    /// All of it: topic, headers, frames and body, as the producer put it.
    message content() const;

    std::uint64_t offset() const noexcept { return what_.offset; }
    /// 1, or more when it may have been seen before.
    std::uint64_t attempt() const noexcept { return what_.attempt; }
    /// When the spool stored it, since 1970.
    std::uint64_t stored_wall_ns() const noexcept { return what_.stored_wall_ns; }

    /// True when it is not ours any more, as `on_lost` tells: somebody else may have the message.
    bool lease_over() const;

    /// Done. The ack is durable when it was answered: `consumer::flush` waits for that.
    void ack();
    /// Not done: it comes again after `delay`, or after the group's back-off.
    void nack(std::optional<std::chrono::milliseconds> delay = std::nullopt, const std::string& reason = {});
    /// Given up: a dead letter with this reason at once, whatever attempts it has left. Durable when it was
    /// answered, as an ack is; until then it is told again, also after the spool was restarted.
    void dead_letter(const std::string& reason);
    /// Given back unseen: nobody was shown it, so no attempt is used.
    void release();

  private:
    friend class consumer;
    struct origin;  // what it shares with its consumer
    delivery() = default;
    template <typename Settle>
    void settle(Settle how);

    struct contents {
        std::string_view body, topic, item;
        std::uint64_t lease = 0, offset = 0, attempt = 1, stored_wall_ns = 0;
    };
    std::shared_ptr<origin> from_;
    std::shared_ptr<const void> bytes_;  // keeps what is viewed alive
    contents what_;
    bool settled_ = true;
};

/// What came of a message: another one, for a stream of the same spool.
struct output {
    std::string stream{};
    message content{};
};

enum class commit_outcome : std::uint8_t {
    committed,  ///< the outputs are stored and the message is acked, on disk
    lost,       ///< the lease was over: nothing was stored, and somebody else does the work
    refused,    ///< nothing was stored, and the message goes back as nacked: see `code` and `reason`
};

struct commit_result {
    commit_outcome is = commit_outcome::committed;
    std::string code{};  ///< the protocol's code for a refusal: denied, too-large, bad-name, ...
    std::string reason{};
};

/// A claim on a commit's answer. It must not outlive the consumer.
class commit_receipt {
  public:
    commit_receipt() = default;

    /// The answer; empty when none came in that time, or the context stopped. A commit without an answer may
    /// have been carried out; it goes on being asked for while the consumer lives.
    std::optional<commit_result> wait(std::optional<duration> limit = forever) const;

  private:
    friend class consumer;
    struct parts;
    std::shared_ptr<parts> parts_;
};

class consumer {
  public:
    consumer(ferry::context& context, const ferry::endpoints& where, consumer_options options);
    ~consumer();
    consumer(consumer&&) noexcept;
    consumer& operator=(consumer&&) noexcept;

    /// The next message; empty when none came in that time, the context stopped, or the end is reached.
    std::optional<delivery> next(std::optional<duration> wait = forever);

    /// Stores `outputs` and acks the message as one: both or neither. Returns at once, unless 8 MiB of
    /// outputs are under way already. While a stream of an output is full it is tried again. Throws
    /// errc::bad_argument for a stream's name that cannot be.
    ///
    ///     auto d = work.next();
    ///     message thumb{resize(d->body())};
    ///     work.commit(std::move(*d), {{"thumbs", std::move(thumb)}});
    commit_receipt commit(delivery&& what, std::vector<output> outputs);

    /// True when all before `until` was given out: nothing more will come.
    bool at_end() const;

    /// Waits until every ack and every `dead_letter` so far was answered. Throws what `next` would throw when
    /// none will be.
    outcome flush(std::optional<duration> limit = forever);

    bool connected() const;
    /// Waits for the spool to accept this consumer. Throws what `next` would throw.
    outcome wait_for_spool(std::optional<duration> limit = forever);

    /// How long the spool, which was restarted, still keeps messages back for those who held them before. Who
    /// waits for silence does not count this time. 0 as a rule.
    duration claim_wait_left() const;

    /// Leaves the group: gives back, without an attempt used, what was not handed out, and waits for the
    /// answers to its acks; without a limit no longer than the spool is there, and `linger` when the context
    /// stops. Deliveries still held come again at once, flagged, which does not count towards
    /// max-attempts: a program that failed at one nacks it. Whoever waits in `next` meanwhile gets nothing.
    outcome leave(std::optional<duration> limit = forever);

    consumer_stats stats() const;

  private:
    friend class delivery;
    friend class commit_receipt;
    using parts = delivery::origin;
    std::shared_ptr<parts> parts_;  // deliveries refer to it
};

}  // namespace ferry
