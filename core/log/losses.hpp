// Finds out what stood where a scan found no record.
//
// A record whose header survived says itself which offsets are lost. Where the header is gone too, the
// records before and behind it tell: a stream whose offsets jump across the bad bytes lost what lies between.
// Gaps in offsets are legal, so such a range may be too wide, never too narrow.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/log/log.hpp"
#include "core/log/scan.hpp"
#include "core/log/snapshot.hpp"

namespace ferry::log {

class losses {
  public:
    /// `shares`: what the segment's footer says it holds, if it has one; `from_start`: whether the scan
    /// begins at its first record.
    losses(std::string name, std::span<const stream_share> shares, bool from_start);

    /// Takes what the scan found, in its order.
    void met(const scanned& found);

    /// All damage met, in order; call once, at the end.
    std::vector<damage> finish();

  private:
    struct run {
        std::uint64_t next_offset = 0;
        position to = 0;  // end of the last record seen
    };
    void blame(std::uint32_t stream, const run& before, std::uint64_t next_offset);

    const std::string name_;
    std::map<std::uint32_t, run> runs_;
    std::map<std::uint32_t, std::uint64_t> ends_;
    std::vector<damage> damages_;
    std::vector<std::size_t> nameless_;  // damages whose headers are gone
};

/// `found`, which is no record, as damage of the segment `name`.
damage as_damage(const std::string& name, const scanned& found);

}  // namespace ferry::log
