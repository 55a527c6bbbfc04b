#include "core/log/recovery.hpp"

#include <algorithm>
#include <utility>

#include "core/log/losses.hpp"
#include "core/log/quarantine.hpp"
#include "core/log/scan.hpp"
#include "core/log/seal.hpp"
#include "core/log/tail.hpp"

namespace ferry::log {
namespace {

constexpr std::size_t rewrite_buffer_bytes = 1 << 20;

// Segments begin at multiples of their first block, so that positions and file offsets align alike.
position next_base(position used_to) {
    return (used_to + segment_header_bytes - 1) / segment_header_bytes * segment_header_bytes;
}

// The finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t value) {
    value += 0x9E3779B97F4A7C15;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
    return value ^ (value >> 31);
}

}  // namespace

std::uint64_t nonce_from(std::uint64_t random, std::uint64_t spool_id, std::uint64_t owner_epoch,
                         std::uint64_t number) {
    return mix(mix(mix(random ^ mix(spool_id)) ^ owner_epoch) ^ mix(number));
}

recovery::recovery(storage& directory, spare_pool& spares, std::uint64_t random,
                   const replay_function& replay, const restore_function& restore)
    : directory_(directory), spares_(spares), random_(random), replay_(replay), restore_(restore) {}

recovered recovery::run() {
    seen_ = survey_directory(directory_);
    adopted_ = adopted_segments{seen_.newest};
    opening& found = result_.found;
    found.spool_id = seen_.spool_id != 0 ? seen_.spool_id : nonce_from(random_, 0, 0, 0) | 1;
    found.owner_epoch = seen_.owner_epoch + 1;
    found.damages = seen_.damages;
    found.notes = seen_.notes;
    for (const std::string& name : seen_.strangers)
        found.notes.push_back(name + " is not the log's: left alone");
    result_.snapshots = seen_.snapshots;
    restore_snapshot();
    tidy();
    set_aside();
    for (surveyed_segment& segment : seen_.segments) {
        const bool last = &segment == &seen_.segments.back() && !last_is_sealed();
        last ? recover_last(segment) : recover_sealed(segment);
    }
    start_new();
    replay_rewritten();
    seal_last();
    settle_cold();
    return std::move(result_);
}

void recovery::restore_snapshot() {
    if (!seen_.newest) return;
    // A state can be tens of megabytes: it is handed over and not kept.
    std::string state = std::move(seen_.newest->state);
    if (restore_)
        restore_(state);
    else
        result_.found.snapshot = std::move(state);
}

// Whether the segment that was being written is one of those that cannot be read: then all others are sealed.
bool recovery::last_is_sealed() const {
    const position last = seen_.segments.back().header.base;
    return std::ranges::any_of(
        seen_.bad_segments, [&](const std::string& name) { return segment_base(name).value_or(0) > last; });
}

void recovery::tidy() {
    for (const std::string& name : seen_.unfinished) {
        directory_.remove(name);
        result_.found.notes.push_back(name + " was never finished: removed");
    }
    for (const std::string& name : seen_.spares) {
        if (spares_.adopt(name)) continue;
        directory_.remove(name);
        result_.found.notes.push_back(name + " is no blank spare: removed");
    }
    // A snapshot whose name a power cut undoes must not have let anything go.
    if (!seen_.released.empty()) directory_.sync_directory();
    for (const std::string& name : seen_.released) {
        directory_.remove(name);
        result_.found.notes.push_back(name + " was released before the snapshot: removed");
    }
}

void recovery::set_aside() {
    for (const std::string& name : seen_.bad_snapshots) set_aside(name);
    for (const std::string& name : seen_.bad_segments) set_aside(name);
}

bool recovery::set_aside(const std::string& name) {
    if (quarantine_file(directory_, name)) return true;
    result_.found.notes.push_back(name + ": no room to move it aside, it stays where it is");
    return false;
}

void recovery::set_aside(const file& segment, position base, const damage& what) {
    if (!quarantine_bytes(directory_, segment, base, what))
        result_.found.notes.push_back(what.file + ": no room for a copy of the bytes that do not verify");
}

void recovery::report(const file& segment, position base, damage what) {
    set_aside(segment, base, what);
    result_.found.damages.push_back(std::move(what));
}

// Takes note of everything in the range and replays what lies above the snapshot. Returns where it ended.
position recovery::replay_range(const file& segment, const surveyed_segment& where, const range& what,
                                extent_table& extents) {
    const position snapshot_at = seen_.snapshot_at();
    record_scan scan{segment, where.header.nonce, where.header.base, what.from, what.to};
    losses lost{where.name, what.shares, what.from == where.header.records_from()};
    position end = what.from;
    while (const auto found = scan.next()) {
        if (found->zeros && where.end == 0) break;
        end = found->to;
        lost.met(*found);
        if (found->header) {
            // A record whose payload rotted keeps its place in the extents: whoever reads there is told.
            extents.add(*found->header, found->from, found->to);
            wall_ns_ = std::max(wall_ns_, found->header->wall_ns);
        }
        if (!found->record)
            set_aside(segment, where.header.base, as_damage(where.name, *found));
        else if (found->from >= snapshot_at && found->header->type != record_type::footer)
            take(*found->record);
    }
    for (damage& d : lost.finish()) result_.found.damages.push_back(std::move(d));
    return end;
}

void recovery::recover_sealed(surveyed_segment& segment) {
    const auto opened = directory_.open(segment.name, open_mode::write);
    const segment_header& header = segment.header;
    if (segment.end == 0) segment.end = sealed_end(*opened, header).value_or(0);
    segment_entry entry{.base = header.base, .end = segment.end, .nonce = header.nonce, .shares = {}};
    std::optional<footer> seal;
    if (segment.end != 0) seal = read_footer(*opened, header, segment.end);
    position from = header.records_from();
    if (seal) {
        entry.shares = shares_of(seal->extents);
        from = std::max(from, seen_.snapshot_at());
    }
    extent_table extents;
    const position to = segment.end != 0 ? segment.end : header.base + segment.file_bytes;
    const position scanned_to = replay_range(*opened, segment, {from, to, entry.shares}, extents);
    if (!seal) {
        if (segment.end == 0) entry.end = scanned_to;
        if (scanned_to < segment.end)
            report(*opened, header.base,
                   {.file = segment.name,
                    .from = scanned_to,
                    .to = segment.end,
                    .reason = "the file was cut short"});
        if (!segment.sealed_late)
            report(*opened, header.base,
                   {.file = segment.name,
                    .from = entry.end,
                    .to = header.base + segment.file_bytes,
                    .reason = "footer does not verify"});
        directory_.sync_directory();
        segment.file_bytes =
            seal_segment(*opened, header, entry.end, {extents.all(), {}}, {wall_ns_, entry.end});
        entry.shares = shares_of(extents.all());
    }
    result_.sealed.add(std::move(entry), segment.file_bytes);
}

void recovery::recover_last(surveyed_segment& segment) {
    last_.emplace();
    last_->opened = directory_.open(segment.name, open_mode::write);
    const position known = seen_.snapshot_at() > segment.header.base ? seen_.snapshot_at() : 0;
    const tail verdict = examine_tail(*last_->opened, segment.header, known);
    last_->watermark = verdict.watermark;
    last_->whole_end = verdict.whole_end;
    last_->rewrite_bytes = verdict.rewrite_bytes;
    last_->segment = segment;
    last_->segment.end = verdict.watermark;
    const position readable = std::min(verdict.watermark, segment.header.base + segment.file_bytes);
    replay_range(*last_->opened, last_->segment, {segment.header.records_from(), readable}, last_->extents);
    if (readable < verdict.watermark)
        result_.found.damages.push_back({.file = segment.name,
                                         .from = readable,
                                         .to = verdict.watermark,
                                         .reason = "the file was cut short"});
    if (verdict.torn_end > verdict.whole_end)
        report(*last_->opened, segment.header.base,
               {.file = segment.name,
                .from = verdict.whole_end,
                .to = verdict.torn_end,
                .torn_tail = true,
                .reason = "torn tail: never confirmed as synced"});
}

void recovery::start_new() {
    const opening& found = result_.found;
    segment_header header{.spool_id = found.spool_id, .owner_epoch = found.owner_epoch};
    header.base = next_base(seen_.used_to);
    header.nonce = nonce_from(random_, found.spool_id, found.owner_epoch, header.base);
    if (last_) {
        header.previous_base = last_->segment.header.base;
        header.previous_end = last_->watermark;
        header.previous_nonce = last_->segment.header.nonce;
    } else if (!result_.sealed.rows().empty()) {
        const segment_entry& before = result_.sealed.rows().rbegin()->second.entry;
        header.previous_base = before.base;
        header.previous_end = before.end;
        header.previous_nonce = before.nonce;
    } else if (seen_.newest) {
        // Every segment is lost; the snapshot alone is left.
        header.previous_end = seen_.newest->at;
    }
    const std::uint64_t rewrite_bytes = last_ ? last_->rewrite_bytes : 0;
    header.durable = header.records_from() + rewrite_bytes;
    blank_segment blank = spares_.take(segment_bytes_for(rewrite_bytes));
    std::function<void(active_segment&)> fill;
    if (rewrite_bytes > 0) fill = [this](active_segment& active) { rewrite(active); };
    result_.active = start_segment(directory_, std::move(blank), header, fill);
    result_.active.wall_ns = std::max(result_.active.wall_ns, wall_ns_);
}

// Copies the whole records from above the watermark: the page cache showed them, the disk may not have them.
void recovery::rewrite(active_segment& active) {
    const segment_header& from = last_->segment.header;
    record_scan scan{*last_->opened, from.nonce, from.base, last_->watermark, last_->whole_end};
    std::string buffer;
    const auto flush = [&] {
        if (buffer.empty()) return;
        active.opened->write(active.end - active.header.base, buffer);
        active.end += buffer.size();
        buffer.clear();
    };
    while (const auto found = scan.next()) {
        if (!found->record || found->header->type == record_type::footer) continue;
        const record_header& old = *found->header;
        const position at = active.end + buffer.size();
        encode_record({old.type,
                       old.flags,
                       old.stream,
                       old.first_offset,
                       old.count,
                       old.wall_ns,
                       found->record->payload,
                       {}},
                      active.header.records_from(), active.header.nonce, at, buffer);
        active.extents.add(old, at, active.end + buffer.size());
        active.wall_ns = std::max(active.wall_ns, old.wall_ns);
        ++result_.found.records_rewritten;
        if (buffer.size() >= rewrite_buffer_bytes) flush();
    }
    flush();
}

void recovery::replay_rewritten() {
    const active_segment& active = result_.active;
    record_scan scan{*active.opened, active.header.nonce, active.header.base, active.header.records_from(),
                     active.end};
    while (const auto found = scan.next())
        if (found->record) take(*found->record);
}

// An adoption is the log's own affair; everything else is the owner's.
void recovery::take(const stored_record& found) {
    if (found.header.type != record_type::adoption)
        replay_(found);
    else if (!adopted_.take(found.payload))
        result_.found.notes.push_back("an adoption that this version cannot read");
}

// Adoptions are known only now: those that were replayed count like those the snapshot lists. A cold segment
// that nobody adopted is a copy of what stands elsewhere, unless its adoption is what was lost.
void recovery::settle_cold() {
    const std::size_t damages_before = seen_.damages.size();
    const std::size_t notes_before = seen_.notes.size();
    for (const position base : adopted_.emptied()) result_.sealed.empty(base);
    for (segment_entry& each : judge_cold(adopted_.cold(), seen_)) {
        const auto there = std::ranges::find(seen_.cold, each.base, &surveyed_cold::base);
        result_.sealed.add(std::move(each), there->file_bytes);
    }
    opening& found = result_.found;
    found.damages.insert(found.damages.end(),
                         seen_.damages.begin() + static_cast<std::ptrdiff_t>(damages_before),
                         seen_.damages.end());
    found.notes.insert(found.notes.end(), seen_.notes.begin() + static_cast<std::ptrdiff_t>(notes_before),
                       seen_.notes.end());
    const bool damaged = std::ranges::any_of(found.damages, [](const damage& d) { return !d.torn_tail; });
    for (const surveyed_cold& each : seen_.cold) {
        if (adopted_.cold().contains(each.base)) continue;
        const std::string name = segment_name(each.base);
        if (!damaged)
            directory_.remove(name);
        else if (!set_aside(name))
            continue;
        found.notes.push_back(name + (damaged ? " was not adopted, as far as can be read: moved aside"
                                              : " was not adopted, or is not needed any more: removed"));
    }
}

void recovery::seal_last() {
    if (!last_) return;
    const segment_header& header = last_->segment.header;
    const std::vector<extent> extents = last_->extents.all();
    const std::uint64_t file_bytes =
        seal_segment(*last_->opened, header, last_->watermark, {extents, {}}, {wall_ns_, last_->watermark});
    result_.sealed.add({header.base, last_->watermark, header.nonce, shares_of(extents)}, file_bytes);
}

}  // namespace ferry::log
