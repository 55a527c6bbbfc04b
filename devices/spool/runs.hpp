// Runs of offsets in a list.
#pragma once

#include <algorithm>
#include <vector>

#include "core/protocol.hpp"

namespace ferry {

/// What both have; of count 0 when that is nothing.
inline protocol::run overlap(protocol::run a, protocol::run b) {
    const std::uint64_t first = std::max(a.first, b.first);
    const std::uint64_t end = std::min(a.end(), b.end());
    return {first, end > first ? end - first : 0};
}

/// Runs that touch become one.
inline void add_run(std::vector<protocol::run>& runs, protocol::run more) {
    if (more.count == 0) return;
    if (!runs.empty() && runs.back().end() == more.first)
        runs.back().count += more.count;
    else
        runs.push_back(more);
}

}  // namespace ferry
