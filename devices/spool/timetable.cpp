#include "devices/spool/timetable.hpp"

#include <algorithm>

namespace ferry {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};

bool needed(const stream& in, std::uint64_t offset) {
    if (offset < in.first || in.lanes.gaps.contains(offset)) return false;
    if (in.groups.empty()) return true;
    return std::any_of(in.groups.begin(), in.groups.end(),
                       [&](const auto& entry) { return entry.second.needs(offset, in.lanes); });
}

}  // namespace

void timetable::become_due(stream& in, stream_run& run) {
    if (run.due_pending || in.lanes.next_due_ms() > parts_.steady_wall_ms()) return;
    run.due_pending = true;
    parts_.journal.append(log::record_type::mark,
                          records::mark{static_cast<std::uint64_t>(records::mark_kind::due), in.number, 0,
                                        parts_.steady_wall_ms()},
                          parts_.now);
    parts_.journal.sync_now();
    parts_.journal.when(protocol::grade::synced, [this, number = in.number] {
        parts_.stream_runs[number].due_pending = false;
        parts_.touched.insert(number);
    });
}

void timetable::expire(stream& in) {
    if (in.lanes.next_expiry_ms() > parts_.steady_wall_ms()) return;
    parts_.journal.flush_acks(parts_.now);
    offset_set over = in.lanes.take_expired(parts_.steady_wall_ms());
    records::removed record{in.number, static_cast<std::uint64_t>(records::removal_reason::expiry), {}, 0, 0};
    for (auto at = over.next(0); at; at = over.next(*at + 1)) {
        if (!needed(in, *at)) continue;
        ++record.messages;
        if (!record.runs.empty() && record.runs.back().end() == *at)
            ++record.runs.back().count;
        else
            record.runs.push_back({*at, 1});
    }
    if (record.runs.empty()) return;
    parts_.counters.messages_expired += record.messages;
    parts_.journal.append(log::record_type::removed, record, parts_.now);
    parts_.journal.sync_soon(parts_.now, 0);
    parts_.touched.insert(in.number);
}

void timetable::tick() {
    if (!parts_.read_only_reason.empty()) return;
    for (auto& [number, in] : parts_.state.streams()) {
        expire(in);
        become_due(in, parts_.stream_runs[number]);
    }
}

std::uint64_t timetable::next_due_ns() const {
    if (!parts_.read_only_reason.empty()) return never;
    std::uint64_t soonest_ms = never;
    for (const auto& [number, in] : parts_.state.streams()) {
        soonest_ms = std::min(soonest_ms, in.lanes.next_expiry_ms());
        const auto run = parts_.stream_runs.find(number);
        const bool pending = run != parts_.stream_runs.end() && run->second.due_pending;
        if (!pending) soonest_ms = std::min(soonest_ms, in.lanes.next_due_ms());
    }
    if (soonest_ms == never) return never;
    const std::uint64_t now_ms = parts_.steady_wall_ms();
    return parts_.now.monotonic_ns + (soonest_ms > now_ms ? (soonest_ms - now_ms) * 1'000'000 : 0);
}

}  // namespace ferry
