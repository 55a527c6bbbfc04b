#include "core/log/table.hpp"

#include <algorithm>

namespace ferry::log {

std::vector<stream_share> shares_of(std::span<const extent> by_stream) {
    std::vector<stream_share> shares;
    for (const extent& e : by_stream) {
        if (shares.empty() || shares.back().stream != e.stream)
            shares.push_back({.stream = e.stream, .first_offset = e.first_offset});
        stream_share& share = shares.back();
        share.end_offset = std::max(share.end_offset, e.end_offset);
        share.messages += e.messages;
        share.bytes += e.bytes;
    }
    return shares;
}

void segment_table::add(segment_entry entry, std::uint64_t file_bytes) {
    for (const stream_share& share : entry.shares) {
        std::vector<place>& places = places_[share.stream];
        const auto after = std::ranges::upper_bound(places, share.end_offset, {}, &place::end_offset);
        places.insert(after, {entry.base, share.first_offset, share.end_offset});
    }
    file_bytes_ += file_bytes;
    const position base = entry.base;
    rows_.emplace(base, row{std::move(entry), file_bytes});
}

void segment_table::forget_places(const segment_entry& of) {
    for (const stream_share& share : of.shares) {
        const auto places = places_.find(share.stream);
        if (places == places_.end()) continue;  // another share of the same stream was its last
        std::erase_if(places->second, [&](const place& p) { return p.base == of.base; });
        if (places->second.empty()) places_.erase(places);
    }
}

void segment_table::remove(position base) {
    const auto found = rows_.find(base);
    if (found == rows_.end()) return;
    forget_places(found->second.entry);
    file_bytes_ -= found->second.file_bytes;
    rows_.erase(found);
}

void segment_table::empty(position base) {
    const auto found = rows_.find(base);
    if (found == rows_.end()) return;
    forget_places(found->second.entry);
    found->second.entry.shares.clear();
}

bool segment_table::holds(std::uint32_t stream, std::uint64_t from, std::uint64_t to,
                          std::span<const position> aside) const {
    const auto places = places_.find(stream);
    if (places == places_.end()) return false;
    auto at = std::ranges::upper_bound(places->second, from, {}, &place::end_offset);
    for (; at != places->second.end() && at->first_offset < to; ++at)
        if (!std::ranges::binary_search(aside, at->base)) return true;
    return false;
}

std::optional<segment_table::place> segment_table::find(std::uint32_t stream, std::uint64_t offset) const {
    const auto places = places_.find(stream);
    if (places == places_.end()) return std::nullopt;
    const auto found = std::ranges::upper_bound(places->second, offset, {}, &place::end_offset);
    if (found == places->second.end()) return std::nullopt;
    return *found;
}

const segment_table::row* segment_table::segment(position base) const {
    const auto found = rows_.find(base);
    return found == rows_.end() ? nullptr : &found->second;
}

}  // namespace ferry::log
