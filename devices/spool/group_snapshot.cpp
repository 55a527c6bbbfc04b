// The group in a snapshot, and back: its open runs and dead letters, and its leases after an orderly stop.
#include <algorithm>
#include <limits>

#include "core/pack_fields.hpp"
#include "devices/spool/group.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

// What parted two runs, as the leases they are under, may be nothing a snapshot keeps.
void add_tried(std::vector<tried_run>& to, const tried_run& next) {
    const bool goes_on = !to.empty() && to.back().end() == next.offset && to.back().attempt == next.attempt &&
                         to.back().failures == next.failures && to.back().due_wall_ns == next.due_wall_ns;
    if (goes_on)
        to.back().count += next.count;
    else
        to.push_back(next);
}

}  // namespace

tried_run group::tried(std::uint64_t offset, const open_run& open, instant now) const {
    const bool later = open.is == fate::delayed && open.due_ns > now.monotonic_ns;
    const std::uint64_t due = later ? now.wall_ns + (open.due_ns - now.monotonic_ns) : 0;
    return {offset, open.count, open.attempt, open.failures, due};
}

group::saved group::save(instant now, bool with_leases) const {
    saved into{number, name, settings, progress_.save(), delivered_mark_, {}, {}, {}, seen_.save()};
    for (const auto& [offset, open] : open_) add_tried(into.open, tried(offset, open, now));
    for (const auto& [offset, died] : dead_.runs()) into.dead.push_back(died);
    if (!with_leases) return into;
    for (const auto& [id, each] : leases_) {
        const std::uint64_t held_ms = (now.monotonic_ns - each.given_ns) / 1'000'000;
        saved_lease& kept = into.leases.emplace_back(saved_lease{id, each.user, held_ms, {}});
        for (const tried_run& open : open_under(id, each.runs))
            kept.runs.push_back({open.offset, open.count});
    }
    return into;
}

group::group(const saved& from, const lanes& of, instant now)
    : group{static_cast<std::uint32_t>(from.number), from.name, from.settings, 0} {
    progress_.load(from.looked_at);
    delivered_mark_ = from.delivered_mark;
    seen_.load(from.seen);
    // What is open or dead was looked at, and an offset is one of these once. A snapshot that says otherwise
    // is made to agree: what cannot be is no reason to lose the rest.
    for (const tried_run& each : from.open) {
        clear({each.offset, each.count}, of);
        insert_new({each.offset, each.count}, of);
        set_tried(each, now);
    }
    for (const dead_run& each : from.dead) {
        clear({each.offset, each.count}, of);
        dead_.add(each);
    }
    for (const saved_lease& each : from.leases) {
        const std::uint64_t held_ns = std::min(each.held_ms * 1'000'000, now.monotonic_ns);
        lease& kept = new_lease({.id = each.id,
                                 .holder = 0,
                                 .frame = 0,
                                 .user = each.user,
                                 .deadline_ns = now.monotonic_ns,
                                 .given_ns = now.monotonic_ns - held_ns,
                                 .runs = {},
                                 .outstanding = 0});
        claims_below_ = never;
        for (const run& held : each.runs) claim(kept, held, of);
        claims_below_ = 0;
    }
}

}  // namespace ferry
