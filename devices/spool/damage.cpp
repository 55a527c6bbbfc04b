#include "devices/spool/damage.hpp"

namespace ferry {

void remove_damaged(brain_parts& parts, const stream& from, std::uint64_t from_offset, std::uint64_t end) {
    if (from_offset >= end) return;
    records::removed record{
        from.number, static_cast<std::uint64_t>(records::removal_reason::damage), {}, 0, 0};
    parts.journal.flush_acks(parts.now);
    const offset_set needed = from.kept({from_offset, end - from_offset}).offsets;
    for (auto lost = needed.next_run(from_offset, end); lost; lost = needed.next_run(lost->end(), end)) {
        record.runs.push_back(*lost);
        record.messages += lost->count;
    }
    parts.counters.messages_damaged += record.messages;
    if (record.runs.empty() || !parts.read_only_reason.empty()) return;
    parts.journal.append(log::record_type::removed, record, parts.now);
    parts.journal.sync_now();
}

}  // namespace ferry
