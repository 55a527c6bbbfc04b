#include "devices/spool/cleaner.hpp"

#include <algorithm>
#include <utility>

#include "core/log/segment.hpp"
#include "devices/spool/cut.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::size_t cost_per_step = 2048;    // pieces to count or to search, in one turn
constexpr std::size_t read_bytes = 512 << 10;  // in one turn
constexpr std::size_t copy_bytes = 128 << 10;  // from here on what was cut is handed out
constexpr std::uint64_t offsets_per_find = 65'536;
constexpr std::uint64_t rest_per_step_ns = 20'000'000;  // a step takes about 1 ms: a twentieth of the time
constexpr std::uint64_t rest_ns_min = 10'000'000;
constexpr std::uint64_t move_pause_ns = 10 * second_ns;  // after one that failed
constexpr std::uint64_t disk_look_every_ns = second_ns;
constexpr std::uint64_t snapshot_pause_max_ns = 60 * second_ns;
// Of the 4 segments that are promised: from so many on it cleans, and from so many on it asks for snapshots
// that do not come by themselves.
constexpr std::uint64_t half_segments_clean = 4;
constexpr std::uint64_t half_segments_snapshot = 5;
constexpr std::size_t small_colds_max = 8;  // then they are joined

}  // namespace

void cleaner::rest(std::uint64_t for_ns, std::uint64_t at_least_ns) {
    stage_ = stage::resting;
    pending_.clear();
    pending_bytes_ = 0;
    soonest_ns_ = parts_.now.monotonic_ns + at_least_ns;
    next_look_ns_ = parts_.now.monotonic_ns + std::max(for_ns, at_least_ns);
}

// When little was written it takes its time; where segments are small a moment fills several.
bool cleaner::due() const {
    if (next_move_ns_ != 0 && parts_.now.monotonic_ns >= next_move_ns_) return true;
    if (parts_.journal.records() == records_seen_) return false;
    const bool much = parts_.journal.bytes() - bytes_seen_ >= half_segments(1);
    return parts_.now.monotonic_ns >= (much ? soonest_ns_ : next_look_ns_);
}

std::uint64_t cleaner::next_due_ns() const {
    if (!parts_.read_only_reason.empty()) return never;
    const std::uint64_t disk = parts_.disk_full ? next_disk_look_ns_ : never;
    if (stage_ == stage::counting || stage_ == stage::finding) return 0;
    if (stage_ != stage::resting) return disk;
    const std::uint64_t retry = next_move_ns_ != 0 ? next_move_ns_ : never;
    return std::min({disk, retry, parts_.journal.records() == records_seen_ ? never : next_look_ns_});
}

void cleaner::tick() {
    if (!parts_.read_only_reason.empty()) return;
    watch_the_disk();
    if (stage_ == stage::resting) {
        if (!due()) return;
        if (parts_.now.monotonic_ns >= next_move_ns_) next_move_ns_ = 0;
        records_seen_ = parts_.journal.records();
        bytes_seen_ = parts_.journal.bytes();
        stage_ = stage::looking;
        parts_.out.look = true;
    } else if (stage_ == stage::counting) {
        ++steps_;
        if (count_.step(parts_.state, cost_per_step)) counted();
    } else if (stage_ == stage::finding) {
        find_next();
    }
}

// A turn of nothing but a sync costs nothing where all is synced, and brings back how much room there is.
void cleaner::watch_the_disk() {
    if (!parts_.disk_full || parts_.now.monotonic_ns < next_disk_look_ns_) return;
    next_disk_look_ns_ = parts_.now.monotonic_ns + disk_look_every_ns;
    parts_.journal.sync_now();
}

void cleaner::held(log::holdings&& what) {
    if (stage_ != stage::looking) return;
    parts_.log_found.segments = what.sealed.size() + 1;
    parts_.log_found.cold_segments = static_cast<std::uint64_t>(
        std::ranges::count_if(what.sealed, [](const auto& each) { return log::is_cold(each.base); }));
    release_removed(what);
    // What is settled in this very turn is settled before the count.
    parts_.journal.flush_acks(parts_.now);
    count_.begin(std::move(what));
    steps_ = 0;
    stage_ = stage::counting;
}

// That a stream was removed the log was told by the run that removed it; it remembers nothing over a restart.
void cleaner::release_removed(const log::holdings& what) {
    std::set<std::uint32_t> gone;
    for (const log::held_segment& each : what.sealed)
        for (const log::stream_share& share : each.shares) {
            if (parts_.state.find(share.stream) != nullptr || !gone.insert(share.stream).second ||
                released_.contains(share.stream))
                continue;
            parts_.journal.sync_soon(parts_.now, 0);  // it may have been removed in this turn
            parts_.journal.when(grade::synced, [this, stream = share.stream] {
                parts_.out.releases.push_back({stream, never});
            });
        }
    released_ = std::move(gone);
}

std::uint64_t cleaner::half_segments(std::uint64_t count) const {
    return count * parts_.options.segment_bytes / 2;
}

void cleaner::counted() {
    parts_.log_found.log_bytes = count_.log();
    parts_.log_found.live_bytes = count_.live();
    const std::uint64_t twice = 2 * count_.live();
    // With only the reserve left there is no patience, and whatever may leave makes room, however much is
    // live.
    const bool full = parts_.disk_full;
    rest(parts_.options.clean_every_ns, std::max(rest_ns_min, steps_ * rest_per_step_ns));
    if (count_.leaving() > 0 && (full || count_.log() > twice + half_segments(half_segments_snapshot)))
        ask_for_snapshot();
    const std::uint64_t staying = count_.log() - count_.leaving();
    const std::uint64_t most = twice + (full ? 0 : half_segments(half_segments_clean));
    if (staying > most && next_move_ns_ == 0) choose_sources(staying - most);
    count_ = {};
}

// Snapshots let segments go; the second one those that end above the first. The record in front moves the
// place of this one above the place of the last.
void cleaner::ask_for_snapshot() {
    if (count_.leaving() != leaving_asked_) snapshot_pause_ns_ = 0;
    if (parts_.now.monotonic_ns < next_snapshot_ns_) {
        next_look_ns_ = std::max(next_look_ns_, next_snapshot_ns_);
        records_seen_ = never;  // then it looks again, whether anything was written or not
        return;
    }
    leaving_asked_ = count_.leaving();
    snapshot_pause_ns_ =
        std::clamp(2 * snapshot_pause_ns_, parts_.options.clean_every_ns, snapshot_pause_max_ns);
    next_snapshot_ns_ = parts_.now.monotonic_ns + snapshot_pause_ns_;
    parts_.journal.append({.type = log::record_type::watermark}, parts_.now);
    parts_.journal.want_snapshot();
}

void cleaner::snapshot_refused() {
    snapshot_pause_ns_ = 0;
    next_snapshot_ns_ = std::max(next_snapshot_ns_, parts_.now.monotonic_ns + second_ns);
}

// The emptiest first, until enough is free or what moves would fill a segment. A source gives back at least a
// quarter of itself.
void cleaner::choose_sources(std::uint64_t too_many) {
    std::vector<const live_bytes::segment*> emptiest;
    std::vector<const live_bytes::segment*> small;
    for (const live_bytes::segment& each : count_.segments()) {
        if (each.leaving || unreadable_.contains(each.held.base)) continue;
        if (each.live <= each.held.bytes / 4 * 3)
            emptiest.push_back(&each);
        else if (log::is_cold(each.held.base) && each.held.bytes < parts_.options.segment_bytes / 4)
            small.push_back(&each);
    }
    std::ranges::sort(emptiest, [](const auto* a, const auto* b) {
        return static_cast<double>(a->live) * static_cast<double>(b->held.bytes) <
               static_cast<double>(b->live) * static_cast<double>(a->held.bytes);
    });
    std::vector<const live_bytes::segment*> sources;
    std::uint64_t freed = 0;
    std::uint64_t moving = 0;
    for (const live_bytes::segment* each : emptiest) {
        if (freed >= too_many || (moving > 0 && moving + each->live > parts_.options.segment_bytes)) break;
        sources.push_back(each);
        freed += each->held.bytes - each->live;
        moving += each->live;
    }
    if (sources.empty()) return;
    if (small.size() >= small_colds_max)
        for (const live_bytes::segment* each : small)
            if (moving + each->live <= parts_.options.segment_bytes) {
                sources.push_back(each);
                moving += each->live;
            }
    begin_move(std::move(sources));
}

void cleaner::begin_move(std::vector<const live_bytes::segment*> sources) {
    sources_.clear();
    tasks_.clear();
    for (const live_bytes::segment* each : sources) {
        sources_.push_back(each->held.base);
        for (const log::stream_share& share : each->held.shares) tasks_.push_back({share, each->held.base});
    }
    std::ranges::sort(sources_);
    std::ranges::sort(tasks_, {}, [](const task& each) {
        return std::pair{each.share.stream, each.share.first_offset};
    });
    task_ = 0;
    offset_ = 0;
    moving_ = 0;
    stage_ = stage::finding;
}

// The next message to move, and a read for it and what follows.
void cleaner::find_next() {
    parts_.journal.flush_acks(parts_.now);
    for (std::size_t cost = 0; cost < cost_per_step && task_ < tasks_.size(); ++cost) {
        const log::stream_share& share = tasks_[task_].share;
        const stream* of = parts_.state.find(share.stream);
        offset_ = std::max({offset_, share.first_offset, of == nullptr ? never : of->first});
        if (offset_ >= share.end_offset) {
            ++task_;
            offset_ = 0;
            continue;
        }
        const std::uint64_t end = std::min(share.end_offset, offset_ + offsets_per_find);
        const auto kept = of->kept({offset_, end - offset_});
        cost += kept.pieces;
        const auto wanted = kept.offsets.next_run(offset_, end);
        offset_ = wanted ? wanted->first : end;
        if (!wanted) continue;
        // One message in many needs no more than its own record; a run of them comes in blocks.
        const std::uint64_t each = share.bytes / std::max<std::uint64_t>(share.messages, 1);
        const bool alone = kept.pieces == 1 && wanted->count * each < read_bytes / 8;
        cookie_ = parts_.next_cookie++;
        parts_.out.reads.push_back({cookie_, share.stream, offset_, alone ? 1 : read_bytes});
        stage_ = stage::reading;
        return;
    }
    if (task_ < tasks_.size()) return;
    if (!pending_.empty()) return copy_pending();
    // Whatever settled the others stands in this turn or before it, and so before the adoption.
    stage_ = stage::adopting;
    parts_.out.moves.push_back({move_action::step::adopt, {}, sources_});
}

void cleaner::copy_pending() {
    stage_ = stage::copying;
    parts_.out.moves.push_back({move_action::step::copy, std::exchange(pending_, {}), sources_});
    pending_bytes_ = 0;
}

bool cleaner::read_done(std::uint64_t cookie, const log::read_result& result) {
    if (stage_ != stage::reading || cookie != cookie_) return false;
    const task& at = tasks_[task_];
    const stream* of = parts_.state.find(at.share.stream);
    stage_ = stage::finding;
    if (of == nullptr) return true;
    parts_.journal.flush_acks(parts_.now);
    const std::uint64_t before = offset_;
    take_pieces(*of, at, result);
    if (offset_ == before && of->kept({offset_, 1}).offsets.contains(offset_)) {
        // It stays where it is, with the segment, for whoever comes to name the damage.
        unreadable_.insert(at.base);
        parts_.out.moves.push_back({move_action::step::abandon, {}, {}});
        records_seen_ = never;
        rest(0, rest_ns_min);
    } else if (pending_bytes_ >= copy_bytes) {
        copy_pending();
    }
    return true;
}

// Cuts what is needed out of what was read, up to the first that is needed and is not there.
void cleaner::take_pieces(const stream& of, const task& at, const log::read_result& result) {
    const std::uint64_t share_end = at.share.end_offset;
    for (const log::stored_record& each : result.records) {
        const std::uint64_t from = std::max(offset_, each.header.first_offset);
        const std::uint64_t end = std::min(each.header.first_offset + each.header.count, share_end);
        if (offset_ < from && !of.kept({offset_, std::min(from, share_end) - offset_}).offsets.empty())
            return;
        if (from >= end) return;
        auto pieces = cut(each, of.kept({from, end - from}).offsets);
        if (!pieces) return;
        for (outgoing_record& piece : *pieces) {
            moving_ += piece.count;
            pending_bytes_ += piece.head.size() + piece.body.view.size() + log::record_header_bytes;
            pending_.push_back(std::move(piece));
        }
        offset_ = end;
    }
}

void cleaner::moved(const std::string& problem) {
    if (stage_ != stage::copying && stage_ != stage::adopting) return;
    if (!problem.empty()) {
        next_move_ns_ = parts_.now.monotonic_ns + move_pause_ns;
        return rest(parts_.options.clean_every_ns, rest_ns_min);
    }
    if (stage_ == stage::copying) {
        stage_ = stage::finding;
        return;
    }
    parts_.counters.messages_moved += moving_;
    parts_.counters.segments_emptied += sources_.size();
    records_seen_ = never;  // the log has changed: look again
    rest(0, rest_ns_min);
}

}  // namespace ferry
