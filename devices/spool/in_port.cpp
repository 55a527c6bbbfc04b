#include "devices/spool/in_port.hpp"

#include <algorithm>
#include <array>

#include "core/batch.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr int reads_per_step = 1000;
constexpr std::uint64_t retry_after_ns = 200'000'000;
// What a kill takes with it is small where the peers can wait, and bursts are taken in where they cannot.
constexpr std::size_t pull_bytes_max = 1 << 20;
constexpr std::size_t sub_bytes_max = 4 << 20;

producer_session_options session_for(const raw_port_stats& port) {
    producer_session_options options;
    options.stream = port.stream;
    options.client = "port " + std::string{name_of(port.kind)} + ' ' + port.endpoint;
    return options;
}

// Refusals that no waiting will change.
bool is_for_good(std::string_view reason) {
    constexpr std::array<std::string_view, 4> all = {code::too_large, code::unsupported, code::bad_option,
                                                     code::bad_frame};
    return std::find(all.begin(), all.end(), reason) != all.end();
}

// A frame that looks like an envelope's header and is none is kept as it is, like any foreign frame.
message stored_form(std::vector<frame>& frames) {
    const bool enveloped = frames.size() > 2 && frames[1].view().starts_with(envelope_magic);
    if (!enveloped || decode_header(frames[1].view()).good) return from_frames(frames).content;
    message plain{std::move(frames.front()), std::move(frames.back())};
    for (std::size_t i = 1; i + 1 < frames.size(); ++i) plain.add_frame(std::move(frames[i]));
    return plain;
}

std::size_t bytes_kept(const message& one) {
    return item_bytes_max(one) + sizeof one;
}

}  // namespace

in_port::in_port(context& owner, const raw_port& what, listener note)
    : socket_{owner, what},
      note_{std::move(note)},
      kept_bytes_max_{what.kind == raw_port_kind::in_pull ? pull_bytes_max : sub_bytes_max} {
    counts_.kind = what.kind;
    counts_.stream = what.stream;
    counts_.endpoint = socket_.address();
    session_.emplace(session_for(counts_));
}

void in_port::say(const std::string& text) const {
    note_("port " + std::string{name_of(counts_.kind)} + ' ' + counts_.endpoint + ": " + text);
}

bool in_port::step(const port_turn& turn) {
    settle(turn.now);
    const bool more = turn.may_read && read();
    put(turn.now);
    session_->tick(turn.now);
    return more;
}

void in_port::frame(const std::string& head, const std::optional<shared_bytes>&, instant now) {
    session_->frame(head, now);
}

bool in_port::read() {
    for (int i = 0; i < reads_per_step && (reads() || batch_.left() > 0); ++i) {
        if (batch_.left() > 0) {
            if (!take_of_batch()) return false;
            continue;
        }
        if (!socket_.receive(frames_)) {
            if (last_reads_) last_reads_ = 0;
            return reads() && socket_.readable();
        }
        if (last_reads_) --*last_reads_;
        const bool batch = envelope_batch::is_one(frames_) && batch_.open(frames_) == nullptr;
        if (!batch) keep(stored_form(frames_));
    }
    return reads() || batch_.left() > 0;
}

// As much of it as there is room for; false when there is none.
bool in_port::take_of_batch() {
    while (batch_.left() > 0 && kept_bytes_ < kept_bytes_max_) {
        std::optional<message> next = batch_.next();
        if (next) {
            keep(std::move(*next));
            continue;
        }
        const std::uint64_t spoiled = batch_.drop();
        counts_.received += spoiled;
        counts_.lost += spoiled - 1;
        throw_away(std::string{code::bad_frame}, "a batch is cut short");
    }
    return batch_.left() == 0;
}

void in_port::keep(message one) {
    ++counts_.received;
    kept_bytes_ += bytes_kept(one);
    kept_.push_back(std::move(one));
}

void in_port::put(instant now) {
    if (now.monotonic_ns < retry_at_ns_) return;
    retry_at_ns_ = 0;
    if (!session_->failed_code().empty()) session_.emplace(session_for(counts_));
    if (fate_) return;
    std::size_t room = session_->batch_limit();  // one batch has one fate
    while (under_way_ < kept_.size()) {
        const message& next = kept_[under_way_];
        const std::size_t bytes = item_bytes_max(next);
        if (under_way_ > 0 && bytes > room) break;
        fate_ = session_->put(next, now).fate;
        ++under_way_;
        room -= std::min(room, bytes);
    }
    session_->flush();
}

void in_port::settle(instant now) {
    if (fate_ && fate_->settled() == under_way_) settle(*std::exchange(fate_, nullptr), now);
    if (!session_->failed_code().empty() && retry_at_ns_ == 0)
        wait_for(session_->failed_code(), session_->failed_reason(), now);
}

// What was stored leaves, and what can never be; the rest is tried again.
void in_port::settle(const batch_fate& batch, instant now) {
    const std::size_t count = std::exchange(under_way_, 0);
    std::size_t again = 0;  // stand in front, in order
    std::string code, reason;
    for (std::size_t i = 0; i < count; ++i) {
        const bool stored = batch.of(i).is == message_fate::state::stored;
        if (stored) {
            ++counts_.stored;
        } else if (is_for_good(batch.code(i))) {
            throw_away(batch.code(i), batch.reason(i));
        } else {
            code = batch.code(i);
            reason = batch.reason(i);
            ++again;
            continue;
        }
        kept_bytes_ -= bytes_kept(kept_[again]);
        kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(again));
    }
    if (again > 0) return wait_for(code, reason, now);
    if (!counts_.waits_for.empty()) say("stream '" + counts_.stream + "' takes messages again");
    counts_.waits_for.clear();
}

void in_port::throw_away(const std::string& code, const std::string& reason) {
    ++counts_.lost;
    if (std::exchange(thrown_away_, code) != code)
        say("a message for stream '" + counts_.stream + "' can never be stored and is thrown away: " + code +
            ": " + reason);
}

void in_port::wait_for(const std::string& code, const std::string& reason, instant now) {
    retry_at_ns_ = now.monotonic_ns + retry_after_ns;
    if (std::exchange(counts_.waits_for, code) == code) return;
    say("stream '" + counts_.stream + "' takes no message now: " + code + ": " + reason +
        "; what was read is kept and tried again");
}

void in_port::give_up() {
    const std::uint64_t of_batch = batch_.drop();
    counts_.received += of_batch;
    const std::uint64_t lost = kept_.size() + of_batch;
    if (lost == 0) return;
    counts_.lost += lost;
    say(std::to_string(lost) + " messages were read and are not stored: the spool ends");
    kept_.clear();
}

std::uint64_t in_port::next_due_ns() const {
    const std::uint64_t due = session_->next_due_ns();
    return retry_at_ns_ == 0 ? due : std::min(due, retry_at_ns_);
}

}  // namespace ferry
