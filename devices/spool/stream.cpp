#include "devices/spool/stream.hpp"

#include <algorithm>

namespace ferry {

std::vector<protocol::stored_run> stored_batch::runs(bool resent) const {
    std::vector<protocol::stored_run> all;
    std::uint64_t at = 0;
    const auto fresh_until = [&](std::uint64_t index) {
        if (index > at) all.push_back({first + at, index - at, offset + at, resent});
    };
    for (const records::known_items& each : known) {
        fresh_until(each.index);
        all.push_back({first + each.index, each.count, each.offset, true});
        at = each.index + each.count;
    }
    fresh_until(count);
    return all;
}

void stream::use_up(std::uint64_t end) {
    if (end <= next) return;
    lanes.gaps.add({next, end - next});
    next = end;
}

group* stream::find_group(std::string_view group_name) {
    for (auto& [group_number, each] : groups)
        if (each.name == group_name) return &each;
    return nullptr;
}

producer_state* stream::find_producer(const std::string& user, const std::string& id) {
    const auto found = producers.find({user, id});
    return found == producers.end() ? nullptr : &found->second;
}

producer_state* stream::find_named_producer(const std::string& user, const std::string& producer_name) {
    for (auto& [key, each] : producers)
        if (each.user == user && each.name == producer_name) return &each;
    return nullptr;
}

void stream::remove_group(std::uint32_t group_number) {
    if (!keeps_acked() && groups.size() == 1 && groups.contains(group_number)) let_go();
    groups.erase(group_number);
    settle_first();
}

void stream::settle_first() {
    std::uint64_t needed = next;
    if (keeps_acked())
        needed = std::min(next, lanes.gaps.first_absent(first));
    else
        for (const auto& [group_number, each] : groups) needed = std::min(needed, each.needed_from(lanes));
    if (needed <= first) return;
    first = needed;
    for (auto& [group_number, each] : groups) each.pass(first);
    lanes.forget_below(first);
    byte_marks.forget_below(first);
}

stream::kept_part stream::kept(run within) const {
    kept_part needed;
    const std::uint64_t from = std::max(within.first, first);
    const std::uint64_t end = std::min(within.end(), next);
    if (from >= end) return needed;
    within = {from, end - from};
    if (!keeps_acked()) {
        for (const auto& [group_number, each] : groups)
            needed.pieces += each.add_needed(needed.offsets, within, lanes);
        return needed;
    }
    for (std::uint64_t at = lanes.gaps.first_absent(from); at < end; at = lanes.gaps.first_absent(at)) {
        const auto gap = lanes.gaps.next_run(at);
        const std::uint64_t until = gap ? std::min(end, gap->first) : end;
        needed.offsets.add(run{at, until - at});
        ++needed.pieces;
        at = until;
    }
    return needed;
}

// Groups forget what they settled of it together with the lanes: they compare the two.
void stream::remove(run gone) {
    for (auto& [group_number, each] : groups) each.forget(gone);
    lanes.remove(gone);
}

void stream::let_go() {
    const offset_set live = kept();
    for (std::uint64_t at = first; at < next;) {
        const auto run = live.next_run(at, next);
        const std::uint64_t until = run ? run->first : next;
        if (until > at) remove({at, until - at});
        at = run ? run->end() : next;
    }
}

offset_set stream::removable() const {
    offset_set left = kept();
    for (const auto& [gap, end] : lanes.gaps.runs()) left.remove(run{gap, end - gap});
    for (const auto& [group_number, each] : groups)
        for (const auto& [offset, died] : each.dead().runs()) left.remove(run{offset, died.count});
    return left;
}

bool stream::dead_somewhere(std::uint64_t offset) const {
    return std::any_of(groups.begin(), groups.end(), [&](const auto& entry) {
        return entry.second.dead().count({offset, 1}) > 0;
    });
}

std::uint64_t stream::messages() const {
    offset_set needed = kept();
    for (const auto& [gap, end] : lanes.gaps.runs()) needed.remove(run{gap, end - gap});
    return needed.count();
}

std::uint64_t stream::bytes_of(const offset_set& some, std::uint64_t from) const {
    std::uint64_t sum = 0;
    for (auto each = some.next_run(from, next); each; each = some.next_run(each->end(), next)) {
        sum += byte_marks.bytes(*each);
        for (auto gap = lanes.gaps.next_run(each->first); gap && gap->first < each->end();
             gap = lanes.gaps.next_run(gap->end()))
            sum -= byte_marks.bytes({gap->first, std::min(gap->end(), each->end()) - gap->first});
    }
    return sum;
}

}  // namespace ferry
