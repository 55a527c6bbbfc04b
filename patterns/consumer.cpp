#include "ferry/consumer.hpp"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "core/batch.hpp"
#include "core/consumer_session.hpp"
#include "core/loop.hpp"
#include "core/wildcard.hpp"
#include "patterns/session_waiters.hpp"
#include "patterns/spool_connection.hpp"

namespace ferry {
namespace {

constexpr std::size_t commit_bytes_max = 8 << 20;

steady_time from_now(std::optional<duration> limit) {
    return limit ? std::chrono::steady_clock::now() + *limit : steady_time::max();
}

std::string as_lines(const std::vector<std::string>& entries) {
    std::string lines;
    for (const std::string& each : entries) {
        if (each.empty() || each.find('\n') != std::string::npos)
            throw error{errc::bad_argument, "what a filter names is one line, and not empty: '" + each + "'"};
        lines += (lines.empty() ? "" : "\n") + each;
    }
    return lines;
}

consumer_session_options session_options(const consumer_options& from) {
    consumer_session_options into;
    into.stream = from.stream;
    into.group = from.group;
    into.dead_of = from.dead_of;
    into.create = from.create;
    into.from = from.from;
    into.until = from.until;
    if (from.lease) into.lease_ms = static_cast<std::uint64_t>(from.lease->count());
    into.max_attempts = from.max_attempts;
    if (from.lease_max) into.lease_max_ms = static_cast<std::uint64_t>(from.lease_max->count());
    for (const std::chrono::milliseconds each : from.backoff)
        into.backoff_ms = (into.backoff_ms ? *into.backoff_ms + "," : "") + std::to_string(each.count());
    into.max_in_flight = from.max_in_flight;
    into.filter = as_lines(from.filter);
    into.filter_prefix = as_lines(from.filter_prefix);
    into.where = as_lines(from.where);
    into.single_active = from.single_active;
    into.ordered = from.ordered_by_key;
    into.client = from.name.empty()
                      ? std::string{program_invocation_short_name} + ':' + std::to_string(::getpid())
                      : from.name;
    into.credit_messages = from.credit;
    into.credit_bytes = from.credit_bytes;
    return into;
}

}  // namespace

struct delivery::origin {
    origin(context& context_of, const endpoints& where, consumer_options given)
        : owner{context_of},
          options{std::move(given)},
          session{session_options(options)},
          connection{context_of, where, options.socket} {}

    loop::next step();
    loop::next look();
    void tell();
    void check_failed() const;
    template <typename Done>
    outcome wait(std::unique_lock<std::mutex>& lock, steady_time deadline, Done done);
    void wait_once(std::unique_lock<std::mutex>& lock, steady_time until) {
        waiters.wait(lock, owner.internals().shared_loop(), member.get(), until);
    }

    context& owner;
    const consumer_options options;
    mutable std::mutex mutex;  // guards all that follows
    session_waiters waiters;
    consumer_session session;
    spool_connection connection;
    consumer_stats stats;
    settled_runs untold;  // what the callbacks are to be told
    std::unique_ptr<loop::member> member;
};

loop::next delivery::origin::look() {
    const instant now = read_clocks();
    const std::lock_guard lock{mutex};
    if (connection.changed()) session.reconnected();
    do {
        connection.receive([&](std::string_view head, std::optional<shared_bytes> body) {
            if (!session.link().up()) connection.forget_change();
            session.frame(head, std::move(body), now);
        });
        session.tick(now);
        connection.renew_if_stuck(now);
        connection.send(session.take_output(), session.link().up(), now);
    } while (connection.ready());
    const settled_runs settled = session.take_settled();
    for (const protocol::run& each : settled.done) stats.acked += each.count;
    for (const protocol::run& each : settled.dead) stats.dead += each.count;
    for (const protocol::run& each : settled.stale) stats.stale += each.count;
    for (const protocol::run& each : settled.gone) stats.gone += each.count;
    for (const protocol::run& each : settled.lost) stats.lost += each.count;
    stats.bad_frames = session.frames_bad();
    for (const auto& [callback, into, from] : {std::tuple{&options.on_lost, &untold.lost, &settled.lost},
                                               {&options.on_stale, &untold.stale, &settled.stale},
                                               {&options.on_gone, &untold.gone, &settled.gone}})
        if (*callback) into->insert(into->end(), from->begin(), from->end());
    waiters.tell();
    const std::uint64_t soonest = now.monotonic_ns + (connection.waiting() ? 5'000'000 : 0);
    const std::uint64_t latest = static_cast<std::uint64_t>(steady_time::max().time_since_epoch().count());
    const std::uint64_t due = std::min(std::max(session.next_due_ns(), soonest), latest);
    return {steady_time{duration{static_cast<std::int64_t>(due)}}, connection.descriptor(),
            connection.monitor_descriptor()};
}

void delivery::origin::tell() {
    settled_runs told;
    {
        const std::lock_guard lock{mutex};
        told = std::exchange(untold, {});
    }
    for (const auto& [callback, of] : {std::pair{&options.on_lost, &told.lost},
                                       {&options.on_stale, &told.stale},
                                       {&options.on_gone, &told.gone}})
        if (*callback)
            for (const protocol::run& each : *of) (*callback)(each.first, each.end() - 1);
}

// Callbacks are the loop thread's, whoever ran the step.
loop::next delivery::origin::step() {
    loop::next next = look();
    if (!options.on_change && !options.on_lost && !options.on_stale && !options.on_gone) return next;
    if (!owner.internals().shared_loop().on_own_thread()) {
        next.due = steady_time::min();
        return next;
    }
    if (options.on_change) options.on_change();
    tell();
    return next;
}

template <typename Done>
outcome delivery::origin::wait(std::unique_lock<std::mutex>& lock, steady_time deadline, Done done) {
    while (!done()) {
        if (owner.stopped() || !member) return outcome::stopped;  // or what would settle it has ended
        if (deadline != steady_time::max() && std::chrono::steady_clock::now() >= deadline)
            return outcome::timed_out;
        wait_once(lock, deadline);
    }
    return outcome::done;
}

void delivery::origin::check_failed() const {
    if (session.failed_code().empty()) return;
    throw error{errc_of(session.failed_code()),
                "stream '" + options.stream + "': " + session.failed_code() + ": " + session.failed_reason()};
}

consumer::consumer(ferry::context& context, const ferry::endpoints& where, consumer_options options) {
    for (const std::string& name : {options.stream, options.group.value_or("default")})
        if (!protocol::good_name(name))
            throw error{errc::bad_argument,
                        "bad name '" + name + "': letters, digits, '.', '_' and '-', 1 to 128 of them"};
    if (options.until && options.group)
        throw error{errc::bad_argument, "only a reader, without a group, has an end to read until"};
    const bool of_group = options.lease || options.max_attempts || options.lease_max ||
                          !options.backoff.empty() || options.max_in_flight || !options.filter.empty() ||
                          !options.filter_prefix.empty() || !options.where.empty() || options.single_active ||
                          options.ordered_by_key;
    if (of_group && !options.group)
        throw error{errc::bad_argument,
                    "a reader has no group: no lease, and nothing of what a group is told"};
    for (const std::string& each : options.filter) check_pattern(each);
    for (const auto* all : {&options.filter, &options.filter_prefix, &options.where})
        for (const std::string& each : *all)
            if (each.find('\n') != std::string::npos)
                throw error{errc::bad_argument, "what a group wants has no line end in it: '" + each + "'"};
    for (const std::string& each : options.where)
        if (each.find('=') == std::string::npos || each.starts_with('='))
            throw error{errc::bad_argument, "a header is named NAME=VALUE, not '" + each + "'"};
    if (options.credit == 0 || options.credit_bytes == 0)
        throw error{errc::bad_argument, "a consumer's credit is at least 1"};
    if (options.lease && *options.lease < std::chrono::milliseconds{1})
        throw error{errc::bad_argument, "a lease lasts at least 1 ms"};
    if (options.dead_of && options.group)
        throw error{errc::bad_argument, "dead letters are read without a group"};
    check_one(where);
    parts_ = std::make_shared<parts>(context, where, std::move(options));
    parts_->member = context.internals().shared_loop().add([parts = parts_.get()] { return parts->step(); });
}

consumer::~consumer() {
    if (!parts_) return;
    leave(parts_->options.linger);
    std::unique_ptr<loop::member> last;
    {
        const std::lock_guard lock{parts_->mutex};
        last = std::move(parts_->member);
        parts_->waiters.tell();
    }
    last.reset();
    parts_->tell();  // what a step brought that ran in another's place
}

consumer::consumer(consumer&&) noexcept = default;
consumer& consumer::operator=(consumer&& other) noexcept {
    const consumer gone{std::move(*this)};  // ends as any other
    parts_ = std::move(other.parts_);
    return *this;
}

std::optional<delivery> consumer::next(std::optional<duration> limit) {
    std::unique_lock lock{parts_->mutex};
    const auto ready = [this] {
        return parts_->session.has_next() || parts_->session.ended() || parts_->session.leaving() ||
               !parts_->session.failed_code().empty();
    };
    if (parts_->owner.stopped()) return std::nullopt;
    auto item = parts_->session.next(coarse_monotonic_ns());
    const steady_time deadline = item ? steady_time::max() : from_now(limit);
    while (!item) {  // what is at hand may turn out to be on lease no more
        if (parts_->wait(lock, deadline, ready) != outcome::done) return std::nullopt;
        if (!parts_->session.has_next()) parts_->check_failed();
        if (parts_->session.ended() || parts_->session.leaving()) return std::nullopt;
        item = parts_->session.next(coarse_monotonic_ns());
    }
    ++parts_->stats.received;
    if (item->attempt > 1) ++parts_->stats.redelivered;
    const bool drained = !parts_->session.has_next();
    lock.unlock();
    if (drained) parts_->member->wake();  // credit for more
    delivery given;
    given.from_ = parts_;
    given.bytes_ = std::move(item->keep.owner);
    given.what_ = {item->item.payload, item->item.topic.value_or(std::string_view{}),
                   item->item.all,     item->lease,
                   item->offset,       item->attempt,
                   item->wall_ns};
    given.settled_ = !parts_->options.group;
    return given;
}

struct commit_receipt::parts {
    std::shared_ptr<consumer::parts> from;
    std::shared_ptr<commit_fate> fate;
};

std::optional<commit_result> commit_receipt::wait(std::optional<duration> limit) const {
    if (!parts_) return std::nullopt;
    using state = commit_fate::state;
    const commit_fate& fate = *parts_->fate;
    std::unique_lock lock{parts_->from->mutex};
    if (parts_->from->wait(lock, from_now(limit), [&] { return fate.is != state::pending; }) != outcome::done)
        return std::nullopt;
    if (fate.is == state::committed) return commit_result{};
    if (fate.is == state::lost) return commit_result{commit_outcome::lost, {}, "the lease is over"};
    return commit_result{commit_outcome::refused, fate.code, fate.reason};
}

namespace {

// One batch for each stream, each in the order given.
std::vector<commit_output> as_batches(std::vector<output>&& outputs) {
    std::vector<commit_output> batches;
    for (const output& each : outputs) {
        if (!protocol::good_name(each.stream))
            throw error{errc::bad_argument, "bad stream name '" + each.stream +
                                                "': letters, digits, '.', '_' and '-', 1 to 128 of them"};
        auto found = std::ranges::find(batches, each.stream, &commit_output::stream);
        if (found == batches.end()) found = batches.insert(found, commit_output{each.stream, 0, {}});
        append_item(found->batch, each.content);
        ++found->count;
    }
    return batches;
}

}  // namespace

commit_receipt consumer::commit(delivery&& what, std::vector<output> outputs) {
    std::vector<commit_output> batches = as_batches(std::move(outputs));
    commit_receipt receipt;
    receipt.parts_ = std::make_shared<commit_receipt::parts>();
    receipt.parts_->from = parts_;
    std::unique_lock lock{parts_->mutex};
    const auto room = [this] {
        return parts_->session.commit_bytes() < commit_bytes_max || !parts_->session.failed_code().empty();
    };
    if (!room()) parts_->wait(lock, steady_time::max(), room);
    parts_->check_failed();
    delivery given{std::move(what)};  // now: a refusal leaves it to its owner
    receipt.parts_->fate =
        parts_->session.commit(given.what_.lease, given.what_.offset, std::move(batches), read_clocks());
    given.settled_ = true;
    lock.unlock();
    parts_->member->wake();
    return receipt;
}

bool consumer::at_end() const {
    const std::lock_guard lock{parts_->mutex};
    return parts_->session.ended();
}

outcome consumer::flush(std::optional<duration> limit) {
    std::unique_lock lock{parts_->mutex};
    parts_->member->wake();
    // Of a spool that refuses us no answer comes any more.
    const auto over = [this] {
        return parts_->session.all_answered() || !parts_->session.failed_code().empty();
    };
    const outcome how = parts_->wait(lock, from_now(limit), over);
    if (!parts_->session.all_answered()) parts_->check_failed();
    return how;
}

bool consumer::connected() const {
    const std::lock_guard lock{parts_->mutex};
    return parts_->session.link().up();
}

outcome consumer::wait_for_spool(std::optional<duration> limit) {
    std::unique_lock lock{parts_->mutex};
    const outcome how = parts_->wait(lock, from_now(limit), [this] {
        return parts_->session.joined() || !parts_->session.failed_code().empty();
    });
    parts_->check_failed();
    return how;
}

duration consumer::claim_wait_left() const {
    const std::lock_guard lock{parts_->mutex};
    const std::uint64_t until = parts_->session.claims_until_ns();
    const std::uint64_t now = read_clocks().monotonic_ns;
    return duration{until > now ? static_cast<std::int64_t>(until - now) : 0};
}

outcome consumer::leave(std::optional<duration> limit) {
    std::unique_lock lock{parts_->mutex};
    if (!parts_->session.failed_code().empty()) return outcome::done;
    const bool there = parts_->session.link().up();
    parts_->session.leave(read_clocks());
    parts_->member->wake();  // lets go who waits for a message
    if (!there) return outcome::done;
    // The context may be stopping: what was settled is still worth its answer, within the limit. Where there
    // is none a stop ends it, after `linger`, and a spool that is gone.
    const bool without_end = !limit;
    steady_time deadline = from_now(limit);
    const auto gone = [&] {
        return parts_->session.left() || !parts_->session.failed_code().empty() ||
               (without_end && !parts_->session.link().up());
    };
    while (!gone()) {
        if (deadline == steady_time::max() && parts_->owner.stopped())
            deadline = from_now(parts_->options.linger);
        if (deadline != steady_time::max() && std::chrono::steady_clock::now() >= deadline)
            return outcome::timed_out;
        parts_->wait_once(lock, deadline);
    }
    return outcome::done;
}

consumer_stats consumer::stats() const {
    const std::lock_guard lock{parts_->mutex};
    return parts_->stats;
}

delivery::delivery(delivery&& other) noexcept
    : from_{std::move(other.from_)},
      bytes_{std::move(other.bytes_)},
      what_{other.what_},
      settled_{std::exchange(other.settled_, true)} {}

delivery& delivery::operator=(delivery&& other) noexcept {
    const delivery gone{std::move(*this)};
    from_ = std::move(other.from_);
    bytes_ = std::move(other.bytes_);
    what_ = other.what_;
    settled_ = std::exchange(other.settled_, true);
    return *this;
}

delivery::~delivery() {
    if (!settled_) nack(std::nullopt, "dropped by the consumer");
}

bool delivery::lease_over() const {
    if (settled_) return false;
    const std::lock_guard lock{from_->mutex};
    return from_->session.lease_over(what_.lease, what_.offset);
}

message delivery::content() const {
    const auto item = batch_cursor{what_.item}.next();
    if (!item) return message{body()};
    return to_message(*item).value_or(message{body()});
}

// Settles once, under the lock, and has the loop send it.
template <typename Settle>
void delivery::settle(Settle how) {
    if (std::exchange(settled_, true)) return;
    {
        const std::lock_guard lock{from_->mutex};
        how(from_->session);
    }
    if (from_->member) from_->member->wake();
}

void delivery::ack() {
    settle([this](consumer_session& session) { session.ack(what_.lease, what_.offset); });
}

void delivery::nack(std::optional<std::chrono::milliseconds> delay, const std::string& reason) {
    const auto ms = delay ? std::optional{static_cast<std::uint64_t>(delay->count())} : std::nullopt;
    settle([&](consumer_session& session) { session.nack(what_.lease, what_.offset, ms, reason); });
}

void delivery::dead_letter(const std::string& reason) {
    settle([&](consumer_session& session) { session.dead_letter(what_.lease, what_.offset, reason); });
}

void delivery::release() {
    settle([this](consumer_session& session) { session.release(what_.lease, what_.offset); });
}

}  // namespace ferry
