#include "devices/spool/live_bytes.hpp"

#include <algorithm>

namespace ferry {
namespace {

constexpr std::uint64_t offsets_per_piece = 65'536;  // what an offset_set keeps in one block

}  // namespace

void live_bytes::begin(log::holdings held) {
    segments_.clear();
    segments_.reserve(held.sealed.size());
    log_ = held.active_bytes;
    leaving_ = live_ = 0;
    segment_ = share_ = 0;
    offset_ = messages_ = 0;
    for (log::held_segment& each : held.sealed) {
        log_ += each.bytes;
        segments_.push_back({std::move(each), 0, true});
    }
}

// One piece of a share; gives what it cost.
std::size_t live_bytes::count(segment& of, const log::stream_share& share, const spool_state& state) {
    const auto found = state.streams().find(share.stream);
    const bool gone = found == state.streams().end();  // the stream was removed
    const bool released = gone || share.end_offset <= found->second.first;
    std::size_t cost = 1;
    offset_ = std::max(offset_, share.first_offset);
    if (!released) of.leaving = false;
    if (!released) {
        const std::uint64_t end = std::min(share.end_offset, offset_ + offsets_per_piece);
        const auto kept = found->second.kept({offset_, end - offset_});
        cost += kept.pieces;
        messages_ += kept.offsets.count();
        offset_ = end;
        if (offset_ < share.end_offset) return cost;
    }
    if (share.messages > 0)
        of.live += std::min(share.bytes, share.bytes / share.messages * messages_ +
                                             share.bytes % share.messages * messages_ / share.messages);
    ++share_;
    offset_ = messages_ = 0;
    return cost;
}

void live_bytes::settle(const segment& counted) {
    live_ += counted.live;
    if (counted.leaving) leaving_ += counted.held.bytes;
}

bool live_bytes::step(const spool_state& state, std::size_t cost_max) {
    for (std::size_t cost = 0; segment_ < segments_.size();) {
        if (cost >= cost_max) return false;
        segment& at = segments_[segment_];
        if (share_ < at.held.shares.size()) {
            cost += count(at, at.held.shares[share_], state);
            continue;
        }
        settle(at);
        ++segment_;
        share_ = 0;
    }
    return true;
}

}  // namespace ferry
