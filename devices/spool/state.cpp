#include "devices/spool/state.hpp"

#include <algorithm>

namespace ferry {
namespace {

constexpr std::uint64_t snapshot_version = 1;

struct saved_stream {
    std::uint64_t number = 0;
    std::string name;
    records::stream_settings settings;
    std::uint64_t next = 0, first = 0, told_mark = 0;
    ferry::lanes::saved lanes;
    std::vector<group::saved> groups;
    std::vector<producer_state> producers;
    ferry::byte_marks byte_marks;
    std::vector<std::uint64_t> removed;
    static auto fields(auto& m) {
        return std::tie(m.number, m.name, m.settings, m.next, m.first, m.told_mark, m.lanes, m.groups,
                        m.producers, m.byte_marks, m.removed);
    }
};
struct saved_state {
    std::uint64_t version = snapshot_version;
    std::optional<std::uint64_t> stopped;
    std::uint64_t next_stream_number = 1, next_group_number = 1;
    std::vector<saved_stream> streams;
    std::string ids;
    std::vector<lease_runs::saved> committed;
    static auto fields(auto& m) {
        return std::tie(m.version, m.stopped, m.next_stream_number, m.next_group_number, m.streams, m.ids,
                        m.committed);
    }
};

saved_stream save_stream(const stream& from, instant now, bool with_leases) {
    saved_stream into{from.number, from.name, from.settings,   from.next,   from.first, from.told_mark, {},
                      {},          {},        from.byte_marks, from.removed};
    into.lanes = from.lanes.save();
    for (const auto& [number, each] : from.groups) into.groups.push_back(each.save(now, with_leases));
    for (const auto& [key, each] : from.producers) into.producers.push_back(each);
    return into;
}

stream load_stream(saved_stream&& from, instant now) {
    stream into;
    into.number = static_cast<std::uint32_t>(from.number);
    into.name = std::move(from.name);
    into.settings = from.settings;
    into.next = from.next;
    into.first = from.first;
    into.told_mark = from.told_mark;
    into.lanes.load(from.lanes);
    for (const group::saved& each : from.groups)
        into.groups.try_emplace(static_cast<std::uint32_t>(each.number), each, into.lanes, now);
    for (producer_state& each : from.producers)
        into.producers.emplace(stream::producer_key{each.user, each.id}, std::move(each));
    into.byte_marks = std::move(from.byte_marks);
    into.removed = std::move(from.removed);
    into.removed.resize(std::max(into.removed.size(), records::removal_reasons));
    return into;
}

}  // namespace

bool spool_state::apply(const log::record_header& header, std::string_view payload, instant now) {
    using log::record_type;
    stopped_.reset();
    switch (header.type) {
        case record_type::messages:
            return apply_messages(header, payload);
        case record_type::acks:
            return apply_acks(payload);
        case record_type::attempt:
            return apply_attempt(payload, now);
        case record_type::dead:
            return apply_dead(payload);
        case record_type::mark:
            return apply_mark(payload);
        case record_type::stream_settings:
            return apply_stream_change(payload);
        case record_type::group_settings:
            return apply_group_change(payload);
        case record_type::producer:
            return apply_producer_change(payload, header.wall_ns);
        case record_type::removed:
            return apply_removed(payload);
        case record_type::redrive:
            return apply_redrive(payload);
        case record_type::appointments:
            return apply_appointments(payload);
        case record_type::watermark:
        case record_type::footer:
        case record_type::adoption:
            return true;  // the log's own affairs
        case record_type::commit:
            return apply_commit(payload);
    }
    return false;
}

bool spool_state::apply_messages(const log::record_header& header, std::string_view payload) {
    records::messages_head head;
    std::string_view batch;
    if (!records::split_messages(payload, head, batch)) return false;
    stream* into = find(header.stream);
    if (into == nullptr) {
        if (removed_.contains(header.stream)) return true;
        if (!recover(header.stream)) return false;
        into = find(header.stream);
    }
    const run all{header.first_offset, header.count};
    into->use_up(all.first);
    into->next = std::max(into->next, all.end());
    const std::uint64_t bytes = header.length - (payload.size() - batch.size());
    // Without its commit, which a crash may have kept from the disk, it is nothing but a gap.
    if ((header.flags & records::of_commit) != 0) {
        into->lanes.gaps.add(all);
        uncommitted_.push_back({header, std::move(head), bytes});
        return true;
    }
    if (!place(*into, header, head, bytes)) return false;
    producer_state& from = into->producers[{head.user, head.producer_id}];
    if (from.id.empty()) {
        from.user = head.user;
        from.id = head.producer_id;
    }
    from.epoch = std::max(from.epoch, head.epoch);
    from.last_sequence = std::max(from.last_sequence, head.first_sequence + header.count - 1);
    from.last_used_wall_ns = header.wall_ns;
    if (from.recent.size() >= protocol::window_batches) from.recent.erase(from.recent.begin());
    from.recent.push_back({head.first_sequence, header.count, header.first_offset, std::move(head.known)});
    return true;
}

// What a batch says of its messages beside their own bytes.
bool spool_state::place(stream& into, const log::record_header& header, const records::messages_head& head,
                        std::uint64_t bytes) {
    for (const wishes& each : head.wishes) {
        if (each.index + each.count > header.count) return false;
        into.lanes.place({header.first_offset, header.count}, each, head.near_ms);
    }
    into.byte_marks.add({header.first_offset, header.count}, bytes);
    for (const records::known_items& each : head.known) {
        if (each.index + each.count > header.count) return false;
        into.lanes.gaps.add({header.first_offset + each.index, each.count});
    }
    return records::each_id(head.ids, [&](std::uint32_t index, const id_hash& id) {
        ids_.add(id, header.first_offset + index, header.wall_ns / 1'000'000'000);
    });
}

// Of what stands before it only what it names counts: the rest is of a commit that was cut off by a crash.
bool spool_state::apply_commit(std::string_view payload) {
    records::commit record;
    if (!unpack_struct(payload, record)) return false;
    for (const records::output& each : record.outputs) {
        const auto made = std::ranges::find_if(uncommitted_, [&](const uncommitted& one) {
            return one.header.stream == each.stream && one.header.first_offset == each.first_offset &&
                   one.header.count == each.count;
        });
        stream* into = find(static_cast<std::uint32_t>(each.stream));
        if (into == nullptr || made == uncommitted_.end()) continue;  // damaged, or the stream was removed
        into->lanes.gaps.remove({each.first_offset, each.count});
        if (!place(*into, made->header, made->head, made->bytes)) return false;
    }
    uncommitted_.clear();
    for (const records::group_acks& each : record.settled)
        for (const run& done : each.runs) committed_.add(record.lease, done);
    return apply_acks(record.settled);
}

group* spool_state::find_group(std::uint64_t stream_number, std::uint64_t group_number, stream*& owner) {
    use_up_number(static_cast<std::uint32_t>(stream_number));
    owner = find(static_cast<std::uint32_t>(stream_number));
    if (owner == nullptr) return nullptr;
    const auto found = owner->groups.find(static_cast<std::uint32_t>(group_number));
    return found == owner->groups.end() ? nullptr : &found->second;
}

bool spool_state::apply_acks(std::string_view payload) {
    records::acks record;
    return unpack_struct(payload, record) && apply_acks(record.groups);
}

bool spool_state::apply_acks(const std::vector<records::group_acks>& groups) {
    for (const records::group_acks& each : groups) {
        stream* owner = nullptr;
        group* target = find_group(each.stream, each.group, owner);
        if (target == nullptr) continue;
        // Where an ack outlived its message, which damage took, the offset is not used again: it would be
        // acked.
        for (const run& acked : each.runs) owner->use_up(acked.end());
        for (const run& acked : each.runs) target->apply_ack(acked, owner->lanes);
        owner->settle_first();
    }
    return true;
}

bool spool_state::apply_attempt(std::string_view payload, instant now) {
    records::attempt record;
    if (!unpack_struct(payload, record)) return false;
    stream* owner = nullptr;
    if (group* target = find_group(record.stream, record.group, owner))
        for (const tried_run& each : record.runs) {
            owner->use_up(each.offset + each.count);
            target->apply_attempt(each, owner->lanes, now);
        }
    return true;
}

bool spool_state::apply_dead(std::string_view payload) {
    records::dead record;
    if (!unpack_struct(payload, record)) return false;
    stream* owner = nullptr;
    if (group* target = find_group(record.stream, record.group, owner))
        for (const dead_run& each : record.runs) {
            owner->use_up(each.offset + each.count);
            target->apply_dead(each, owner->lanes);
        }
    return true;
}

bool spool_state::apply_redrive(std::string_view payload) {
    records::redrive record;
    if (!unpack_struct(payload, record)) return false;
    stream* owner = nullptr;
    if (group* target = find_group(record.stream, record.group, owner))
        for (const run& each : record.runs) target->apply_redrive(each, owner->lanes);
    return true;
}

bool spool_state::apply_mark(std::string_view payload) {
    records::mark record;
    if (!unpack_struct(payload, record)) return false;
    stream* owner = nullptr;
    group* target = find_group(record.stream, record.group, owner);
    if (record.kind == static_cast<std::uint64_t>(records::mark_kind::delivered)) {
        if (target != nullptr) target->apply_mark(record.offset);
    } else if (record.kind == static_cast<std::uint64_t>(records::mark_kind::seen)) {
        if (target != nullptr) target->apply_seen(record.offset, owner->lanes);
    } else if (owner != nullptr && record.kind == static_cast<std::uint64_t>(records::mark_kind::due)) {
        owner->lanes.mark_due(record.offset);
    } else if (owner != nullptr && record.kind == static_cast<std::uint64_t>(records::mark_kind::expired)) {
        // While the spool runs they are out already.
        owner->lanes.take_expired(record.offset, ~std::uint64_t{0});
    } else if (owner != nullptr) {
        owner->told_mark = std::max(owner->told_mark, record.offset);
    }
    return true;
}

// Messages of a stream that nobody made: the record that did is damaged. They come back under a name of their
// own, and the number is not given to another stream, which would find them as its own.
bool spool_state::recover(std::uint32_t number) {
    std::string name = "recovered." + std::to_string(number);
    while (numbers_.contains(name)) name += "-1";
    return apply_stream_change(pack_struct(
        records::stream_change{static_cast<std::uint64_t>(records::settings_change::set), number, name, {}}));
}

bool spool_state::apply_stream_change(std::string_view payload) {
    records::stream_change record;
    if (!unpack_struct(payload, record)) return false;
    const auto number = static_cast<std::uint32_t>(record.number);
    if (record.change == static_cast<std::uint64_t>(records::settings_change::removed)) {
        // It has another name than it had when it was recovered in this replay and was not in that one.
        if (const stream* gone = find(number)) numbers_.erase(gone->name);
        streams_.erase(number);
        if (replaying_) removed_.insert(number);
        return true;
    }
    stream& changed = streams_[number];
    changed.number = number;
    changed.name = record.name;
    if (!changed.keeps_acked()) changed.let_go();
    changed.settings = record.settings;
    changed.settle_first();  // it may have been told to keep less
    numbers_.insert_or_assign(record.name, number);
    use_up_number(number);
    return true;
}

void spool_state::replayed() {
    replaying_ = false;
    removed_.clear();
}

void spool_state::use_up_number(std::uint32_t stream_number) {
    next_stream_number_ = std::max(next_stream_number_, stream_number + 1);
}

// A group starts where it is told, and goes where it is sent; but what all groups were through with before is
// removed for it as well.
bool spool_state::apply_group_change(std::string_view payload) {
    records::group_change record;
    if (!unpack_struct(payload, record)) return false;
    const auto number = static_cast<std::uint32_t>(record.number);
    next_group_number_ = std::max(next_group_number_, number + 1);
    use_up_number(static_cast<std::uint32_t>(record.stream));
    stream* owner = find(static_cast<std::uint32_t>(record.stream));
    if (owner == nullptr) return true;
    if (record.change == static_cast<std::uint64_t>(records::settings_change::removed)) {
        owner->remove_group(number);
        return true;
    }
    const std::uint64_t start = std::max(record.start, owner->first);
    const auto found = owner->groups.find(number);
    if (record.change == static_cast<std::uint64_t>(records::settings_change::seek)) {
        if (found == owner->groups.end()) return true;
        found->second.apply_seek(start, owner->kept(), owner->next, owner->lanes);
        owner->settle_first();
        return true;
    }
    if (found != owner->groups.end()) {
        found->second.settings = record.settings;
        return true;
    }
    const offset_set kept = owner->kept();
    group& added =
        owner->groups.try_emplace(number, number, record.name, record.settings, start).first->second;
    added.apply_mark(record.delivered_mark);
    added.start_at(start, owner->lanes);
    added.settle_but(kept, owner->next, owner->lanes);
    owner->settle_first();  // the first group may not want what was there before it
    return true;
}

bool spool_state::apply_producer_change(std::string_view payload, std::uint64_t wall_ns) {
    records::producer_change record;
    if (!unpack_struct(payload, record)) return false;
    stream* owner = find(static_cast<std::uint32_t>(record.stream));
    if (owner == nullptr) return true;
    const stream::producer_key key{record.user, record.id};
    if (record.change == static_cast<std::uint64_t>(records::producer_change_kind::expired)) {
        owner->producers.erase(key);
        return true;
    }
    producer_state& changed = owner->producers[key];
    changed.user = record.user;
    changed.id = record.id;
    changed.name = record.name;
    changed.epoch = std::max(changed.epoch, record.epoch);
    changed.last_used_wall_ns = wall_ns;
    return true;
}

// Nothing but a purge and damage takes dead letters: those have limits of their own.
void spool_state::remove(stream& from, run gone, records::removal_reason why) {
    const bool dead_too = why == records::removal_reason::purge || why == records::removal_reason::damage;
    for (auto& [number, each] : from.groups) each.apply_removed(gone, from.lanes, dead_too);
    run_set nowhere;
    nowhere.add(gone);
    for (auto& [number, each] : from.groups)
        for (auto died = each.dead().next(gone.first); died && died->offset < gone.end();
             died = each.dead().next(died->end()))
            nowhere.remove({died->offset, died->count});
    for (const auto& [first, end] : nowhere.runs()) from.remove({first, end - first});
}

bool spool_state::apply_removed(std::string_view payload) {
    records::removed record;
    if (!unpack_struct(payload, record)) return false;
    stream* owner = find(static_cast<std::uint32_t>(record.stream));
    if (owner == nullptr) return true;
    if (record.reason < owner->removed.size()) owner->removed[record.reason] += record.messages;
    for (const run& each : record.runs) {
        if (record.group != 0) {
            const auto whose = owner->groups.find(static_cast<std::uint32_t>(record.group));
            if (whose != owner->groups.end()) whose->second.apply_drop(each);
            continue;
        }
        remove(*owner, each, static_cast<records::removal_reason>(record.reason));
    }
    owner->settle_first();
    return true;
}

bool spool_state::apply_appointments(std::string_view payload) {
    records::appointments record;
    offset_set read;
    if (!unpack_struct(payload, record) || !read.load(record.records)) return false;
    stream* owner = find(static_cast<std::uint32_t>(record.stream));
    if (owner == nullptr) return true;
    return owner->lanes.opened(record.waiting, calendar::key_of(record.start_ms, record.width_ms), read,
                               record.found);
}

std::string spool_state::save(std::optional<std::uint64_t> stopped_incarnation, instant now) const {
    saved_state into;
    into.stopped = stopped_incarnation;
    into.next_stream_number = next_stream_number_;
    into.next_group_number = next_group_number_;
    for (const auto& [number, each] : streams_)
        into.streams.push_back(save_stream(each, now, stopped_incarnation.has_value()));
    into.ids = ids_.save();
    into.committed = committed_.save();
    return pack_struct(into);
}

bool spool_state::load(std::string_view saved, instant now) {
    saved_state from;
    if (!unpack_struct(saved, from) || from.version != snapshot_version || !ids_.load(from.ids)) return false;
    committed_.load(from.committed);
    stopped_ = from.stopped;
    next_stream_number_ = static_cast<std::uint32_t>(from.next_stream_number);
    next_group_number_ = static_cast<std::uint32_t>(from.next_group_number);
    streams_.clear();
    numbers_.clear();
    for (saved_stream& each : from.streams) {
        numbers_.emplace(each.name, static_cast<std::uint32_t>(each.number));
        const auto number = static_cast<std::uint32_t>(each.number);
        streams_.emplace(number, load_stream(std::move(each), now));
    }
    return true;
}

stream* spool_state::find(std::string_view name) {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? nullptr : find(found->second);
}

stream* spool_state::find(std::uint32_t number) {
    const auto found = streams_.find(number);
    return found == streams_.end() ? nullptr : &found->second;
}

}  // namespace ferry
