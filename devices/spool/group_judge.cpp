// What an ack is worth to a group: whether its lease still holds what it names, and if not what became of it.
#include <algorithm>
#include <limits>

#include "devices/spool/group.hpp"
#include "devices/spool/runs.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

}  // namespace

// Where an ack of a settled message belongs. A dead letter may be redriven, so its ack must not count.
std::vector<run>* group::settled_as(std::uint64_t at, std::uint64_t& end, ack_outcome& into) const {
    const auto died = dead_.next(at);
    if (died && died->offset == at) {
        end = std::min(end, died->end());
        return &into.stale;
    }
    const auto removed = gone_.next_run(at);
    if (removed && removed->first == at) {
        end = std::min(end, removed->end());
        return &into.gone;
    }
    if (died) end = std::min(end, died->offset);
    if (removed) end = std::min(end, removed->first);
    return &into.already;
}

void group::judge(std::uint64_t lease_id, run acked, const lanes& of, ack_outcome& into) const {
    std::uint64_t at = acked.first;
    while (at < acked.end()) {
        const auto lost = lost_.next(lease_id, at);
        if (lost && lost->first == at) {
            const std::uint64_t end = std::min(acked.end(), lost->end());
            add_run(into.stale, {at, end - at});
            at = end;
            continue;
        }
        auto next = open_.upper_bound(at);
        const bool inside =
            next != open_.begin() && std::prev(next)->first + std::prev(next)->second.count > at;
        const auto open = inside ? std::prev(next) : open_.end();
        const std::uint64_t open_from = next == open_.end() ? never : next->first;
        std::uint64_t end = std::min(
            {acked.end(), inside ? open->first + open->second.count : open_from, lost ? lost->first : never});
        std::vector<run>* where = nullptr;
        if (inside) {
            const bool held = open->second.is == fate::leased && open->second.lease_id == lease_id;
            where = held ? &into.leased : &into.stale;
        } else if (!progress_.looked_at(at, end, of)) {
            if (at < seen_.below()) end = std::min(end, seen_.below());
            where = at < seen_.below() ? &into.stale : &into.gone;
        } else {
            where = settled_as(at, end, into);
        }
        add_run(*where, {at, end - at});
        at = end;
    }
}

// What is on lease of it is not any more, and was not settled.
void group::lose(run what) {
    auto at = open_.upper_bound(what.first);
    if (at != open_.begin()) --at;
    for (; at != open_.end() && at->first < what.end(); ++at) {
        const run part = overlap({at->first, at->second.count}, what);
        if (at->second.is == fate::leased && part.count > 0) lost_.add(at->second.lease_id, part);
    }
}

}  // namespace ferry
