#include "core/producer_session.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include "core/batch.hpp"
#include "core/log/checksum.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t linger_ns = 200'000;
constexpr std::uint64_t resend_first_ns = 5'000'000'000;
constexpr std::uint64_t resend_most_ns = 60'000'000'000;
constexpr std::uint64_t after_split = 16;
constexpr std::uint64_t under_way_most = 8 << 20;  // no window is larger

// Refusals that say "not from there", not "not this": the session goes back and sends again.
bool goes_back(std::string_view reason) {
    return reason == code::out_of_order || reason == code::no_channel;
}

}  // namespace

producer_session::producer_session(producer_session_options options)
    : options_{std::move(options)},
      link_{options_.client},
      batch_limit_{options_.batch_bytes_max},
      flight_{under_way_most},
      resend_after_ns_{resend_first_ns} {}

producer_session::batch& producer_session::gather(std::size_t bytes, instant now) {
    if (gathering_.count > 0 && !has_room_for(bytes)) seal();
    if (gathering_.count == 0) {
        gathering_.since_ns = now.monotonic_ns;
        gathering_.time_ns = now.wall_ns;
    }
    return gathering_;
}

const put_place& producer_session::took(std::size_t size_before) {
    if (last_.fate != gathering_.fate) last_.fate = gathering_.fate;
    last_.index = gathering_.count++;
    bytes_pending_ += gathering_.bytes->size() - size_before;
    ++counts_.put;
    if (!failed_code_.empty()) fail(failed_code_, failed_reason_);
    return last_;
}

std::size_t producer_session::item_bytes_most(const message& next) {
    return item_bytes_max(next);
}

const put_place& producer_session::put(const message& message, instant now) {
    batch& into = gather(item_bytes_most(message), now);
    const std::size_t before = into.bytes->size();
    append_item(*into.bytes, message);
    return took(before);
}

const put_place& producer_session::put(std::string_view payload, instant now) {
    batch& into = gather(item_bytes_most(payload), now);
    const std::size_t before = into.bytes->size();
    append_payload(*into.bytes, payload);
    return took(before);
}

bool producer_session::should_wake() const noexcept {
    return gathering_.count == 1 || gathering_.bytes->size() >= batch_bytes_start;
}

void producer_session::seal() {
    gathering_.checksum = log::crc32c(*gathering_.bytes);
    unconfirmed_.push_back(std::exchange(gathering_, batch{}));
}

void producer_session::open_channel() {
    ++channel_;
    opening_ = true;
    opened_ = false;
    sent_ = 0;
    pieces_ = 0;
    header_map options{{"create", std::int64_t{options_.create}}};
    if (options_.grade) options.emplace("grade", static_cast<std::int64_t>(*options_.grade));
    if (!options_.dedup) options.emplace("dedup", std::int64_t{0});
    out_.push_back(
        {encode(protocol::open{channel_, options_.stream, options_.name, producer_id_, epoch_, options}),
         std::nullopt});
}

void producer_session::opened(std::string_view head, instant now) {
    protocol::opened message;
    if (!decode(head, message) || message.channel != channel_ || !opening_) return;
    // Somebody had the name meanwhile: what is put next could be taken for his.
    const bool replaced = options_.name && producer_id_ == message.producer_id && epoch_ != message.epoch;
    if (replaced) return fail(std::string{code::fenced}, "a newer run of this producer has taken over");
    opening_ = false;
    opened_ = true;
    link_.opened();
    producer_id_ = message.producer_id;
    epoch_ = message.epoch;
    previous_ = message.last_sequence;
    if (next_sequence_ == 0) next_sequence_ = message.last_sequence + 1;
    batches_sent_ = bytes_sent_ = 0;
    window_batches_ = message.window_batches;
    window_bytes_ = message.window_bytes;
    heed_window(window_bytes_);
    progress_ns_ = now.monotonic_ns;
}

void producer_session::settle(std::deque<batch>::iterator which) {
    bytes_pending_ -= which->bytes->size();
    const auto index = static_cast<std::size_t>(which - unconfirmed_.begin());
    unconfirmed_.erase(which);
    settled_ = true;
    if (index < sent_)
        --sent_;
    else if (index == sent_ && pieces_ > 0)
        open_channel();  // its first pieces stand before whatever comes next on this one
}

std::deque<producer_session::batch>::iterator producer_session::holder_of(std::uint64_t sequence) {
    return std::find_if(unconfirmed_.begin(), unconfirmed_.end(), [&](const batch& one) {
        return one.first != 0 && one.first <= sequence && sequence <= one.last();
    });
}

// The runs of a batch come in order, and together. What an earlier channel stored is stored: only its window
// means nothing any more.
void producer_session::stored(std::string_view head, instant now) {
    protocol::stored message;
    if (!decode(head, message)) return;
    if (message.channel == channel_ && opened_) {
        window_batches_ = std::max(window_batches_, message.window_batches);
        window_bytes_ = std::max(window_bytes_, message.window_bytes);
    }
    for (const stored_run& each : message.runs) {
        const auto which = holder_of(each.first);
        if (which == unconfirmed_.end() || each.first != which->first + which->settled ||
            each.count > which->count - which->settled)
            continue;
        which->fate->stored(which->index + which->settled, each.count, each.offset, each.duplicate);
        which->settled += each.count;
        if (message.channel == channel_) flight_.arrived(which->flown);
        counts_.confirmed += each.count;
        counts_.duplicates += each.duplicate ? each.count : 0;
        if (which->settled < which->count) continue;
        settle(which);
        if (one_at_a_time_ > 0) --one_at_a_time_;
        progress_ns_ = now.monotonic_ns;
        resend_after_ns_ = resend_first_ns;
    }
    std::uint64_t under_way = 0;
    for (std::size_t i = 0; i < sent_; ++i) under_way += unconfirmed_[i].bytes->size();
    heed_window(window_bytes_ + under_way - std::min(window_bytes_ + under_way, bytes_sent_));
}

// A spool that many share gives each a small window, and a batch that fills it is large enough: what a client
// may have under way is then small as well, not only what it is told.
void producer_session::heed_window(std::uint64_t bytes) {
    constexpr std::size_t smallest_batch_bytes = 4 << 10;
    if (!flight_.free()) bytes = std::min(bytes, flight_.limit() / 2);
    batch_limit_ = std::clamp<std::size_t>(bytes, std::min(smallest_batch_bytes, options_.batch_bytes_max),
                                           options_.batch_bytes_max);
}

void producer_session::refuse(batch& which, std::string_view why, std::string_view reason) {
    const std::uint64_t count = which.count - which.settled;
    which.fate->refused(which.index + which.settled, count, why, reason);
    counts_.refused += count;
}

// A batch that is too long for the room there is comes again in two. Of a stream that is full the first ones
// may fit still. What is wrong with one message is not held against the others: it is cut out.
void producer_session::refused(std::deque<batch>::iterator which, const protocol::refused& message) {
    const std::uint64_t first = which->first;
    if (message.code == code::split && message.fits > 0 && message.fits < which->count) {
        one_at_a_time_ = after_split;
        return cut(which, message.fits);
    }
    const bool of_one = message.code == code::too_large || message.code == code::unsupported;
    if (message.fits > 0 && message.fits < which->count) {
        cut(which, message.fits);
        if (of_one) return;
        which = std::next(holder_of(first));
    } else if (of_one && which->count > 1) {
        cut(which, 1);
        which = holder_of(first);
    }
    refuse(*which, message.code, message.reason);
    settle(which);
}

// Makes two batches of one: what was stored of neither may be cut anew.
void producer_session::cut(std::deque<batch>::iterator which, std::uint64_t count) {
    batch_cursor items{*which->bytes};
    std::size_t bytes = 0;
    for (std::uint64_t i = 0; i < count; ++i) bytes += items.next()->all.size();
    batch rest = *which;
    rest.first += count;
    rest.count -= count;
    rest.index += count;
    rest.bytes = std::make_shared<std::string>(which->bytes->substr(bytes));
    rest.checksum = log::crc32c(*rest.bytes);
    which->count = count;
    which->bytes = std::make_shared<std::string>(which->bytes->substr(0, bytes));
    which->checksum = log::crc32c(*which->bytes);
    unconfirmed_.insert(which + 1, std::move(rest));
}

void producer_session::refused(std::string_view head) {
    protocol::refused message;
    if (!decode(head, message) || message.channel != channel_ || !opened_) return;
    if (message.code == code::fenced) return fail(message.code, message.reason);
    if (!goes_back(message.code)) {
        auto which = holder_of(message.first);
        if (which != unconfirmed_.end() && which->first == message.first) {
            flight_.arrived(which->flown);
            refused(which, message);
        }
    }
    open_channel();  // what followed the refused one was refused with it
}

void producer_session::failed(std::string_view head) {
    protocol::error message;
    if (!decode(head, message) || message.channel != channel_) return;
    if (goes_back(message.code)) return open_channel();
    fail(message.code, message.text);
}

void producer_session::fail(std::string code, std::string reason) {
    failed_code_ = std::move(code);
    failed_reason_ = std::move(reason);
    opened_ = opening_ = false;
    if (gathering_.count > 0) unconfirmed_.push_back(std::exchange(gathering_, batch{}));
    for (batch& each : unconfirmed_) refuse(each, failed_code_, failed_reason_);
    unconfirmed_.clear();
    bytes_pending_ = 0;
    sent_ = 0;
    pieces_ = 0;
    settled_ = true;
}

void producer_session::frame(std::string_view head, instant now) {
    switch (link_.frame(head, now)) {
        case spool_link::change::none:
            if (flight_.ponged(link_.last_pong(), now.monotonic_ns)) {
                progress_ns_ = now.monotonic_ns;
                pump(now);
            }
            return;
        case spool_link::change::lost:
            opened_ = opening_ = false;
            return;
        case spool_link::change::up:
            flight_.restart();
            if (failed_code_.empty()) open_channel();
            return;
        case spool_link::change::not_mine:
            break;
    }
    switch (*kind_of(head)) {
        case kind::opened:
            opened(head, now);
            break;
        case kind::stored:
            stored(head, now);
            break;
        case kind::refused:
            refused(head);
            break;
        case kind::error:
            failed(head);
            break;
        default:
            return;
    }
    pump(now);
}

// Lets out as much of it as may be under way; true when that is all. A batch that is large for the line, or
// for a frame, goes in pieces.
bool producer_session::send(batch& next) {
    if (next.first == 0) {
        next.first = next_sequence_;
        next_sequence_ += next.count;
    }
    if (pieces_ == 0)
        piece_bytes_ = flight_.free() ? ferry::batch_bytes_max
                                      : std::min<std::size_t>(ferry::batch_bytes_max, flight_.limit() / 2);
    std::string_view rest = std::string_view{*next.bytes}.substr(pieces_ * piece_bytes_);
    const std::uint64_t pieces = (next.bytes->size() + piece_bytes_ - 1) / piece_bytes_;
    for (; pieces_ + 1 < pieces; ++pieces_, rest.remove_prefix(piece_bytes_)) {
        if (!flight_.room_for(piece_bytes_)) return false;
        flight_.sent(piece_bytes_);
        out_.push_back({encode(part{channel_, pieces_, pieces - 1}),
                        shared_bytes{next.bytes, rest.substr(0, piece_bytes_)}});
    }
    if (!flight_.room_for(rest.size())) return false;
    next.flown = flight_.sent(rest.size());
    pieces_ = 0;
    // What the spool already has is answered as a duplicate, whatever it names as its predecessor.
    const bool known = next.last() <= previous_;
    const std::uint64_t previous = known ? next.first - 1 : previous_;
    out_.push_back({encode(protocol::put{channel_, previous, next.first, next.count,
                                         static_cast<std::uint64_t>(checksum_kind::crc32c), next.checksum,
                                         next.time_ns}),
                    shared_bytes{next.bytes, rest}});
    if (!known) previous_ = next.last();
    ++batches_sent_;
    bytes_sent_ += next.bytes->size();
    ++sent_;
    return true;
}

// Into the window. A batch larger than the window may go when nothing else is under way.
bool producer_session::fits(std::size_t bytes) const {
    if (one_at_a_time_ > 0 && sent_ > 0) return false;
    return batches_sent_ < window_batches_ && (sent_ == 0 || bytes_sent_ + bytes <= window_bytes_);
}

// What cannot go anyway goes on gathering. Of what is large its first piece goes.
bool producer_session::gathered_may_go() const {
    const std::size_t bytes = gathering_.bytes->size();
    return opened_ && gathering_.count > 0 && fits(bytes) &&
           flight_.room_for(std::min<std::uint64_t>(bytes, flight_.limit() / 2));
}

void producer_session::pump(instant now) {
    let_out(now);
    if (opened_ && flight_.wants_ping())
        out_.push_back({encode(ping{flight_.pinged(now.monotonic_ns)}), std::nullopt});
}

void producer_session::let_out(instant now) {
    while (opened_) {
        if (sent_ < unconfirmed_.size()) {
            batch& next = unconfirmed_[sent_];
            if (!fits(next.bytes->size())) return;
            if (sent_ == 0 && pieces_ == 0) progress_ns_ = now.monotonic_ns;
            if (!send(next)) return;
            continue;
        }
        const bool old = now.monotonic_ns >= gathering_.since_ns + linger_ns;
        const bool leaves =
            flush_ || old || unconfirmed_.empty() || gathering_.bytes->size() >= batch_bytes_start;
        if (!leaves || !gathered_may_go()) break;
        seal();
    }
    if (gathering_.count == 0) flush_ = false;
}

void producer_session::reconnected() {
    if (!link_.up()) return;
    link_.drop();
    opened_ = opening_ = false;
}

void producer_session::tick(instant now) {
    const bool waiting = !idle() || opening_;
    if (link_.tick(now, waiting, out_) == spool_link::change::lost) opened_ = opening_ = false;
    if (under_way() && now.monotonic_ns >= progress_ns_ + resend_after_ns_) {
        resend_after_ns_ = std::min(2 * resend_after_ns_, resend_most_ns);
        flight_.restart();
        open_channel();
    }
    pump(now);
}

std::uint64_t producer_session::next_due_ns() const {
    std::uint64_t due = link_.next_due_ns(!idle() || opening_);
    if (under_way()) due = std::min(due, progress_ns_ + resend_after_ns_);
    if (sent_ == unconfirmed_.size() && gathered_may_go())
        due = std::min(due, gathering_.since_ns + linger_ns);
    return due;
}

}  // namespace ferry
