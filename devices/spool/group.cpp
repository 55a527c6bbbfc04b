#include "devices/spool/group.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "core/pack_fields.hpp"
#include "devices/spool/runs.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t gone_runs_max = 1024;

}  // namespace

bool group::open_run::same_fate(const open_run& other) const {
    return attempt == other.attempt && failures == other.failures && is == other.is &&
           priority == other.priority && due_ns == other.due_ns && lease_id == other.lease_id;
}

// Joins with the neighbours of equal fate, so that what came back in pieces does not stay in pieces.
void group::insert(std::uint64_t offset, const open_run& open) {
    if (open.count == 0) return;
    std::uint64_t first = offset;
    open_run whole = open;
    auto after = open_.lower_bound(offset);
    assert(after == open_.end() || offset + open.count <= after->first);
    if (after != open_.end() && after->first == offset + open.count && after->second.same_fate(open)) {
        whole.count += after->second.count;
        after = erase(after);
    }
    if (after != open_.begin()) {
        const auto before = std::prev(after);
        assert(before->first + before->second.count <= offset);
        if (before->first + before->second.count == offset && before->second.same_fate(open)) {
            first = before->first;
            whole.count += before->second.count;
            erase(before);
        }
    }
    open_.emplace(first, whole);
    counts_[static_cast<int>(whole.is)] += whole.count;
    if (whole.is == fate::ready) ready_.emplace(9U - whole.priority, first);
    if (whole.is == fate::delayed) delayed_.emplace(whole.due_ns, first);
}

group::open_map::iterator group::erase(open_map::iterator at) {
    counts_[static_cast<int>(at->second.is)] -= at->second.count;
    if (at->second.is == fate::ready) ready_.erase({9U - at->second.priority, at->first});
    if (at->second.is == fate::delayed) delayed_.erase({at->second.due_ns, at->first});
    return open_.erase(at);
}

// What is open is not new, whatever a damaged log says: it stays what it is.
void group::insert_new(run fresh, const lanes& of) {
    while (fresh.count > 0) {
        auto open = open_.upper_bound(fresh.first);
        if (open != open_.begin() && std::prev(open)->first + std::prev(open)->second.count > fresh.first)
            --open;
        const run known = open == open_.end() ? run{fresh.end(), 0} : run{open->first, open->second.count};
        const std::uint64_t end = std::clamp(known.first, fresh.first, fresh.end());
        open_new({fresh.first, end - fresh.first}, of);
        const std::uint64_t rest = std::clamp(known.end(), end, fresh.end());
        fresh = {rest, fresh.end() - rest};
    }
}

// What was passed over waits for its first attempt, each message with its own priority, which an ordered
// group does not have.
void group::open_new(run fresh, const lanes& of) {
    if (settings.ordered) {
        while (fresh.count > 0) {
            const tried_run part = first_attempt(fresh);
            insert(part.offset, {.count = part.count, .attempt = part.attempt});
            fresh = {part.end(), fresh.end() - part.end()};
        }
        return;
    }
    of.split(fresh, [&](unsigned lane, run part) {
        for (std::uint64_t at = part.first; at < part.end();) {
            const unsigned priority = of.priority_of(lane, at);
            const std::uint64_t end = lane == lanes::late_lane ? at + 1 : part.end();
            insert(at, {.count = end - at, .priority = static_cast<std::uint8_t>(priority)});
            at = end;
        }
    });
}

// What is passed over by the way was not looked at: an ordered group leaves it.
void group::look(run what, const lanes& of, bool itself) {
    // Nobody has met it: it is told as what comes back is.
    const auto pass_over = [this](run fresh) {
        progress_.leave_behind(fresh);
        if (watched_ && fresh.count > 0) add_run(came_back_, fresh);
    };
    progress_.look(what, of, itself, [&](run fresh) {
        if (!settings.ordered) return insert_new(fresh, of);
        const run inner = overlap(fresh, what);
        if (inner.count == 0) return pass_over(fresh);
        pass_over({fresh.first, inner.first - fresh.first});
        pass_over({inner.end(), fresh.end() - inner.end()});
        if (itself) insert_new(inner, of);
    });
}

void group::watch() {
    watched_ = true;
    settled_.clear();
    came_back_.clear();
}

// Takes what is open within the run out, and puts what `change` makes of each piece back (unless it says no).
template <typename Change>
void group::replace(run within, Change change) {
    auto at = open_.upper_bound(within.first);
    if (at != open_.begin() && std::prev(at)->first + std::prev(at)->second.count > within.first) --at;
    std::vector<std::pair<std::uint64_t, open_run>> pieces;
    while (at != open_.end() && at->first < within.end()) {
        pieces.emplace_back(at->first, at->second);
        at = erase(at);
    }
    for (const auto& [offset, open] : pieces) {
        const run all{offset, open.count};
        const run inner = overlap(all, within);
        open_run part = open;
        part.count = inner.first - all.first;
        insert(all.first, part);
        part = open;
        part.count = inner.count;
        if (change(inner.first, part)) insert(inner.first, part);
        part = open;
        part.count = all.end() - inner.end();
        insert(inner.end(), part);
    }
}

void group::clear(run place, const lanes& of) {
    look(place, of, true);
    replace(place, [](std::uint64_t, const open_run&) { return false; });
}

void group::count_down(std::uint64_t lease_id, std::uint64_t count) {
    const auto found = leases_.find(lease_id);
    if (found == leases_.end()) return;
    assert(found->second.outstanding >= count);
    found->second.outstanding -= count;
    if (found->second.outstanding > 0) return;
    deadlines_.erase({found->second.deadline_ns, lease_id});
    leases_.erase(found);
}

// The lowest of the highest priority that came back. What claims are awaited for may be one run with what
// comes behind it.
std::optional<tried_run> group::pick_returned(std::uint64_t visible, const lanes& of,
                                              std::uint64_t count_max) const {
    for (unsigned rank = of.plain() ? 9 : 0; rank < lanes::priorities; ++rank) {
        auto lowest = ready_.lower_bound({rank, claims_below_});
        const auto end_of = [&](const auto& at) { return at->second + open_.at(at->second).count; };
        if (lowest != ready_.begin() && std::prev(lowest)->first == rank &&
            end_of(std::prev(lowest)) > claims_below_)
            --lowest;
        if (lowest == ready_.end() || lowest->first != rank) continue;
        const std::uint64_t offset = std::max(lowest->second, claims_below_);
        if (offset >= visible) continue;
        const open_run& open = open_.at(lowest->second);
        return tried_run{offset, std::min({end_of(lowest) - offset, count_max, visible - offset}),
                         open.attempt, open.failures, 0};
    }
    return std::nullopt;
}

std::optional<tried_run> group::pick(std::uint64_t visible, const lanes& of, std::uint64_t count_max) const {
    if (count_max == 0) return std::nullopt;
    const auto returned = ready_.empty() ? std::nullopt : pick_returned(visible, of, count_max);
    if (returned && of.plain()) return returned;
    const auto fresh = progress_.next(visible, of);
    if (returned && fresh) {
        const auto priority_of = [&](std::uint64_t at) { return of.priority_of(of.lane_of(at), at); };
        if (priority_of(returned->offset) >= priority_of(fresh->first)) return returned;
    }
    if (fresh) return tried_run{fresh->first, std::min(fresh->count, count_max), 1, 0, 0};
    return returned;
}

lease& group::new_lease(lease made) {
    deadlines_.emplace(made.deadline_ns, made.id);
    const std::uint64_t id = made.id;
    return leases_.emplace(id, std::move(made)).first->second;
}

lease* group::find_lease(std::uint64_t id) {
    const auto found = leases_.find(id);
    return found == leases_.end() ? nullptr : &found->second;
}

void group::extend(lease& held, std::uint64_t deadline_ns) {
    deadlines_.erase({held.deadline_ns, held.id});
    held.deadline_ns = deadline_ns;
    deadlines_.emplace(deadline_ns, held.id);
}

void group::take(const tried_run& picked, const lanes& of, lease& under) {
    const run taken{picked.offset, picked.count};
    // From the cursor a gap may have been stepped over; the cursor goes with it, and the gap is settled.
    look(taken, of, true);
    replace(taken, [&](std::uint64_t, open_run& open) {
        open.is = fate::leased;
        open.lease_id = under.id;
        open.due_ns = 0;
        return true;
    });
    add_run(under.runs, taken);
    under.outstanding += picked.count;
}

std::vector<run> group::claim(lease& under, run wanted, const lanes& of) {
    std::vector<run> claimed;
    const run awaited = overlap(wanted, {0, claims_below_});
    if (settings.ordered && awaited.count > 0) look(awaited, of, true);
    replace(awaited, [&](std::uint64_t offset, open_run& open) {
        if (open.is != fate::ready) return true;
        add_run(claimed, {offset, open.count});
        open.is = fate::leased;
        open.lease_id = under.id;
        return true;
    });
    for (const run& each : claimed) {
        lost_.remove(under.id, each);
        add_run(under.runs, each);
        under.outstanding += each.count;
    }
    return claimed;
}

void group::hand_over(lease& held, std::uint64_t holder, std::uint64_t deadline_ns) {
    held.holder = holder;
    held.frame = 0;  // received: the claim says so
    extend(held, deadline_ns);
}

std::vector<tried_run> group::open_under(std::uint64_t lease_id, const std::vector<run>& within) const {
    std::vector<tried_run> found;
    for (const run& each : within) {
        auto at = open_.upper_bound(each.first);
        if (at != open_.begin()) --at;
        for (; at != open_.end() && at->first < each.end(); ++at) {
            const run part = overlap({at->first, at->second.count}, each);
            const bool held = at->second.is == fate::leased && at->second.lease_id == lease_id;
            if (held && part.count > 0)
                found.push_back({part.first, part.count, at->second.attempt, at->second.failures, 0});
        }
    }
    return found;
}

void group::release(std::uint64_t lease_id, const std::vector<run>& runs) {
    std::uint64_t released = 0;
    for (const run& each : runs)
        replace(each, [&](std::uint64_t offset, open_run& open) {
            if (open.is != fate::leased || open.lease_id != lease_id) return true;
            lost_.add(lease_id, {offset, open.count});
            released += open.count;
            open.is = fate::ready;
            open.lease_id = 0;
            return true;
        });
    count_down(lease_id, released);
}

void group::skip(run unwanted, const lanes& of) {
    look(unwanted, of, true);
    replace(unwanted, [&](std::uint64_t, open_run& open) {
        assert(open.is == fate::ready);
        open.is = fate::skipped;
        return true;
    });
}

std::uint64_t group::next_deadline_ns() const {
    return deadlines_.empty() ? never : deadlines_.begin()->first;
}
std::uint64_t group::next_due_ns() const {
    return delayed_.empty() ? never : delayed_.begin()->first;
}

std::vector<std::uint64_t> group::expired(std::uint64_t now_ns) const {
    std::vector<std::uint64_t> ids;
    for (auto at = deadlines_.begin(); at != deadlines_.end() && at->first <= now_ns; ++at)
        ids.push_back(at->second);
    return ids;
}

bool group::wake_due(std::uint64_t now_ns) {
    bool any = false;
    while (!delayed_.empty() && delayed_.begin()->first <= now_ns) {
        const auto at = open_.find(delayed_.begin()->second);
        const std::uint64_t offset = at->first;
        open_run open = at->second;
        erase(at);
        open.is = fate::ready;
        open.due_ns = 0;
        insert(offset, open);
        any = true;
    }
    return any;
}

void group::apply_ack(run settled, const lanes& of) {
    look(settled, of, false);
    if (watched_) add_run(settled_, settled);
    seen_.settled(settled);
    replace(settled, [&](std::uint64_t, const open_run& open) {
        if (open.is == fate::leased) count_down(open.lease_id, open.count);
        return false;
    });
}

void group::apply_attempt(const tried_run& tried, const lanes& of, instant now) {
    look({tried.offset, tried.count}, of, true);
    set_tried(tried, now);
}

void group::set_tried(const tried_run& tried, instant now) {
    lose({tried.offset, tried.count});
    const bool later = tried.due_wall_ns > now.wall_ns;
    replace({tried.offset, tried.count}, [&](std::uint64_t, open_run& open) {
        if (open.is == fate::leased) count_down(open.lease_id, open.count);
        open.is = later ? fate::delayed : fate::ready;
        open.due_ns = later ? now.monotonic_ns + (tried.due_wall_ns - now.wall_ns) : 0;
        open.lease_id = 0;
        open.attempt = tried.attempt;
        open.failures = tried.failures;
        return true;
    });
}

void group::apply_dead(const dead_run& died, const lanes& of) {
    apply_ack({died.offset, died.count}, of);
    dead_.add(died);
}

void group::apply_redrive(run within, const lanes& of) {
    for (const dead_run& each : dead_.take(within)) {
        const run back{each.offset, each.count};
        if (!settings.ordered) {
            insert_new(back, of);
            continue;
        }
        progress_.leave_behind(back);
        seen_.redriven(back);
        if (watched_) add_run(came_back_, back);
    }
}

void group::apply_removed(run removed, const lanes& of, bool dead_too) {
    replace(removed, [&](std::uint64_t offset, const open_run& open) {
        if (open.is == fate::leased) gone_.add({offset, open.count});
        return true;
    });
    while (gone_.runs().size() > gone_runs_max) {
        const auto [first, end] = *gone_.runs().begin();
        gone_.remove({first, end - first});
    }
    apply_ack(removed, of);
    if (dead_too) dead_.take(removed);
}

void group::settle_but(const offset_set& kept, std::uint64_t end, const lanes& of) {
    for (std::uint64_t at = progress_.cursor(); at < end;) {
        const auto live = kept.next_run(at, end);
        const std::uint64_t until = live ? live->first : end;
        if (until > at) apply_ack({at, until - at}, of);
        at = live ? live->end() : end;
    }
}

void group::apply_seek(std::uint64_t start, const offset_set& kept, std::uint64_t end, const lanes& of) {
    lose({0, never});
    while (!open_.empty()) erase(open_.begin());
    leases_.clear();
    deadlines_.clear();
    claims_below_ = 0;
    seen_ = {};
    ++seeks_;
    progress_.restart(start, of);
    settle_but(kept, end, of);
    for (auto died = dead_.next(start); died; died = dead_.next(died->end()))
        apply_ack({died->offset, died->count}, of);
}

std::vector<tried_run> group::perhaps_seen(std::uint64_t stored_end, const lanes& of, instant now) const {
    const std::uint64_t end = std::min(delivered_mark_, stored_end);
    std::vector<tried_run> seen;
    for (const auto& [offset, open] : open_) {
        if (offset >= end) break;
        tried_run one = tried(offset, open, now);
        one.count = std::min(open.count, end - offset);
        ++one.attempt;
        seen.push_back(one);
    }
    // Of an ordered group a mark says it: what it left may be a great many pieces.
    if (settings.ordered) return seen;
    progress_.each_new(end, of, [&](run fresh) { seen.push_back({fresh.first, fresh.count, 2, 0, 0}); });
    return seen;
}

void group::apply_seen(std::uint64_t below, const lanes& of) {
    seen_.raise(below, floor(of));
}

std::uint64_t group::floor(const lanes& of) const {
    if (open_.empty()) return progress_.lowest(of);
    const std::uint64_t open = open_.begin()->first;
    return of.plain() && !settings.ordered ? open : std::min(open, progress_.lowest(of));
}

bool group::needs(std::uint64_t offset, const lanes& of) const {
    const auto after = open_.upper_bound(offset);
    if (after != open_.begin() && std::prev(after)->first + std::prev(after)->second.count > offset)
        return true;
    std::uint64_t end = offset + 1;
    return !progress_.looked_at(offset, end, of);
}

std::uint64_t group::attempts_of(std::uint64_t offset) const {
    const auto after = open_.upper_bound(offset);
    if (after == open_.begin()) return 0;
    const auto& [first, open] = *std::prev(after);
    if (first + open.count <= offset) return 0;
    return open.is == fate::leased ? open.attempt : open.attempt - 1;
}

std::uint64_t group::needed_from(const lanes& of) const {
    const std::uint64_t settled = floor(of);
    return dead_.empty() ? settled : std::min(settled, dead_.runs().begin()->first);
}

std::size_t group::add_needed(offset_set& needed, run within, const lanes& of) const {
    std::size_t pieces = 0;
    const auto add = [&](run part) {
        if (part.count == 0) return;
        needed.add(part);
        ++pieces;
    };
    auto open = open_.upper_bound(within.first);
    if (open != open_.begin()) --open;
    for (; open != open_.end() && open->first < within.end(); ++open)
        add(overlap({open->first, open->second.count}, within));
    for (auto died = dead_.next(within.first); died && died->offset < within.end();
         died = dead_.next(died->end()))
        add(overlap({died->offset, died->count}, within));
    progress_.each_needed(within, of, add);
    return pieces;
}

}  // namespace ferry
