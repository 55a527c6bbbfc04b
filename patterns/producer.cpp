#include "ferry/producer.hpp"

#include <mutex>

#include "core/loop.hpp"
#include "core/producer_session.hpp"
#include "patterns/session_waiters.hpp"
#include "patterns/spool_connection.hpp"

namespace ferry {

struct producer::parts : std::enable_shared_from_this<producer::parts> {
    parts(context& context_of, const endpoints& where, producer_options given)
        : owner{context_of},
          options{std::move(given)},
          session{{.stream = options.stream,
                   .name = options.name,
                   .create = options.create,
                   .grade = options.grade,
                   .dedup = options.dedup}},
          connection{context_of, where, options.socket} {}

    loop::next step();
    template <typename Message>
    receipt put(const Message& message);
    void check_failed() const;

    /// Waits under the lock until `done`, the limit or a stop.
    template <typename Done>
    outcome wait(std::unique_lock<std::mutex>& lock, std::optional<duration> limit, Done done);

    context& owner;
    const producer_options options;
    mutable std::mutex mutex;  // guards all that follows
    session_waiters waiters;
    producer_session session;
    spool_connection connection;
    std::shared_ptr<receipt::parts> batch_receipts;  // of the batch that gathers now
    std::unique_ptr<loop::member> member;            // last: its end stops the steps; receipts outlive it
};

/// What the receipts of one batch share.
struct receipt::parts {
    std::shared_ptr<batch_fate> fate;
    std::shared_ptr<producer::parts> from;
};

loop::next producer::parts::step() {
    const instant now = read_clocks();
    const std::lock_guard lock{mutex};
    if (connection.changed()) session.reconnected();
    do {
        connection.receive([&](std::string_view head, std::optional<shared_bytes>) {
            if (!session.link().up()) connection.forget_change();
            session.frame(head, now);
        });
        session.tick(now);
        connection.renew_if_stuck(now);
        connection.send(session.take_output(), session.link().up(), now);
    } while (connection.ready());
    session.take_settled();
    waiters.tell();
    const std::uint64_t due = session.next_due_ns();
    // A closed way out opens with an event, which `ready` has not taken; trying again at once would spin.
    const std::uint64_t soonest = now.monotonic_ns + (connection.waiting() ? 5'000'000 : 0);
    const auto at = steady_time{duration{static_cast<std::int64_t>(std::min<std::uint64_t>(
        std::max(due, soonest), static_cast<std::uint64_t>(steady_time::max().time_since_epoch().count())))}};
    return {at, connection.descriptor(), connection.monitor_descriptor()};
}

template <typename Done>
outcome producer::parts::wait(std::unique_lock<std::mutex>& lock, std::optional<duration> limit, Done done) {
    if (done()) return outcome::done;
    const steady_time until = limit ? std::chrono::steady_clock::now() + *limit : steady_time::max();
    while (!done()) {
        if (owner.stopped() || !member) return outcome::stopped;  // or what would settle it has ended
        if (until != steady_time::max() && std::chrono::steady_clock::now() >= until)
            return outcome::timed_out;
        waiters.wait(lock, owner.internals().shared_loop(), member.get(), until);
    }
    return outcome::done;
}

void producer::parts::check_failed() const {
    if (session.failed_code().empty()) return;
    throw error{errc_of(session.failed_code()),
                "stream '" + options.stream + "': " + session.failed_code() + ": " + session.failed_reason()};
}

template <typename Message>
receipt producer::parts::put(const Message& message) {
    std::unique_lock lock{mutex};
    check_failed();
    const auto room = [this] {
        return session.bytes_pending() < options.outbox_bytes || !session.failed_code().empty();
    };
    if (!room() && wait(lock, forever, room) == outcome::stopped)
        throw error{errc::stopped, "stopped while waiting for room in the outbox"};
    check_failed();
    const put_place& place = session.put(message, session.opens_batch(message) ? read_clocks() : instant{});
    if (!batch_receipts || batch_receipts->fate != place.fate) {
        batch_receipts = std::make_shared<receipt::parts>();
        batch_receipts->fate = place.fate;
        batch_receipts->from = shared_from_this();
    }
    receipt given;
    given.parts_ = batch_receipts;
    given.index_ = place.index;
    const bool idle = session.may_leave_alone();
    const bool wake = session.should_wake();
    lock.unlock();
    // Nothing is under way: it can go at once, and from here it goes soonest.
    if (idle)
        member->run();
    else if (wake)
        member->wake();
    return given;
}

std::optional<confirmation> receipt::wait(std::optional<duration> limit) const {
    if (!parts_) return std::nullopt;
    const batch_fate& batch = *parts_->fate;
    if (const auto offset = batch.plainly_stored(index_))
        return confirmation{put_outcome::stored, *offset, false, {}, {}};
    std::unique_lock lock{parts_->from->mutex};
    if (parts_->from->wait(lock, limit, [&] { return !batch.pending(index_); }) != outcome::done)
        return std::nullopt;
    const message_fate fate = batch.of(index_);
    if (fate.is == message_fate::state::stored)
        return confirmation{put_outcome::stored, fate.offset, fate.duplicate, {}, {}};
    std::string code = batch.code(index_);
    const bool full = code == protocol::code::full;
    return confirmation{full ? put_outcome::full : put_outcome::refused, 0, false, std::move(code),
                        batch.reason(index_)};
}

producer::producer(ferry::context& context, const ferry::endpoints& where, producer_options options) {
    if (!protocol::good_name(options.stream))
        throw error{errc::bad_argument, "bad stream name '" + options.stream +
                                            "': letters, digits, '.', '_' and '-', 1 to 128 of them"};
    check_one(where);
    if (options.outbox_bytes == 0)
        throw error{errc::bad_argument, "a producer's outbox holds at least 1 byte"};
    parts_ = std::make_shared<parts>(context, where, std::move(options));
    parts_->member = context.internals().shared_loop().add([parts = parts_.get()] { return parts->step(); });
}

producer::~producer() {
    if (!parts_) return;
    flush(parts_->options.linger);
    std::unique_ptr<loop::member> last;  // ends without the lock, which its step takes
    const std::lock_guard lock{parts_->mutex};
    last = std::move(parts_->member);
    parts_->batch_receipts.reset();
    parts_->waiters.tell();
}

producer::producer(producer&&) noexcept = default;
producer& producer::operator=(producer&& other) noexcept {
    const producer gone{std::move(*this)};  // ends as any other
    parts_ = std::move(other.parts_);
    return *this;
}

receipt producer::put(std::string_view body) {
    return parts_->put(body);
}
receipt producer::put(const message& message) {
    return parts_->put(message);
}

outcome producer::flush(std::optional<duration> limit) {
    std::unique_lock lock{parts_->mutex};
    parts_->session.flush();
    parts_->member->wake();
    return parts_->wait(lock, limit, [this] { return parts_->session.idle(); });
}

bool producer::connected() const {
    const std::lock_guard lock{parts_->mutex};
    return parts_->session.link().up();
}

outcome producer::wait_for_spool(std::optional<duration> limit) {
    std::unique_lock lock{parts_->mutex};
    const outcome how = parts_->wait(
        lock, limit, [this] { return parts_->session.opened() || !parts_->session.failed_code().empty(); });
    parts_->check_failed();
    return how;
}

producer_stats producer::stats() const {
    const std::lock_guard lock{parts_->mutex};
    const put_counts& counts = parts_->session.counts();
    return {counts.confirmed, counts.duplicates, counts.refused,
            counts.put - counts.confirmed - counts.refused};
}

}  // namespace ferry
