// Counts how much of each segment is live: how many of the messages that stand in it some group or the
// stream itself still needs.
//
// The log knows what each segment holds of each stream, and the state what is needed; neither is read from
// disk. Records of one segment and stream are taken to be equally large, so the bytes are an estimate. What
// is needed never grows, so a count that took several turns is too high at worst. Threads: the brain's. A
// count is done in steps of bounded cost.
//
//     live_bytes count;
//     count.begin(holdings);
//     while (!count.step(state, 1000)) ...    // a turn for each
//     for (const auto& each : count.segments()) ...
#pragma once

#include <cstdint>
#include <vector>

#include "core/log/log.hpp"
#include "devices/spool/state.hpp"

namespace ferry {

class live_bytes {
  public:
    struct segment {
        log::held_segment held;
        std::uint64_t live = 0;  ///< bytes
        bool leaving = true;     ///< nothing is looked for in it: it goes when the snapshots let it
    };

    void begin(log::holdings held);

    /// Goes on for about `cost_max` pieces; true when all is counted.
    bool step(const spool_state& state, std::size_t cost_max);

    const std::vector<segment>& segments() const noexcept { return segments_; }
    /// Of all segments and the open one, which counts as not live; of those that are leaving; and what is
    /// live.
    std::uint64_t log() const noexcept { return log_; }
    std::uint64_t leaving() const noexcept { return leaving_; }
    std::uint64_t live() const noexcept { return live_; }

  private:
    std::size_t count(segment& of, const log::stream_share& share, const spool_state& state);
    void settle(const segment& counted);

    std::vector<segment> segments_;
    std::size_t segment_ = 0;
    std::size_t share_ = 0;
    std::uint64_t offset_ = 0;    // within the share
    std::uint64_t messages_ = 0;  // live ones in the share so far
    std::uint64_t log_ = 0;
    std::uint64_t leaving_ = 0;
    std::uint64_t live_ = 0;
};

}  // namespace ferry
