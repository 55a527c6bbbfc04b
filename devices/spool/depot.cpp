#include "devices/spool/depot.hpp"

#include <algorithm>

namespace ferry {
namespace {

using protocol::grade;

constexpr std::uint64_t told_step = 65'536;
constexpr std::uint64_t told_margin = 16'384;
constexpr std::uint64_t weak_sync_within_ns = 1'000'000'000;

}  // namespace

void depot::advance_visible(std::uint32_t stream_number) {
    stream_run& run = parts_.stream_runs[stream_number];
    while (!run.pending.empty()) {
        const auto& next = run.pending.front();
        if (!next.durable || (next.needs_told && next.end > run.told_durable)) break;
        run.visible = next.end;
        run.pending.pop_front();
        parts_.touched.insert(stream_number);
    }
    while (!run.untold.empty() && run.untold.front().first <= run.told_durable) {
        const auto answer = std::move(run.untold.front().second);
        run.untold.pop_front();
        answer();
    }
}

stream& depot::find_or_create(const std::string& name) {
    if (stream* found = parts_.state.find(name)) return *found;
    const std::uint32_t fresh = parts_.state.next_stream_number();
    parts_.journal.append(log::record_type::stream_settings,
                          records::stream_change{static_cast<std::uint64_t>(records::settings_change::set),
                                                 fresh,
                                                 name,
                                                 {static_cast<std::uint64_t>(parts_.options.default_grade)}},
                          parts_.now);
    return *parts_.state.find(fresh);
}

std::uint64_t depot::store(stream& into, const record& what, shared_bytes batch) {
    const std::uint64_t offset = into.next;
    const std::uint64_t end = offset + what.count;
    parts_.journal.append({.type = log::record_type::messages,
                           .flags = static_cast<std::uint8_t>(static_cast<unsigned>(what.grade) | what.flags),
                           .stream = into.number,
                           .first_offset = offset,
                           .count = static_cast<std::uint32_t>(what.count),
                           .head = what.head,
                           .body = batch},
                          parts_.now);
    stream_run& run = parts_.stream_runs[into.number];
    run.pending.push_back({end, false, what.grade != grade::synced});
    if (what.grade == grade::synced) {
        parts_.journal.sync_now();
    } else {
        ask_told(into, end);
        parts_.journal.sync_soon(parts_.now, weak_sync_within_ns);
    }
    // It may be shown once its record is as durable as was asked for, and readable from the log.
    const grade shown_at = what.grade == grade::synced ? grade::synced : grade::written;
    parts_.journal.when(shown_at, [this, number = into.number, end] {
        for (auto& each : parts_.stream_runs[number].pending)
            if (each.end == end) each.durable = true;
        advance_visible(number);
    });
    parts_.cache.add(into.number, {offset,
                                   what.count,
                                   parts_.now.wall_ns,
                                   static_cast<checksum_kind>(what.checksum_kind),
                                   static_cast<std::uint32_t>(what.checksum),
                                   std::move(batch),
                                   {}});
    return offset;
}

void depot::ask_told(stream& into, std::uint64_t end) {
    stream_run& run = parts_.stream_runs[into.number];
    if (end + told_margin <= std::max(run.told_asked, into.told_mark)) return;
    run.told_asked = end + told_step;
    parts_.journal.append(
        log::record_type::mark,
        records::mark{static_cast<std::uint64_t>(records::mark_kind::told), into.number, 0, run.told_asked},
        parts_.now);
    parts_.journal.sync_now();
    parts_.journal.when(grade::synced, [this, number = into.number, mark = run.told_asked] {
        stream_run& told = parts_.stream_runs[number];
        told.told_durable = std::max(told.told_durable, mark);
        advance_visible(number);
    });
}

}  // namespace ferry
