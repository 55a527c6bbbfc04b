#include "devices/spool/usher.hpp"

#include <algorithm>

namespace ferry {

const ordered_run* usher::find_run(const stream& from, const group& whose) const {
    const auto found = parts_.group_runs.find({from.number, whose.number});
    return found == parts_.group_runs.end() ? nullptr : found->second.ordered.get();
}

// A restart of the spool and a seek begin anew: then what is out is known by its offsets only, and what was
// settled shortly before is not known at all.
ordered_run& usher::run_of(const stream& from, group& whose) {
    auto& at = parts_.group_runs[{from.number, whose.number}].ordered;
    if (at && at->seeks == whose.seeks()) return *at;
    at = std::make_unique<ordered_run>();
    at->seeks = whose.seeks();
    whose.each_open([&](run open) { at->unknown.add(open); });
    whose.each_left([&](run left) { at->unmet.add(left); });
    whose.watch();
    when_durable(from, whose, *at, {.blind = true});
    return *at;
}

// These keys are free then, and what waited is gone. Blind: something was settled whose key is not known, so
// nothing may go before.
void usher::when_durable(const stream& from, const group& whose, ordered_run& at, settled_turn turn) {
    const auto durable = static_cast<protocol::grade>(from.settings.grade);
    const auto awaited = [&](std::uint64_t key) { return at.keys.awaited(key); };
    const bool in_haste = turn.blind || std::ranges::any_of(turn.keys, awaited);
    if (in_haste && durable == protocol::grade::synced) parts_.journal.sync_now();
    at.blind += turn.blind ? 1 : 0;
    const std::uint64_t number = ++at.turns;
    if (!turn.waited.empty()) at.going.emplace(number, std::move(turn.waited));
    parts_.journal.when(durable, [this, which = brain_parts::group_key{from.number, whose.number},
                                  seeks = at.seeks, number, keys = std::move(turn.keys),
                                  blind = turn.blind] { free(which, seeks, number, keys, blind); });
}

// What became of messages since the last turn: the keys of those that are settled wait for the disk. Where
// they are not known yet everything waits.
void usher::hear(const stream& from, group& whose, ordered_run& at) {
    settled_turn turn;
    for (const run& each : whose.take_settled()) {
        turn.blind = turn.blind || at.unknown.next_run(each.first, each.end()) ||
                     at.unmet.next_run(each.first, each.end());
        at.unknown.remove(each);
        at.unmet.remove(each);
        const std::vector<std::uint64_t> had = at.keys.settle(each);
        turn.keys.insert(turn.keys.end(), had.begin(), had.end());
        if (had.size() < each.count && at.keys.keys_held() > 0) turn.waited.add(each);
    }
    for (const run& each : whose.take_came_back())
        for (std::uint64_t offset = each.first; offset < each.end(); ++offset) {
            if (!whose.left(offset)) continue;  // it was settled meanwhile
            at.unmet.add(offset);
            turn.waited.remove(offset);
            for (auto& [number, some] : at.going) some.remove(offset);
        }
    if (!turn.keys.empty() || !turn.waited.empty() || turn.blind)
        when_durable(from, whose, at, std::move(turn));
}

void usher::free(brain_parts::group_key which, std::uint64_t seeks, std::uint64_t turn,
                 std::vector<std::uint64_t> keys, bool was_blind) {
    const auto found = parts_.group_runs.find(which);
    const stream* from = parts_.state.find(which.first);
    if (from == nullptr || found == parts_.group_runs.end() || !found->second.ordered) return;
    const auto whose = from->groups.find(which.second);
    ordered_run& at = *found->second.ordered;
    if (whose == from->groups.end() || at.seeks != seeks) return;
    at.blind -= was_blind ? 1 : 0;
    if (auto gone = at.going.extract(turn)) {
        std::uint64_t next = 0;
        while (const auto each = gone.mapped().next_run(next, ~std::uint64_t{0})) {
            const std::vector<std::uint64_t> had = at.keys.settle(*each);
            keys.insert(keys.end(), had.begin(), had.end());
            next = each->end();
        }
    }
    for (const std::uint64_t key : keys)
        at.keys.free(key, [&](std::uint64_t offset) { return at.look(offset, whose->second.left(offset)); });
    parts_.touched.insert(which.first);
}

// False when a batch must be read first.
bool usher::learn_keys(const stream& from, ordered_run& at) {
    while (const auto offset = at.unknown.next(0)) {
        const cached_batch* in = parts_.cache.find(from.number, *offset);
        if (in == nullptr) return false;
        at.keys.hold(*offset, key_of(*batch_cursor{in->slice(*offset, 1)}.next()));
        at.unknown.remove(*offset);
    }
    return true;
}

void usher::meet(const stream& from, group& whose, ordered_run& at, const cached_batch& in, run what,
                 bool fresh) {
    batch_cursor items{in.slice(what.first, what.count)};
    if (fresh) whose.leave(what, from.lanes);
    at.unmet.remove(what);
    left_ -= what.count;
    for (std::uint64_t offset = what.first; offset < what.end(); ++offset) {
        const item_view item = *items.next();
        if (whose.settings.wants.takes(item)) {
            at.keys.meet(offset, key_of(item));
            continue;
        }
        whose.skip({offset, 1}, from.lanes);
        parts_.journal.acked(from.number, whose.number, {offset, 1});
        ++parts_.counters.messages_skipped;
    }
}

std::optional<std::uint64_t> usher::lead(const stream& from, group& whose, std::uint64_t visible,
                                         std::uint64_t enough) {
    ordered_run& at = run_of(from, whose);
    hear(from, whose, at);
    if (!learn_keys(from, at)) return at.unknown.next(0);
    while (at.keys.ready().count() < enough && left_ > 0) {
        auto next =
            whose.left_count() < waiting_max ? whose.next_in_order(visible, from.lanes) : std::nullopt;
        const auto unmet = at.unmet.next_run(0, visible);
        const bool fresh = next && (!unmet || next->first < unmet->first);
        if (!fresh) {
            if (!unmet) break;
            next = unmet;
        } else if (unmet) {
            next->count = std::min(next->count, unmet->first - next->first);
        }
        const cached_batch* in = parts_.cache.find(from.number, next->first);
        if (in == nullptr) return next->first;
        next->count = std::min<std::uint64_t>({next->count, in->end() - next->first, left_, 256});
        meet(from, whose, at, *in, *next, fresh);
    }
    return std::nullopt;
}

std::optional<tried_run> usher::pick(const stream& from, const group& whose, std::uint64_t visible,
                                     std::uint64_t count_max) const {
    const ordered_run* at = find_run(from, whose);
    if (at == nullptr || !at->unknown.empty() || at->blind > 0) return std::nullopt;
    auto picked = whose.pick_returned(visible, from.lanes, count_max);
    const auto ready = at->keys.ready().next_run(0, visible);
    if (ready && (!picked || ready->first < picked->offset))
        picked = whose.first_attempt({ready->first, std::min(ready->count, count_max)});
    return picked;
}

void usher::given(const stream& from, const group& whose, run out) {
    parts_.group_runs.at({from.number, whose.number}).ordered->keys.given(out);
}

}  // namespace ferry
