#include "devices/spool/time_search.hpp"

#include <algorithm>

namespace ferry {

void time_search::find(const stream& in, std::uint64_t wall_ns, then_call then) {
    step({in.number, wall_ns, in.first, in.next, 0, std::move(then)});
}

void time_search::step(search&& next) {
    if (next.low >= next.high) return next.then(next.low, next.high_wall_ns);
    const std::uint64_t middle = next.low + (next.high - next.low) / 2;
    const std::uint64_t cookie = parts_.next_cookie++;
    parts_.out.reads.push_back({cookie, next.stream, middle, 1});
    reads_.emplace(cookie, std::move(next));
}

bool time_search::read_done(std::uint64_t cookie, const log::read_result& result) {
    auto found = reads_.extract(cookie);
    if (found.empty()) return false;
    search next = std::move(found.mapped());
    const std::uint64_t middle = next.low + (next.high - next.low) / 2;
    if (result.records.empty()) {
        next.high = middle;
    } else {
        const log::record_header& there = result.records.front().header;
        if (there.wall_ns < next.wall_ns)
            next.low = std::min(next.high, there.first_offset + there.count);
        else {
            // The record that holds the middle, or one above it: what lies between was let go.
            next.high = std::clamp(there.first_offset, next.low, middle);
            next.high_wall_ns = there.wall_ns;
        }
    }
    step(std::move(next));
    return true;
}

}  // namespace ferry
