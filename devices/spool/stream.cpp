#include "devices/spool/stream.hpp"

#include <algorithm>

namespace ferry {
namespace {

constexpr std::uint64_t byte_mark_spacing = 256 << 10;

}  // namespace

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
    if (groups.size() == 1 && groups.contains(group_number)) {
        const offset_set needed = kept();
        for (std::uint64_t at = needed.next_absent(first); at < next; at = needed.next_absent(at)) {
            const std::uint64_t until = needed.next(at).value_or(next);
            lanes.remove({at, until - at});
            at = until;
        }
    }
    groups.erase(group_number);
    settle_first();
}

void stream::settle_first() {
    std::uint64_t needed = groups.empty() ? std::min(next, lanes.gaps.first_absent(first)) : next;
    for (const auto& [group_number, each] : groups) needed = std::min(needed, each.needed_from(lanes));
    if (needed <= first) return;
    first = needed;
    for (auto& [group_number, each] : groups) each.pass(first);
    lanes.forget_below(first);
    auto keep =
        std::upper_bound(byte_marks.begin(), byte_marks.end(), first,
                         [](std::uint64_t offset, const byte_mark& mark) { return offset < mark.offset; });
    if (keep != byte_marks.begin()) --keep;
    byte_marks.erase(byte_marks.begin(), keep);
}

stream::kept_part stream::kept(run within) const {
    kept_part needed;
    const std::uint64_t from = std::max(within.first, first);
    const std::uint64_t end = std::min(within.end(), next);
    if (from >= end) return needed;
    within = {from, end - from};
    for (const auto& [group_number, each] : groups)
        needed.pieces += each.add_needed(needed.offsets, within, lanes);
    if (!groups.empty()) return needed;
    for (std::uint64_t at = lanes.gaps.first_absent(from); at < end; at = lanes.gaps.first_absent(at)) {
        const auto gap = lanes.gaps.next_run(at);
        const std::uint64_t until = gap ? std::min(end, gap->first) : end;
        needed.offsets.add(run{at, until - at});
        ++needed.pieces;
        at = until;
    }
    return needed;
}

std::uint64_t stream::messages() const {
    offset_set needed = kept();
    for (const auto& [gap, end] : lanes.gaps.runs()) needed.remove(run{gap, end - gap});
    return needed.count();
}

std::uint64_t stream::bytes() const {
    if (first >= next || byte_marks.empty()) return 0;
    const byte_mark& low = byte_marks.front();
    const byte_mark high = byte_marks.size() > 1 ? byte_marks[1] : byte_mark{next, bytes_stored};
    if (first <= low.offset || high.offset <= low.offset) return bytes_stored - low.bytes_before;
    const double share =
        static_cast<double>(first - low.offset) / static_cast<double>(high.offset - low.offset);
    const auto gone =
        static_cast<std::uint64_t>(share * static_cast<double>(high.bytes_before - low.bytes_before));
    return bytes_stored - low.bytes_before - gone;
}

void stream::count_bytes(std::uint64_t first_offset, std::uint64_t bytes) {
    if (byte_marks.empty() || bytes_stored - byte_marks.back().bytes_before >= byte_mark_spacing)
        byte_marks.push_back({first_offset, bytes_stored});
    bytes_stored += bytes;
}

}  // namespace ferry
