#include "devices/spool/journal.hpp"

#include <algorithm>
#include <cassert>

namespace ferry {
namespace {

constexpr std::uint64_t snapshot_every_bytes = 64 << 20;
constexpr std::uint64_t usual_share = 2;  // of a segment
constexpr std::uint64_t hurried_share = 4;
constexpr std::uint64_t watermark_after_ns = 10'000'000;
constexpr std::size_t run_bytes_max = 1 + 9 + 9;  // as it is packed

}  // namespace

void journal::append(outgoing_record record, instant now) {
    if (record.type != log::record_type::acks) flush_acks(now);
    last_wall_ns_ = std::max(last_wall_ns_, now.wall_ns);
    record.wall_ns = last_wall_ns_;
    const std::size_t bytes = record.head.size() + record.body.view.size();
    const log::record_header header{.type = record.type,
                                    .flags = record.flags,
                                    .stream = record.stream,
                                    .first_offset = record.first_offset,
                                    .count = record.count,
                                    .wall_ns = record.wall_ns,
                                    .length = static_cast<std::uint32_t>(bytes)};
    [[maybe_unused]] const bool good = state_.apply(header, record.head, now);
    assert(good);
    ++records_;
    bytes_ += log::record_bytes(bytes);
    turn_.records.push_back(std::move(record));
}

void journal::acked(std::uint32_t stream, std::uint32_t group, run acked) {
    acks_[{stream, group}].add(acked);
}

void journal::flush_acks(instant now) {
    if (acks_.empty()) return;
    records::acks record;
    const std::size_t runs_most = std::max<std::size_t>(1, split_bytes() / run_bytes_max);
    std::size_t runs_in = 0;
    const auto acked = std::exchange(acks_, {});
    for (const auto& [where, runs] : acked) {
        record.groups.push_back({where.first, where.second, {}});
        for (const auto& [first, end] : runs.runs()) {
            if (runs_in == runs_most) {
                append(log::record_type::acks, std::exchange(record, {{{where.first, where.second, {}}}}),
                       now);
                runs_in = 0;
            }
            record.groups.back().runs.push_back({first, end - first});
            ++runs_in;
        }
    }
    append(log::record_type::acks, record, now);
}

void journal::when(protocol::grade grade, std::function<void()> then) {
    waits_ = true;
    if (grade == protocol::grade::queued)
        then();
    else
        (grade == protocol::grade::written ? for_written_ : for_synced_)
            .push_back({turn_.ticket, std::move(then)});
}

void journal::sync_soon(instant now, std::uint64_t within_ns) {
    sync_due_ns_ = std::min(sync_due_ns_, now.monotonic_ns + within_ns);
}

// A segment leaves with the second snapshot behind it, so half of one keeps what waits for that small. But
// writing states must not become most of what is written.
std::uint64_t journal::snapshot_every() const {
    const std::uint64_t share = segment_bytes_ / (hurry_ ? hurried_share : usual_share);
    return std::max(std::min(snapshot_every_bytes, share), snapshot_bytes_);
}

std::optional<append_action> journal::close_turn(instant now) {
    if (failed_) return std::nullopt;
    flush_acks(now);
    if (bytes_ - bytes_at_snapshot_ >= snapshot_every()) snapshot_wanted_ = true;
    if (turn_.records.empty() && !waits_ && !sync_wanted_ && !snapshot_wanted_) return std::nullopt;
    if (snapshot_wanted_) {
        turn_.snapshot = state_.save(std::nullopt, now);
        snapshot_bytes_ = turn_.snapshot->size();
        bytes_at_snapshot_ = bytes_;
    }
    turn_.sync = sync_wanted_ || snapshot_wanted_;
    if (turn_.sync) sync_due_ns_ = never;
    std::uint64_t bytes = 0;
    bool only_watermark = true;
    for (const outgoing_record& each : turn_.records) {
        bytes += each.head.size() + each.body.view.size();
        only_watermark = only_watermark && each.type == log::record_type::watermark;
    }
    if (!turn_.records.empty())
        watermark_due_ns_ = only_watermark ? never : now.monotonic_ns + watermark_after_ns;
    unwritten_.push_back({turn_.ticket, bytes, bytes_});
    bytes_unwritten_ += bytes;
    append_action closed = std::move(turn_);
    turn_ = {.ticket = closed.ticket + 1, .records = {}, .snapshot = {}, .sync = false};
    sync_wanted_ = snapshot_wanted_ = waits_ = false;
    return closed;
}

std::optional<append_action> journal::last_turn(std::uint64_t incarnation, instant now) {
    if (failed_) return std::nullopt;
    flush_acks(now);
    append({.type = log::record_type::watermark}, now);
    turn_.snapshot = state_.save(incarnation, now);
    turn_.sync = true;
    return std::move(turn_);
}

void journal::run_up_to(std::deque<waiting>& queue, std::uint64_t ticket) {
    while (!queue.empty() && queue.front().ticket <= ticket) {
        const std::function<void()> then = std::move(queue.front().then);
        queue.pop_front();
        then();
    }
}

void journal::appended(std::uint64_t ticket) {
    assert(ticket >= last_appended_);
    last_appended_ = ticket;
    while (!unwritten_.empty() && unwritten_.front().ticket <= ticket) {
        bytes_unwritten_ -= unwritten_.front().bytes;
        bytes_written_ = unwritten_.front().end;
        unwritten_.pop_front();
    }
    run_up_to(for_written_, ticket);
}

void journal::durable(std::uint64_t ticket) {
    assert(ticket <= last_appended_ && ticket >= last_durable_);
    last_durable_ = ticket;
    run_up_to(for_synced_, ticket);
}

void journal::fail() noexcept {
    failed_ = true;
    for_written_.clear();
    for_synced_.clear();
    acks_.clear();
    turn_.records.clear();
    sync_due_ns_ = watermark_due_ns_ = never;
}

std::uint64_t journal::next_due_ns() const {
    return std::min(sync_due_ns_, watermark_due_ns_);
}

void journal::tick(instant now) {
    if (failed_) return;
    if (now.monotonic_ns >= sync_due_ns_) sync_now();
    // Everything before is synced by then or with it: rot in the last batch is not taken for a torn tail.
    if (now.monotonic_ns >= watermark_due_ns_) {
        append({.type = log::record_type::watermark}, now);
        sync_now();
    }
}

}  // namespace ferry
