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
    for (const stream_share& share : entry.shares)
        places_[share.stream].push_back({entry.base, share.end_offset});
    file_bytes_ += file_bytes;
    const position base = entry.base;
    rows_.emplace(base, row{std::move(entry), file_bytes});
}

void segment_table::remove(position base) {
    const auto found = rows_.find(base);
    if (found == rows_.end()) return;
    for (const stream_share& share : found->second.entry.shares) {
        const auto places = places_.find(share.stream);
        std::erase_if(places->second, [&](const place& p) { return p.base == base; });
        if (places->second.empty()) places_.erase(places);
    }
    file_bytes_ -= found->second.file_bytes;
    rows_.erase(found);
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
