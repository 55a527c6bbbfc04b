#include "devices/spool/out_port.hpp"

#include <algorithm>

#include "core/batch.hpp"
#include "core/envelope.hpp"
#include "ferry/error.hpp"

namespace ferry {
namespace {

constexpr int sends_per_step = 1000;
constexpr std::uint64_t retry_after_ns = 200'000'000;
// A full XPUB says that it can be written to, and wakes nobody when it really can.
constexpr std::uint64_t send_again_ns = 5'000'000;

consumer_session_options session_for(const raw_port_stats& port) {
    consumer_session_options options;
    options.stream = port.stream;
    options.group = std::string{name_of(port.kind)};
    options.client = "port " + *options.group + ' ' + port.endpoint;
    options.credit_messages = 2000;
    options.credit_bytes = 1 << 20;
    return options;
}

}  // namespace

out_port::out_port(context& owner, const raw_port& what, listener note)
    : socket_{owner, what}, note_{std::move(note)} {
    counts_.kind = what.kind;
    counts_.stream = what.stream;
    counts_.endpoint = socket_.address();
    session_.emplace(session_for(counts_));
}

void out_port::say(const std::string& text) const {
    note_("port " + std::string{name_of(counts_.kind)} + ' ' + counts_.endpoint + ": " + text);
}

bool out_port::step(const port_turn& turn) {
    const instant now = turn.now;
    const bool somebody = socket_.anybody();
    // Asked for its events a socket takes in what happened; unasked its descriptor would stay readable.
    static_cast<void>(socket_.writable());
    started_ = started_ || (turn.may_join && !leaving_);
    if (!started_) return false;
    renew_if_failed(now);
    bool more = false;
    for (int i = 0; i < sends_per_step && somebody && !leaving_; ++i) {
        more = take_next(now) && send(now);
        if (!more) break;
    }
    if (next_ && retry_at_ns_ == 0 && somebody && !leaving_) more = socket_.writable();
    session_->tick(now);
    look_after_leases();
    return more;
}

void out_port::frame(const std::string& head, const std::optional<shared_bytes>& body, instant now) {
    session_->frame(head, body, now);
}

// True when there is a message to send.
bool out_port::take_next(instant now) {
    while (!next_) {
        const auto item = session_->next(now.monotonic_ns);
        if (!item) return false;
        message content = to_message(item->item).value_or(message{item->item.payload});
        try {
            next_.emplace(
                waiting{item->lease, item->offset, to_frames(std::move(content), envelope_mode::automatic)});
        } catch (const error& cannot) {
            session_->nack(item->lease, item->offset, std::nullopt, cannot.what());
        }
    }
    return true;
}

bool out_port::send(instant now) {
    retry_at_ns_ = 0;
    if (!socket_.send(next_->frames)) {
        if (counts_.kind == raw_port_kind::out_pub) retry_at_ns_ = now.monotonic_ns + send_again_ns;
        return false;
    }
    ++counts_.sent;
    session_->ack(next_->lease, next_->offset);
    next_.reset();
    return true;
}

// A message whose lease ended while no peer took it comes again; sent now it would come twice.
void out_port::look_after_leases() {
    const settled_runs settled = session_->take_settled();
    for (const protocol::run& each : settled.lost)
        if (next_ && next_->offset >= each.first && next_->offset < each.end()) next_.reset();
}

void out_port::renew_if_failed(instant now) {
    if (session_->failed_code().empty()) {
        if (session_->joined()) counts_.waits_for.clear();
        return;
    }
    if (std::exchange(counts_.waits_for, session_->failed_code()) != session_->failed_code())
        say("stream '" + counts_.stream + "' gives out nothing now: " + session_->failed_code() + ": " +
            session_->failed_reason());
    next_.reset();
    if (retry_at_ns_ == 0) {
        retry_at_ns_ = now.monotonic_ns + retry_after_ns;
    } else if (now.monotonic_ns >= retry_at_ns_ && !leaving_) {
        retry_at_ns_ = 0;
        session_.emplace(session_for(counts_));
    }
}

void out_port::leave(instant now) {
    if (next_) session_->release(next_->lease, next_->offset);
    next_.reset();
    leaving_ = true;
    session_->leave(now);
}

std::uint64_t out_port::next_due_ns() const {
    if (!started_) return ~std::uint64_t{0};
    const std::uint64_t due = session_->next_due_ns();
    return retry_at_ns_ == 0 || leaving_ ? due : std::min(due, retry_at_ns_);
}

}  // namespace ferry
