#include "devices/spool/timetable.hpp"

#include <algorithm>

#include "devices/spool/damage.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr std::uint64_t hour_ms = 3'600'000;
constexpr std::uint64_t minute_ms = 60'000;
constexpr std::uint64_t due_ahead_ms = 200;  // several times what a busy disk takes for a sync
constexpr std::size_t read_bytes = 256 << 10;
constexpr std::uint64_t close_by = 4096;            // offsets: a read takes the next record along
constexpr std::uint64_t expired_per_turn = 65'536;  // others have their turn in between

// Some group is not through with it.
bool owed(const stream& in, std::uint64_t offset) {
    return std::any_of(in.groups.begin(), in.groups.end(),
                       [&](const auto& entry) { return entry.second.needs(offset, in.lanes); });
}

bool needed(const stream& in, std::uint64_t offset) {
    if (offset < in.first || in.lanes.gaps.contains(offset)) return false;
    return in.keeps_acked() || owed(in, offset);
}

std::uint64_t before(std::uint64_t ms, std::uint64_t by_ms) {
    return ms == never ? never : ms - std::min(ms, by_ms);
}

// Whether a message that was read of a bucket still matters. Of many at once nobody looks at each: whoever
// keeps the appointment does.
bool matters(const stream& in, bool waiting, const appointment& made) {
    if (waiting) return in.lanes.late().next_run(made.offset, made.end()).has_value();
    return made.end() > in.first && (made.count > 1 || needed(in, made.offset));
}

// The parts of a batch that was cut are read together: those at the end of what was read may not be all.
void drop_unfinished(log::read_result& result) {
    if (result.at_end || result.records.empty()) return;
    const auto origin_of = [](const log::stored_record& each) {
        records::messages_head head;
        std::string_view batch;
        const bool good = each.header.type == log::record_type::messages &&
                          records::split_messages(each.payload, head, batch);
        return good ? head.origin(each.header) : run{each.header.first_offset, each.header.count};
    };
    const log::record_header& last = result.records.back().header;
    const run origin = origin_of(result.records.back());
    if (origin.end() <= last.first_offset + last.count) return;
    while (!result.records.empty() && origin_of(result.records.back()) == origin) result.records.pop_back();
}

}  // namespace

// Ahead of time, so that nobody waits for the disk when a message is due.
void timetable::mark_due(stream& in, stream_run& run) {
    const std::uint64_t now_ms = parts_.steady_wall_ms();
    if (run.due_pending || in.lanes.waiting().next_ms() > now_ms + due_ahead_ms / 2) return;
    const std::uint64_t until_ms = now_ms + due_ahead_ms;
    run.due_pending = true;
    // A clock that was set back before a restart: an older mark says nothing of these messages.
    if (until_ms <= run.due_durable_ms) run.due_durable_ms = 0;
    parts_.journal.append(
        log::record_type::mark,
        records::mark{static_cast<std::uint64_t>(records::mark_kind::due), in.number, 0, until_ms},
        parts_.now);
    parts_.journal.sync_now();
    parts_.journal.when(protocol::grade::synced, [this, number = in.number] {
        const stream* marked = parts_.state.find(number);
        if (marked == nullptr) return;
        stream_run& of = parts_.stream_runs[number];
        of.due_pending = false;
        of.due_durable_ms = marked->lanes.due_mark_ms();  // there is one mark under way at a time
        come_due(number);
    });
}

void timetable::come_due(std::uint32_t stream_number) {
    stream* in = parts_.state.find(stream_number);
    if (in == nullptr) return;
    const std::uint64_t durable_ms = parts_.stream_runs[stream_number].due_durable_ms;
    in->lanes.come_due(std::min(parts_.steady_wall_ms(), durable_ms));
    parts_.touched.insert(stream_number);
}

// What a group was not through with becomes a dead letter of it.
void timetable::bury(stream& in, const std::vector<run>& over) {
    for (auto& [number, whose] : in.groups) {
        records::dead record{in.number, number, {}};
        for (const run& each : over)
            for (std::uint64_t at = each.first; at < each.end(); ++at)
                if (whose.needs(at, in.lanes))
                    record.runs.push_back({at, 1, whose.attempts_of(at), "expired", parts_.now.wall_ns});
        if (record.runs.empty()) continue;
        parts_.counters.messages_dead += record.runs.size();
        parts_.journal.append(log::record_type::dead, record, parts_.now);
    }
}

void timetable::expire(stream& in) {
    if (in.lanes.expiring().next_ms() > parts_.steady_wall_ms()) return;
    parts_.journal.flush_acks(parts_.now);
    const offset_set over = in.lanes.take_expired(parts_.steady_wall_ms(), expired_per_turn);
    records::removed record{in.number, static_cast<std::uint64_t>(records::removal_reason::expiry), {}, 0, 0};
    bool any_dead = false;
    for (auto at = over.next(0); at; at = over.next(*at + 1)) {
        const bool dead = in.dead_somewhere(*at);
        any_dead = any_dead || dead;
        if (!needed(in, *at)) continue;
        record.messages += dead && !owed(in, *at) ? 0 : 1;  // a dead letter stays one
        if (!record.runs.empty() && record.runs.back().end() == *at)
            ++record.runs.back().count;
        else
            record.runs.push_back({*at, 1});
    }
    if (record.runs.empty() && !any_dead) return;
    if (in.settings.expired == static_cast<std::uint64_t>(records::when_expired::dead_letter)) {
        bury(in, record.runs);
        // Where acks remove nothing it would stay, for groups to come.
        if (!in.keeps_acked()) record.runs.clear();
        record.messages = 0;
        for (const run& each : record.runs)
            for (std::uint64_t at = each.first; at < each.end(); ++at)
                record.messages += in.dead_somewhere(at) ? 0 : 1;
    }
    parts_.counters.messages_expired += record.messages;
    if (!record.runs.empty()) parts_.journal.append(log::record_type::removed, record, parts_.now);
    // A message that is redriven later is not to expire again when the log is replayed. Behind the rest:
    // where a crash cuts between them, it expires again.
    const std::uint64_t until_ms = std::min(parts_.steady_wall_ms(), in.lanes.expiring().next_ms() - 1);
    parts_.journal.append(
        log::record_type::mark,
        records::mark{static_cast<std::uint64_t>(records::mark_kind::expired), in.number, 0, until_ms},
        parts_.now);
    parts_.journal.sync_soon(parts_.now, 0);
    parts_.touched.insert(in.number);
}

// What is not visible yet may not be in the log yet: the stream is touched when it is.
bool timetable::is_open(const stream& in, const calendar& of) const {
    if (of.next_opening_ms() > parts_.steady_wall_ms()) return false;
    const auto run = parts_.stream_runs.find(in.number);
    const std::uint64_t visible = run == parts_.stream_runs.end() ? 0 : run->second.visible;
    return *of.buckets().begin()->second.records.next(0) < visible;
}

void timetable::file(std::uint32_t stream_number) {
    const stream* in = parts_.state.find(stream_number);
    time_load& load = load_[stream_number];
    parts_.kept.less(load);
    if (in == nullptr) {
        load_.erase(stream_number);
        return streams_.file(stream_number, never);
    }
    const lanes& of = in->lanes;
    load = {of.waiting().near_count() + of.expiring().near_count(), of.bytes_kept()};
    parts_.kept.more(load);
    if (is_open(*in, of.waiting()) || is_open(*in, of.expiring())) opening_.insert(stream_number);
    const std::uint64_t now_ms = parts_.steady_wall_ms();
    std::uint64_t next = of.expiring().next_ms();
    // What is not durably marked, or being marked, is looked at when that is done.
    const stream_run& run = parts_.stream_runs[stream_number];
    if (!run.due_pending) next = std::min(next, before(of.waiting().next_ms(), due_ahead_ms / 2));
    if (of.next_soon_ms() <= run.due_durable_ms) next = std::min(next, of.next_soon_ms());
    for (const calendar* each : {&of.waiting(), &of.expiring()})
        if (each->next_opening_ms() > now_ms) next = std::min(next, each->next_opening_ms());
    streams_.file(stream_number, next);
}

void timetable::file_touched() {
    for (const std::uint32_t number : parts_.touched) file(number);
}

void timetable::tick() {
    if (!parts_.read_only_reason.empty()) return;
    for (const std::uint32_t number : streams_.take(parts_.steady_wall_ms())) {
        stream* in = parts_.state.find(number);
        if (in == nullptr) continue;
        expire(*in);
        mark_due(*in, parts_.stream_runs[number]);
        come_due(number);
        file(number);
    }
    read_next();
}

// The streams have their turn at the disk one after the other.
void timetable::read_next() {
    while (!reading_ && !opening_.empty()) {
        auto next = opening_.upper_bound(last_read_);
        if (next == opening_.end()) next = opening_.begin();
        last_read_ = *next;
        const stream* in = parts_.state.find(last_read_);
        if (in == nullptr || !ask(*in)) opening_.erase(next);
    }
}

// Asks for the first record of the bucket that opened first. False: none is open.
bool timetable::ask(const stream& in) {
    const bool waiting = is_open(in, in.lanes.waiting());
    if (!waiting && !is_open(in, in.lanes.expiring())) return false;
    const calendar& of = waiting ? in.lanes.waiting() : in.lanes.expiring();
    const auto& [which, bucket] = *of.buckets().begin();
    const std::uint64_t record = *bucket.records.next(0);
    const bool more = bucket.records.next_run(record + 1, record + close_by).has_value();
    reading_ = {parts_.next_cookie++, in.number, waiting, which, record, more ? read_bytes : 1};
    parts_.out.reads.push_back({reading_->cookie, in.number, std::max(record, in.first), reading_->bytes});
    return true;
}

// Few messages come out of a bucket as near; many only of the finest, when they are needed.
std::uint64_t timetable::near_until(const calendar::bucket_key& which, const calendar::bucket& from) const {
    const bool few = parts_.kept.appointments + from.messages <= parts_.options.appointments_near;
    // What is due already needs no finer bucket.
    if (!few && which.width_ms > minute_ms) return std::max(which.start_ms, parts_.steady_wall_ms());
    return std::min(which.end_ms(), which.start_ms + hour_ms);
}

timetable::gathered timetable::gather(const stream& in, const reading& what,
                                      const log::read_result& result) const {
    const calendar& of = what.waiting ? in.lanes.waiting() : in.lanes.expiring();
    const calendar::bucket& from = of.buckets().at(what.which);
    const std::uint64_t near_ms = near_until(what.which, from);
    calendar found;
    std::vector<run> holes;
    std::uint64_t expected = std::max(what.record, in.first);
    for (const log::stored_record& each : result.records) {
        const run record{each.header.first_offset, each.header.count};
        records::messages_head head;
        std::string_view batch;
        if (each.header.type != log::record_type::messages) continue;
        if (!records::split_messages(each.payload, head, batch)) continue;
        if (record.first > expected) holes.push_back({expected, record.first - expected});
        expected = std::max(expected, record.end());
        const run origin = head.origin(each.header);
        if (!from.records.contains(origin.first)) continue;
        for (const wishes& asked : head.wishes) {
            const std::uint64_t ms = what.waiting ? asked.due_ms : asked.expires_ms;
            const appointment made{ms, record.first + asked.index, asked.count,
                                   what.waiting ? asked.priority : 0};
            const bool ours = ms >= what.which.start_ms && ms < what.which.end_ms();
            if (ours && matters(in, what.waiting, made)) found.add(made, origin, near_ms);
        }
    }
    if (result.records.empty()) {
        const std::uint64_t visible = parts_.stream_runs.at(in.number).visible;
        expected = result.at_end ? std::max(visible, what.record + 1) : what.record + 1;
        holes.push_back({what.record, expected - what.record});
    }
    offset_set read;
    for (auto at = from.records.next_run(0, expected); at; at = from.records.next_run(at->end(), expected))
        read.add(*at);
    return {{in.number, what.waiting, what.which.start_ms, what.which.width_ms, read.save(), found.save()},
            std::move(holes)};
}

bool timetable::read_done(std::uint64_t cookie, log::read_result& result) {
    if (!reading_ || reading_->cookie != cookie) return false;
    const reading what = *std::exchange(reading_, std::nullopt);
    stream* in = parts_.state.find(what.stream);
    if (in == nullptr || !parts_.read_only_reason.empty()) return true;
    if (const bool some = !result.records.empty(); drop_unfinished(result), some && result.records.empty()) {
        reading_ = what;
        reading_->cookie = parts_.next_cookie++;
        reading_->bytes = std::max(read_bytes, what.bytes * 4);
        parts_.out.reads.push_back(
            {reading_->cookie, in->number, std::max(what.record, in->first), reading_->bytes});
        return true;
    }
    const calendar& of = what.waiting ? in->lanes.waiting() : in->lanes.expiring();
    if (of.buckets().contains(what.which)) {
        const gathered got = gather(*in, what, result);
        parts_.journal.append(log::record_type::appointments, got.record, parts_.now);
        for (const run& each : got.holes) remove_damaged(parts_, *in, each.first, each.end());
    }
    file(what.stream);
    return true;
}

std::uint64_t timetable::next_due_ns() const {
    if (!parts_.read_only_reason.empty()) return never;
    if (!reading_ && !opening_.empty()) return parts_.now.monotonic_ns;
    return streams_.next() == never ? never : parts_.monotonic_ns_at(streams_.next());
}

}  // namespace ferry
