#include "core/consumer_session.hpp"

#include <algorithm>

#include "core/log/checksum.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t resend_after_ns = 5'000'000'000;
constexpr std::size_t part_bytes_max = 64 << 20;

std::vector<run> as_runs(const run_set& set) {
    std::vector<run> runs;
    for (const auto& [first, end] : set.runs()) runs.push_back({first, end - first});
    return runs;
}

}  // namespace

consumer_session::consumer_session(consumer_session_options options)
    : options_{std::move(options)},
      link_{options_.client},
      credit_{options_.credit_messages, options_.credit_bytes} {}

void consumer_session::finished(const parcel& what) {
    if (what.channel != channel_) return;
    credit_.read(what.frame_bytes);
}

std::optional<delivered_item> consumer_session::next(std::uint64_t now_ns) {
    while (has_next() && options_.group && over(*parcels_.front().under, now_ns))
        lose(parcels_.front().lease, leases_.at(parcels_.front().lease), parcels_.front().under->open);
    if (!has_next()) return std::nullopt;
    parcel& from = parcels_.front();
    const delivered_run& within = from.runs[from.run_at];
    batch_cursor cursor{from.batch.view.substr(from.at)};
    const auto item = cursor.next();  // walked when it arrived: it is there
    delivered_item result{from.lease, within.offset + from.taken, within.attempt, within.wall_ns, *item,
                          from.batch};
    from.at += item->all.size();
    read_from_ = result.offset + 1;
    read_any_ = true;
    if (++from.taken == within.count) {
        ++from.run_at;
        from.taken = 0;
    }
    if (!options_.group) credit_.settled(1);
    if (from.run_at == from.runs.size()) {
        finished(from);
        parcels_.pop_front();
    }
    return result;
}

// Cuts a parcel to what its lease still holds.
void consumer_session::keep_held(parcel& what) {
    parcel kept{what.lease, what.under, what.channel, {}, 0, 0, what.frame_bytes, {}, 0};
    std::string items;
    batch_cursor cursor{what.batch.view.substr(what.at)};
    for (; what.run_at < what.runs.size(); ++what.run_at, what.taken = 0)
        for (; what.taken < what.runs[what.run_at].count; ++what.taken) {
            const auto item = cursor.next();
            delivered_run one = what.runs[what.run_at];
            one.offset += what.taken;
            one.count = 1;
            if (!what.under->open.contains(one.offset)) continue;
            items += item->all;
            delivered_run* const last = kept.runs.empty() ? nullptr : &kept.runs.back();
            if (last != nullptr && last->end() == one.offset && last->attempt == one.attempt &&
                last->wall_ns == one.wall_ns)
                ++last->count;
            else
                kept.runs.push_back(one);
        }
    kept.batch = shared_bytes::of(std::move(items));
    what = std::move(kept);
}

// The lease does not hold these any more. What was handed out of them is named, the rest is dropped.
void consumer_session::lose(std::uint64_t id, held_lease& from, run_set lost) {
    run_set handed_out;
    for (const auto& [first, end] : lost.runs())
        for (auto open = from.open.next_run(first); open && open->first < end;
             open = from.open.next_run(open->end()))
            handed_out.add({open->first, std::min(open->end(), end) - open->first});
    from.open.remove(handed_out);
    held_ -= handed_out.count();
    credit_.settled(handed_out.count());
    for (parcel& each : parcels_) {
        if (each.lease != id) continue;
        for (std::size_t i = each.run_at; i < each.runs.size(); ++i) {
            const std::uint64_t skip = i == each.run_at ? each.taken : 0;
            handed_out.remove(run{each.runs[i].offset + skip, each.runs[i].count - skip});
        }
        keep_held(each);
        if (each.runs.empty()) finished(each);
    }
    std::erase_if(parcels_, [](const parcel& each) { return each.runs.empty(); });
    for (const run& each : as_runs(handed_out)) settled_.lost.push_back(each);
}

// Nothing of it is ours, and nothing under it waits for an answer.
bool consumer_session::needless(std::uint64_t id, const held_lease& what) const {
    return what.empty() && !commits_.holds(id) && dead_.under(id).empty();
}

// False when the message was settled before, or dropped with its lease.
bool consumer_session::settle(std::uint64_t lease, std::uint64_t offset) {
    const auto found = leases_.find(lease);
    if (found == leases_.end() || !found->second.open.contains(offset)) return false;
    found->second.open.remove({offset, 1});
    --held_;
    credit_.settled(1);
    return true;
}

void consumer_session::ack(std::uint64_t lease, std::uint64_t offset) {
    if (!settle(lease, offset)) {
        settled_.stale.push_back({offset, 1});  // lost meanwhile
        return;
    }
    leases_[lease].to_ack.add({offset, 1});
    ++to_send_;
}

void consumer_session::nack(std::uint64_t lease, std::uint64_t offset, std::optional<std::uint64_t> delay_ms,
                            const std::string& reason) {
    if (!settle(lease, offset)) return;
    if (!joined_) return;  // the lease is let go: it ends by itself
    leases_[lease].nacked.add({offset, 1});
    ++unanswered_;
    out_.push_back({encode(protocol::nack{channel_, lease, {{offset, 1}}, delay_ms, reason}), std::nullopt});
}

void consumer_session::release(std::uint64_t lease, std::uint64_t offset) {
    if (settle(lease, offset) && joined_)
        out_.push_back({encode(protocol::release{channel_, lease, {{offset, 1}}}), std::nullopt});
}

void consumer_session::dead_letter(std::uint64_t lease, std::uint64_t offset, const std::string& reason) {
    if (settle(lease, offset))
        dead_.add(lease, offset, reason);
    else
        settled_.stale.push_back({offset, 1});  // lost meanwhile
}

std::shared_ptr<commit_fate> consumer_session::commit(std::uint64_t lease, std::uint64_t offset,
                                                      std::vector<commit_output> outputs, instant now) {
    if (settle(lease, offset)) return commits_.add(lease, offset, std::move(outputs), now.wall_ns);
    settled_.stale.push_back({offset, 1});  // lost meanwhile
    auto lost = std::make_shared<commit_fate>();
    lost->is = commit_fate::state::lost;
    return lost;
}

bool consumer_session::lease_over(std::uint64_t lease, std::uint64_t offset) const {
    const auto found = leases_.find(lease);
    return found == leases_.end() || !found->second.open.contains(offset);
}

void consumer_session::join() {
    ++channel_;
    joining_ = true;
    joined_ = false;
    header_map options{{"create", std::int64_t{options_.create}}};
    if (options_.from) options.emplace("from", *options_.from);
    if (!options_.group && read_any_) options.insert_or_assign("from", std::to_string(read_from_));
    if (!options_.group && options_.dead_of) options.emplace("dead_of", *options_.dead_of);
    if (options_.until) options.emplace("until", static_cast<std::int64_t>(*options_.until));
    if (options_.lease_ms) options.emplace("lease_ms", static_cast<std::int64_t>(*options_.lease_ms));
    if (options_.max_attempts)
        options.emplace("max_attempts", static_cast<std::int64_t>(*options_.max_attempts));
    if (options_.lease_max_ms)
        options.emplace("lease_max_ms", static_cast<std::int64_t>(*options_.lease_max_ms));
    if (options_.backoff_ms) options.emplace("backoff_ms", *options_.backoff_ms);
    if (options_.max_in_flight)
        options.emplace("max_in_flight", static_cast<std::int64_t>(*options_.max_in_flight));
    for (const auto& [name, lines] : {std::pair{"filter", &options_.filter},
                                      {"filter_prefix", &options_.filter_prefix},
                                      {"where", &options_.where}})
        if (!lines->empty()) options.emplace(name, *lines);
    if (options_.single_active) options.emplace("single_active", std::int64_t{1});
    if (options_.ordered) options.emplace("ordered", *options_.ordered ? "key" : "none");
    std::vector<claim> still_held;
    for (const auto& [id, each] : leases_) still_held.push_back(claim_of(id, each));
    out_.push_back({encode(protocol::join{channel_, options_.stream, options_.group, options, still_held}),
                    std::nullopt});
}

// What was settled and not answered is claimed too, so that it counts.
claim consumer_session::claim_of(std::uint64_t id, const held_lease& from) const {
    run_set all = from.open;
    all.add(from.to_ack);
    all.add(from.unanswered);
    all.add(commits_.under(id));
    all.add(dead_.under(id));
    return {id, as_runs(all)};
}

// Nothing can be settled before the next JOINED; then acks are sent again. A reader asks again from where it
// stands.
void consumer_session::rejoin_lost() {
    joined_ = joining_ = false;
    leave_token_ = 0;
    ended_ = false;
    commits_.unsend();
    dead_.unsend();
    parts_.clear();
    parts_seen_ = 0;
    for (auto& [id, each] : leases_) {
        each.to_ack.add(each.unanswered);
        to_send_ += each.unanswered.count();
        unanswered_ -= each.unanswered.count() + each.nacked.count();
        each.unanswered.clear();
        each.nacked.clear();
    }
    if (!options_.group) parcels_.clear();
}

void consumer_session::reconnected() {
    if (!link_.up()) return;
    link_.drop();
    rejoin_lost();
}

void consumer_session::joined(std::string_view head, instant now) {
    protocol::joined message;
    if (!decode(head, message) || message.channel != channel_ || !joining_) return;
    joining_ = false;
    joined_ = true;
    link_.opened();
    lease_ns_ = message.lease_ms * 1'000'000;
    link_.ping_every(message.ping_ms * 1'000'000);
    start_ = message.start;
    claims_until_ns_ = now.monotonic_ns + message.claim_wait_ms * 1'000'000;
    for (auto& [id, each] : leases_) {
        run_set lost = each.open;
        for (const claim& given : message.leases)
            if (given.lease == id) {
                each.renewed_ns = now.monotonic_ns;
                for (const run& back : given.runs) lost.remove(back);
            }
        lose(id, each, lost);
    }
    std::erase_if(leases_, [this](const auto& entry) { return needless(entry.first, entry.second); });
    frames_received_ = 0;
    credit_.joined(held_);
}

void consumer_session::deliver(std::string_view head, const shared_bytes& body, instant now) {
    protocol::deliver message;
    if (!decode(head, message) || message.channel != channel_ || !joined_) return;
    shared_bytes batch = body;
    if (parts_seen_ > 0) {
        parts_ += body.view;
        batch = shared_bytes::of(std::exchange(parts_, {}));
        parts_seen_ = 0;
    }
    if (message.lease != 0 && !delivered_.add(message.lease)) return;  // it came twice
    if (leaving_) return;  // LEAVE gives back what it does not count: to others, as to us it would come again
    ++frames_received_;
    credit_.received(body.view.size(), now.monotonic_ns);
    std::uint64_t claimed = 0;
    for (const delivered_run& each : message.runs) claimed += each.count;
    std::uint64_t items = 0;
    batch_cursor cursor{batch.view};
    while (cursor.next()) ++items;
    const bool sound = message.checksum_kind != 1 || log::crc32c(batch.view) == message.checksum;
    if (!cursor.good() || items != claimed || items == 0 || !sound) {
        ++frames_bad_;  // not handed out; its lease expires and it comes again
        credit_.settled(std::min(claimed, options_.credit_messages));
        return credit_.read(batch.view.size());
    }
    std::erase_if(message.runs, [](const delivered_run& each) { return each.count == 0; });
    const held_lease* under = nullptr;
    if (options_.group) {
        held_lease& lease = leases_[message.lease];
        lease.renewed_ns = now.monotonic_ns;
        for (const delivered_run& each : message.runs) lease.open.add({each.offset, each.count});
        held_ += items;
        under = &lease;
    }
    parcels_.push_back({message.lease, under, channel_, std::move(message.runs), 0, 0, batch.view.size(),
                        std::move(batch), 0});
}

void consumer_session::done(std::string_view head) {
    protocol::done message;
    if (!decode(head, message)) return;
    const auto found = leases_.find(message.lease);
    // That a lease is over is said of what is still held under it: whatever was sent has its own answer.
    if (message.stale == std::vector{everything})
        message.stale = found == leases_.end() ? std::vector<run>{} : as_runs(found->second.open);
    using state = commit_fate::state;
    for (const auto& [runs, as] : {std::pair{&message.runs, state::committed},
                                   {&message.already, state::committed},
                                   {&message.stale, state::lost},
                                   {&message.gone, state::lost}})
        for (const run& each : commits_.done(message.lease, *runs, as))
            (as == state::committed  ? settled_.done
             : runs == &message.gone ? settled_.gone
                                     : settled_.stale)
                .push_back(each);
    for (const auto& [runs, into] : {std::pair{&message.runs, &settled_.dead},
                                     {&message.already, &settled_.dead},
                                     {&message.stale, &settled_.stale},
                                     {&message.gone, &settled_.gone}})
        for (const run& each : dead_.answered(message.lease, *runs)) into->push_back(each);
    if (found == leases_.end()) return;
    held_lease& lease = found->second;
    const auto answered = [&](const std::vector<run>& runs, std::vector<run>& into) {
        for (const run& each : runs) {
            for (auto acked = lease.unanswered.next_run(each.first); acked && acked->first < each.end();
                 acked = lease.unanswered.next_run(acked->end()))
                into.push_back({acked->first, std::min(acked->end(), each.end()) - acked->first});
            unanswered_ -= lease.unanswered.count(each) + lease.nacked.count(each);
            lease.unanswered.remove(each);
            lease.nacked.remove(each);
        }
    };
    answered(message.runs, settled_.done);
    answered(message.already, settled_.done);
    answered(message.stale, settled_.stale);
    answered(message.gone, settled_.gone);
    // What we take for ours and the spool does not: the lease is over.
    run_set lost;
    for (const run& each : message.stale) lost.add(each);
    if (!lost.empty()) lose(message.lease, lease, lost);
    if (needless(message.lease, lease)) leases_.erase(found);
}

// What a commit could not do is not done: its message goes back.
void consumer_session::refused(std::string_view head, instant now) {
    protocol::refused message;
    if (!decode(head, message) || message.channel != channel_ || !joined_) return;
    for (const auto& [lease, offset, reason] : commits_.refused(message, now, !leaving_)) {
        if (leaving_) continue;  // LEAVE gives it back, at once
        leases_[lease].nacked.add({offset, 1});
        ++unanswered_;
        out_.push_back(
            {encode(protocol::nack{channel_, lease, {{offset, 1}}, std::nullopt, reason}), std::nullopt});
    }
}

void consumer_session::failed(std::string_view head) {
    protocol::error message;
    if (!decode(head, message) || message.channel != channel_) return;
    if (message.code == code::no_channel) {
        left_ = left_ || leave_token_ != 0;
        return left_ ? void() : rejoin_lost();
    }
    if (message.code == code::end) {
        ended_ = true;
        return;
    }
    failed_code_ = message.code;
    failed_reason_ = message.text;
    commits_.fail(message.code, message.text);
    joined_ = joining_ = false;
}

void consumer_session::frame(std::string_view head, std::optional<shared_bytes> body, instant now) {
    const spool_link::change heard = link_.frame(head, now);
    left_ = left_ || (leave_token_ != 0 && link_.last_pong() == leave_token_);
    switch (heard) {
        case spool_link::change::none:
            return;
        case spool_link::change::lost:
            rejoin_lost();
            return;
        case spool_link::change::up:
            rejoin_lost();
            if (failed_code_.empty()) join();
            return;
        case spool_link::change::not_mine:
            break;
    }
    switch (*kind_of(head)) {
        case kind::joined:
            joined(head, now);
            break;
        case kind::part: {
            protocol::part message;
            if (!decode(head, message) || message.channel != channel_ || !body) return;
            credit_.received(body->view.size(), now.monotonic_ns);
            if (message.index == 0) parts_.clear();
            if (parts_.size() + body->view.size() <= part_bytes_max) parts_ += body->view;
            parts_seen_ = message.index + 1;
            return;
        }
        case kind::deliver:
            deliver(head, body.value_or(shared_bytes{}), now);
            return;
        case kind::done:
            done(head);
            break;
        case kind::refused:
            refused(head, now);
            break;
        case kind::error:
            failed(head);
            break;
        default:
            return;
    }
    tick(now);
}

void consumer_session::give_credit() {
    if (!joined_ || leaving_) return;
    if (const auto more = credit_.worth_telling(held_ == 0 && parcels_.empty()))
        out_.push_back({encode(credit{channel_, more->messages, more->bytes, more->frames}), std::nullopt});
}

void consumer_session::send_settlements(instant now) {
    if (!joined_) return;
    for (auto& [id, each] : leases_) {
        const bool again = !each.unanswered.empty() && now.monotonic_ns >= each.sent_ns + resend_after_ns;
        if (each.to_ack.empty() && !again) continue;
        const std::vector<run> sending = as_runs(again ? each.unanswered : each.to_ack);
        for (const auto& [first, end] : each.to_ack.runs()) each.unanswered.add({first, end - first});
        unanswered_ += each.to_ack.count();
        to_send_ -= each.to_ack.count();
        each.to_ack.clear();
        each.sent_ns = now.monotonic_ns;
        out_.push_back({encode(protocol::ack{channel_, id, sending}), std::nullopt});
    }
}

void consumer_session::renew(instant now) {
    if (lease_ns_ == 0) return;
    std::vector<std::uint64_t> due;
    for (auto& [id, each] : leases_) {
        if (over(each, now.monotonic_ns)) lose(id, each, each.open);
        if (!joined_ || (each.open.empty() && !commits_.holds(id)) ||
            now.monotonic_ns < each.renewed_ns + lease_ns_ / 3)
            continue;
        each.renewed_ns = now.monotonic_ns;
        due.push_back(id);
    }
    if (!due.empty()) out_.push_back({encode(extend{channel_, due}), std::nullopt});
}

void consumer_session::leave(instant now) {
    if (leaving_) return;
    leaving_ = true;
    for (const parcel& each : parcels_) {
        const auto found = leases_.find(each.lease);
        if (found == leases_.end()) continue;
        std::vector<run> unseen;
        for (std::size_t i = each.run_at; i < each.runs.size(); ++i) {
            const std::uint64_t skip = i == each.run_at ? each.taken : 0;
            unseen.push_back({each.runs[i].offset + skip, each.runs[i].count - skip});
            held_ -= found->second.open.count(unseen.back());
            found->second.open.remove(unseen.back());
        }
        if (joined_) out_.push_back({encode(protocol::release{channel_, each.lease, unseen}), std::nullopt});
    }
    parcels_.clear();
    commits_.drop_delayed();
    tick(now);
}

void consumer_session::tick(instant now) {
    const bool waiting = !all_answered() || joining_ || leaving_;
    if (link_.tick(now, waiting, out_) == spool_link::change::lost) rejoin_lost();
    if (link_.up() && !joined_ && !joining_ && failed_code_.empty()) join();
    send_settlements(now);
    if (joined_) {
        commits_.send(channel_, now, out_);
        dead_.send(channel_, now, out_);
    }
    give_credit();
    renew(now);
    if (leaving_ && joined_ && all_answered() && leave_token_ == 0) {
        out_.push_back({encode(protocol::leave{channel_, frames_received_}), std::nullopt});
        leave_token_ = now.monotonic_ns;
        out_.push_back({encode(ping{leave_token_}), std::nullopt});
    }
}

std::uint64_t consumer_session::next_due_ns() const {
    std::uint64_t due = link_.next_due_ns(!all_answered() || joining_ || leaving_);
    if (joined_) due = std::min({due, commits_.next_due_ns(), dead_.next_due_ns()});
    for (const auto& [id, each] : leases_) {
        // Without a session there is nothing to renew, only an end to see.
        const std::uint64_t within_ns = joined_ ? lease_ns_ / 3 : lease_ns_;
        if (!each.open.empty() && lease_ns_ > 0) due = std::min(due, each.renewed_ns + within_ns);
        if (!each.unanswered.empty()) due = std::min(due, each.sent_ns + resend_after_ns);
    }
    return joined_ && to_send_ > 0 ? 0 : due;
}

}  // namespace ferry
