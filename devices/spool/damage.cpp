#include "devices/spool/damage.hpp"

#include <algorithm>

namespace ferry {

void remove_damaged(brain_parts& parts, const stream& from, std::uint64_t from_offset, std::uint64_t end) {
    records::removed record{
        from.number, static_cast<std::uint64_t>(records::removal_reason::damage), {}, 0, 0};
    const std::uint64_t begin = std::max(from_offset, from.first);
    for (std::uint64_t at = from.lanes.gaps.first_absent(begin); at < end;
         at = from.lanes.gaps.first_absent(at)) {
        const auto gap = from.lanes.gaps.next_run(at);
        const std::uint64_t until = gap ? std::min(end, gap->first) : end;
        record.runs.push_back({at, until - at});
        record.messages += until - at;
        at = until;
    }
    parts.counters.messages_damaged += record.messages;
    if (record.runs.empty() || !parts.read_only_reason.empty()) return;
    parts.journal.append(log::record_type::removed, record, parts.now);
    parts.journal.sync_now();
}

}  // namespace ferry
