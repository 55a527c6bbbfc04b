#include "core/log/log.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/log/active_segment.hpp"
#include "core/log/adoption.hpp"
#include "core/log/append_run.hpp"
#include "core/log/cold_segment.hpp"
#include "core/log/recovery.hpp"
#include "core/log/seal.hpp"
#include "core/log/segment_cache.hpp"
#include "core/log/snapshot.hpp"
#include "core/log/stream_read.hpp"
#include "core/log/table.hpp"

namespace ferry::log {
namespace {

constexpr std::uint64_t segment_bytes_min = 4096;
constexpr std::size_t extents_per_look = 16;
constexpr const char* snapshot_part_name = "snapshot.part";
constexpr std::uint64_t snapshot_reserve_min = snapshot_chunk_bytes;

bool out_of_space(const std::system_error& failure) {
    return failure.code() == std::errc::no_space_on_device;
}

log_options checked(log_options options) {
    if (options.segment_bytes < segment_bytes_min)
        throw std::invalid_argument("segment_bytes is below " + std::to_string(segment_bytes_min));
    return options;
}

}  // namespace

struct segmented_log::parts {
    storage& directory;
    const log_options options;
    spare_pool spares;
    opening found;
    mutable segment_cache cache;

    // Guards what reads look at: the table, the active segment and its extents. Never held over disk I/O.
    mutable std::mutex table_mutex;
    segment_table sealed;
    active_segment active;

    std::atomic<position> end{0};
    std::atomic<position> durable{0};
    std::vector<position> snapshots;
    std::uint64_t snapshot_bytes = 0;
    std::unordered_map<std::uint32_t, std::uint64_t> released;
    std::string broken;
    append_run run;
    std::unique_ptr<cold_segment> cold;  // in the making

    parts(storage& where, const log_options& how)
        : directory(where), options(how), spares(where, how.segment_bytes, how.spares_max), cache(where) {}

    void open(const recovery::replay_function& replay, const recovery::restore_function& restore);
    template <typename step>
    auto writing(const char* what, step&& take_it);
    void add(const record& next, position& at);
    void flush();
    void roll_over(std::uint64_t bytes);
    void sync();
    bool read_sealed(stream_read& reading, const segment_table::place& where) const;
    void read_active(stream_read& reading, const std::vector<extent>& extents,
                     const std::shared_ptr<file>& opened, const segment_header& header) const;
    bool save_snapshot(std::string_view state);
    bool write_where_there_is_room(const snapshot& what, std::string_view state);
    void let_go(const std::vector<position>& leaving);
    void begin_cold(std::uint64_t bytes);
    void adopt(const adoption& what, std::uint64_t cold_bytes);
    std::uint64_t snapshot_reserve() const { return std::max(snapshot_bytes, snapshot_reserve_min); }
    std::vector<segment_entry> list_segments(const std::vector<position>& leaving) const;
    std::vector<position> releasable() const;
    std::uint64_t file_bytes() const;
};

void segmented_log::parts::open(const recovery::replay_function& replay,
                                const recovery::restore_function& restore) {
    recovered opened = recovery{directory, spares, options.random, replay, restore}.run();
    found = std::move(opened.found);
    sealed = std::move(opened.sealed);
    active = std::move(opened.active);
    snapshots = std::move(opened.snapshots);
    if (!snapshots.empty())
        snapshot_bytes = directory.open(snapshot_name(snapshots.back()), open_mode::read)->size();
    end = active.end;
    durable = active.end;
}

// Runs a step that writes. Whatever fails in it breaks the log for good: what reached the disk is not known,
// and a second sync would claim what the first one could not.
template <typename step>
auto segmented_log::parts::writing(const char* what, step&& take_it) {
    if (!broken.empty())
        throw std::system_error(std::make_error_code(std::errc::io_error),
                                std::string{what} + ": the log is read-only since " + broken);
    try {
        return take_it();
    } catch (const std::exception& failure) {
        broken = failure.what();
        throw;
    }
}

void segmented_log::parts::add(const record& next, position& at) {
    const std::uint64_t bytes = record_bytes(next.head.size() + next.body.size());
    if (!active.fits(bytes, run.bytes(), run.headers().size())) {
        flush();
        if (!active.fits(bytes, 0, 0)) roll_over(bytes);
    }
    at = active.end + run.bytes();
    run.add(next, durable, active.header.nonce, at);
}

void segmented_log::parts::flush() {
    if (run.empty()) return;
    run.write(*active.opened, active.end - active.header.base);
    {
        const std::lock_guard lock{table_mutex};
        for (const record_header& header : run.headers()) {
            const position to = active.end + record_bytes(header.length);
            active.extents.add(header, active.end, to);
            active.wall_ns = std::max(active.wall_ns, header.wall_ns);
            active.end = to;
        }
    }
    end = active.end;
    run.clear();
}

void segmented_log::parts::roll_over(std::uint64_t bytes) {
    const std::vector<extent> extents = active.extents.all();
    const std::uint64_t sealed_bytes =
        seal_segment(*active.opened, active.header, active.end, {extents, {}}, {active.wall_ns, durable});
    segment_header header{.spool_id = found.spool_id, .owner_epoch = found.owner_epoch};
    const position after = active.header.base + sealed_bytes;
    header.base = (after + segment_header_bytes - 1) / segment_header_bytes * segment_header_bytes;
    header.nonce = nonce_from(options.random, found.spool_id, found.owner_epoch, header.base);
    header.previous_base = active.header.base;
    header.previous_end = active.end;
    header.previous_nonce = active.header.nonce;
    header.durable = active.end;
    active_segment next = start_segment(directory, spares.take(segment_bytes_for(bytes)), header);
    next.wall_ns = active.wall_ns;
    const std::lock_guard lock{table_mutex};
    sealed.add({active.header.base, active.end, active.header.nonce, shares_of(extents)}, sealed_bytes);
    active = std::move(next);
    end = active.end;
    durable = active.end;
}

void segmented_log::parts::sync() {
    if (durable == end) return;
    active.opened->sync();
    durable.store(end);
}

segmented_log::segmented_log(storage& directory, log_options options,
                             const std::function<void(const stored_record&)>& replay,
                             const std::function<void(std::string_view snapshot)>& restore)
    : parts_(std::make_unique<parts>(directory, checked(options))) {
    parts_->open(replay, restore);
}

segmented_log::~segmented_log() = default;

const opening& segmented_log::opened() const {
    return parts_->found;
}

void segmented_log::append(std::span<const record> records, std::span<position> positions) {
    if (records.size() != positions.size()) throw std::invalid_argument("append: a position for each record");
    for (const record& next : records)
        if (next.head.size() + next.body.size() > record_bytes_max())
            throw std::length_error("append: a record of " +
                                    std::to_string(next.head.size() + next.body.size()) + " bytes; at most " +
                                    std::to_string(record_bytes_max()));
    parts_->writing("append", [&] {
        for (std::size_t i = 0; i < records.size(); ++i) parts_->add(records[i], positions[i]);
        parts_->flush();
    });
}

position segmented_log::end() const {
    return parts_->end;
}

position segmented_log::durable() const {
    return parts_->durable;
}

void segmented_log::sync() {
    parts_->writing("sync", [&] { parts_->sync(); });
}

// False when the segment was removed between the look into the table and here.
bool segmented_log::parts::read_sealed(stream_read& reading, const segment_table::place& where) const {
    position segment_end = 0;
    std::uint64_t nonce = 0;
    {
        const std::lock_guard lock{table_mutex};
        const segment_table::row* row = sealed.segment(where.base);
        if (row == nullptr) return false;
        segment_end = row->entry.end;
        nonce = row->entry.nonce;
    }
    std::shared_ptr<const readable_segment> segment;
    try {
        segment = cache.get(where.base, segment_end, nonce);
    } catch (const std::system_error&) {
        const std::lock_guard lock{table_mutex};
        if (sealed.segment(where.base) == nullptr) return false;
        throw;
    }
    const std::uint32_t stream = reading.stream();
    const std::string name = segment_name(where.base);
    for (const extent& e : extents_above(segment->extents, stream, reading.offset())) {
        if (e.first_offset >= where.end_offset) break;
        reading.miss(segment->nameless, where.first_offset, e.first_offset);
        reading.take(*segment->opened, name, nonce, where.base, e, where.end_offset);
        if (reading.full()) return true;
    }
    reading.miss(segment->nameless, where.first_offset, where.end_offset);
    reading.skip_to(where.end_offset);
    return true;
}

void segmented_log::parts::read_active(stream_read& reading, const std::vector<extent>& extents,
                                       const std::shared_ptr<file>& opened,
                                       const segment_header& header) const {
    for (const extent& e : extents) {
        reading.take(*opened, segment_name(header.base), header.nonce, header.base, e, e.end_offset);
        if (reading.full()) return;
    }
}

read_result segmented_log::read(std::uint32_t stream, std::uint64_t offset, std::size_t bytes_max) const {
    const parts& my = *parts_;
    stream_read reading{stream, offset, bytes_max};
    for (;;) {
        std::optional<segment_table::place> place;
        std::vector<extent> extents;
        std::shared_ptr<file> opened;
        segment_header header;
        {
            const std::lock_guard lock{my.table_mutex};
            place = my.sealed.find(stream, reading.offset());
            const auto& active = my.active.extents.by_stream();
            if (const auto found = active.find(stream); !place && found != active.end()) {
                const auto above = extents_above(found->second, stream, reading.offset());
                extents.assign(above.begin(), above.begin() + std::min(above.size(), extents_per_look));
                opened = my.active.opened;
                header = my.active.header;
            }
        }
        if (!place && extents.empty()) return reading.finish(true);
        if (reading.full()) return reading.finish(false);
        try {
            if (place)
                my.read_sealed(reading, *place);
            else
                my.read_active(reading, extents, opened, header);
        } catch (const std::system_error&) {
            if (reading.empty()) throw;
            return reading.finish(false);  // what was read so far is of use
        }
    }
}

std::uint64_t segmented_log::record_bytes_max() const {
    const std::uint64_t quarter = parts_->options.segment_bytes / 4;
    return std::min<std::uint64_t>(quarter + std::min<std::uint64_t>(quarter, 64 << 10), UINT32_MAX);
}

bool segmented_log::save_snapshot(std::string_view state) {
    return parts_->writing("save snapshot", [&] { return parts_->save_snapshot(state); });
}

// Everything in which nobody needs a message. A segment of the chain stays while the older of the two
// snapshots there will be lies below its end: its records are replayed then. Those of a cold one never are.
std::vector<position> segmented_log::parts::releasable() const {
    std::vector<position> leaving;
    const auto needed = [&](const stream_share& share) {
        const auto floor = released.find(share.stream);
        return floor == released.end() || floor->second < share.end_offset;
    };
    for (const auto& [base, row] : sealed.rows()) {
        const bool replayed = !is_cold(base) && (snapshots.empty() || row.entry.end > snapshots.back());
        if (!replayed && std::ranges::none_of(row.entry.shares, needed)) leaving.push_back(base);
    }
    return leaving;
}

std::vector<segment_entry> segmented_log::parts::list_segments(const std::vector<position>& leaving) const {
    std::vector<segment_entry> list;
    for (const auto& [base, row] : sealed.rows())
        if (!std::ranges::binary_search(leaving, base)) list.push_back(row.entry);
    list.push_back({active.header.base, active.end, active.header.nonce, shares_of(active.extents.all())});
    return list;
}

// The reserve is there for this: a snapshot lets segments go, and they are more than it takes.
bool segmented_log::parts::write_where_there_is_room(const snapshot& what, std::string_view state) {
    for (;;) {
        try {
            write_snapshot(directory, snapshot_part_name, what, state);
            directory.rename(snapshot_part_name, snapshot_name(what.at));
            return true;
        } catch (const std::system_error& failure) {
            if (!out_of_space(failure)) throw;
        }
        try {
            directory.remove(snapshot_part_name);
        } catch (const std::system_error& failure) {
            if (failure.code() != std::errc::no_such_file_or_directory) throw;
        }
        if (!spares.give_up_one()) return false;
    }
}

bool segmented_log::parts::save_snapshot(std::string_view state) {
    // A snapshot is evidence that the log below it is on disk; so make it true first.
    sync();
    const position at = end;
    const std::vector<position> before = snapshots;
    std::erase(snapshots, at);
    const std::vector<position> leaving = releasable();
    const snapshot what{.spool_id = found.spool_id,
                        .owner_epoch = found.owner_epoch,
                        .nonce = nonce_from(options.random, found.spool_id, found.owner_epoch, ~at),
                        .at = at,
                        .state = {},
                        .segments = list_segments(leaving)};
    if (!write_where_there_is_room(what, state)) {
        snapshots = before;
        return false;
    }
    directory.sync_directory();
    snapshots.push_back(at);
    snapshot_bytes = directory.open(snapshot_name(at), open_mode::read)->size();
    let_go(leaving);
    return true;
}

// The snapshot no longer lists them, so a removal that a crash undoes is seen and done again.
void segmented_log::parts::let_go(const std::vector<position>& leaving) {
    for (const position base : leaving) {
        {
            const std::lock_guard lock{table_mutex};
            sealed.remove(base);
        }
        cache.forget(base);
        directory.remove(segment_name(base));
    }
    while (snapshots.size() > 2) {
        directory.remove(snapshot_name(snapshots.front()));
        snapshots.erase(snapshots.begin());
    }
}

holdings segmented_log::held() const {
    const parts& my = *parts_;
    holdings all;
    const std::lock_guard lock{my.table_mutex};
    all.sealed.reserve(my.sealed.rows().size());
    for (const auto& [base, row] : my.sealed.rows())
        all.sealed.push_back({base, row.file_bytes, row.entry.shares});
    all.active_bytes = my.active.file_bytes;
    return all;
}

// A move must not take what a snapshot needs to let the emptied segments go.
void segmented_log::parts::begin_cold(std::uint64_t bytes) {
    if (directory.bytes_free() < bytes + snapshot_reserve())
        throw std::system_error(std::make_error_code(std::errc::no_space_on_device),
                                "no room to move messages");
    if (cold) return;
    segment_header header{.spool_id = found.spool_id, .owner_epoch = found.owner_epoch};
    header.base = end | cold_bit;
    header.nonce = nonce_from(options.random, found.spool_id, found.owner_epoch, header.base);
    cold = std::make_unique<cold_segment>(directory, header);
}

void segmented_log::move(std::span<const record> records, std::span<const position> sources) {
    parts& my = *parts_;
    if (!my.broken.empty()) throw std::system_error(std::make_error_code(std::errc::io_error), my.broken);
    std::uint64_t bytes = 0;
    for (const record& each : records) bytes += record_bytes(each.head.size() + each.body.size());
    try {
        my.begin_cold(bytes);
        for (const record& each : records) {
            const std::uint64_t from = my.cold->end_of(each.stream);
            my.cold->add(each, my.sealed.holds(each.stream, from, each.first_offset, sources));
        }
        my.cold->write();
    } catch (const std::system_error&) {
        my.cold.reset();
        throw;
    }
}

void segmented_log::adopt(std::span<const position> sources) {
    parts& my = *parts_;
    if (!my.broken.empty()) throw std::system_error(std::make_error_code(std::errc::io_error), my.broken);
    adoption what{{sources.begin(), sources.end()}, {}};
    std::uint64_t cold_bytes = 0;
    if (const auto made = std::exchange(my.cold, nullptr)) {
        what.cold.push_back(made->finish());
        cold_bytes = made->file_bytes();
    }
    my.writing("adopt", [&] { my.adopt(what, cold_bytes); });
}

void segmented_log::parts::adopt(const adoption& what, std::uint64_t cold_bytes) {
    if (!what.cold.empty()) directory.sync_directory();
    const std::string payload = encode_adoption(what);
    position at = 0;
    add({.type = record_type::adoption, .wall_ns = active.wall_ns, .body = payload}, at);
    flush();
    sync();
    const std::lock_guard lock{table_mutex};
    for (const position base : what.emptied) sealed.empty(base);
    for (const segment_entry& each : what.cold) sealed.add(each, cold_bytes);
}

void segmented_log::abandon_move() {
    parts_->cold.reset();
}

bool segmented_log::broken() const {
    return !parts_->broken.empty();
}

void segmented_log::release(std::uint32_t stream, std::uint64_t offset) {
    std::uint64_t& floor = parts_->released[stream];
    floor = std::max(floor, offset);
}

bool segmented_log::prepare_spare(std::size_t bytes_max) {
    return parts_->writing("prepare spare", [&] { return parts_->spares.prepare(bytes_max); });
}

bool segmented_log::write_ahead() {
    return parts_->writing("write ahead", [&] {
        if (!short_of_blocks()) return false;
        log::write_ahead(parts_->active);
        parts_->durable.store(parts_->end);
        return short_of_blocks();
    });
}

bool segmented_log::short_of_blocks() const {
    return log::short_of_blocks(parts_->active);
}

std::uint64_t segmented_log::parts::file_bytes() const {
    return sealed.file_bytes() + active.file_bytes + spares.file_bytes() + snapshot_bytes * snapshots.size();
}

space segmented_log::space_now() const {
    const parts& my = *parts_;
    const std::uint64_t reserve = 2 * my.options.segment_bytes + my.snapshot_reserve();
    const std::uint64_t unwritten = my.active.header.base + my.active.file_bytes - my.active.end;
    const std::uint64_t room = my.directory.bytes_free() + my.spares.ready_bytes() + unwritten;
    return {.used = my.file_bytes(), .left = room > reserve ? room - reserve : 0};
}

}  // namespace ferry::log
