#include "core/log/losses.hpp"

#include <algorithm>

namespace ferry::log {
namespace {

std::uint32_t as_count(std::uint64_t offsets) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(offsets, UINT32_MAX));
}

}  // namespace

damage as_damage(const std::string& name, const scanned& found) {
    damage result{.file = name, .from = found.from, .to = found.to, .unreadable = found.unreadable};
    if (found.header) {
        result.stream = found.header->stream;
        result.first_offset = found.header->first_offset;
        result.count = found.header->count;
        result.reason = "payload does not verify";
    } else {
        result.reason = found.zeros ? "zeros where records were" : "record header does not verify";
    }
    if (found.unreadable) result.reason = "the disk does not give it";
    return result;
}

losses::losses(std::string name, std::span<const stream_share> shares, bool from_start)
    : name_(std::move(name)) {
    for (const stream_share& share : shares) {
        ends_[share.stream] = share.end_offset;
        if (from_start) runs_[share.stream] = {share.first_offset, 0};
    }
}

void losses::met(const scanned& found) {
    if (!found.record) {
        if (!found.header) nameless_.push_back(damages_.size());
        damages_.push_back(as_damage(name_, found));
    }
    if (!found.header || found.header->stream == 0 || found.header->count == 0) return;
    const record_header& header = *found.header;
    const auto [at, first_seen] = runs_.try_emplace(header.stream);
    if (!first_seen) blame(header.stream, at->second, header.first_offset);
    at->second = {header.first_offset + header.count, found.to};
}

void losses::blame(std::uint32_t stream, const run& before, std::uint64_t next_offset) {
    if (next_offset <= before.next_offset) return;
    for (const std::size_t i : nameless_) {
        if (damages_[i].from < before.to) continue;
        damage found = damages_[i];
        found.stream = stream;
        found.first_offset = before.next_offset;
        found.count = as_count(next_offset - before.next_offset);
        if (damages_[i].stream == 0)
            damages_[i] = std::move(found);
        else
            damages_.push_back(std::move(found));
        return;
    }
}

std::vector<damage> losses::finish() {
    for (const auto& [stream, end] : ends_)
        if (const auto at = runs_.find(stream); at != runs_.end()) blame(stream, at->second, end);
    std::ranges::stable_sort(damages_, {}, &damage::from);
    return std::move(damages_);
}

}  // namespace ferry::log
