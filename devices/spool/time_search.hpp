// A search for the first message that was stored at a time or later.
//
// The wall times of a log never decrease, so halving finds it: one read of the log for each step, at most 64
// of them, and several searches go on at once. What cannot be read is taken for later than asked.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "core/log/log.hpp"
#include "devices/spool/brain_parts.hpp"

namespace ferry {

class time_search {
  public:
    explicit time_search(brain_parts& parts) : parts_{parts} {}

    using then_call = std::function<void(std::uint64_t offset, std::uint64_t wall_ns)>;

    /// Calls `then` with the offset and when that was stored; with the stream's next and 0 when all is older.
    /// Perhaps before it returns.
    void find(const stream& in, std::uint64_t wall_ns, then_call then);

    /// False: the read was not ours.
    bool read_done(std::uint64_t cookie, const log::read_result& result);

  private:
    struct search {
        std::uint32_t stream = 0;
        std::uint64_t wall_ns = 0;
        std::uint64_t low = 0;   // all below was stored before
        std::uint64_t high = 0;  // all from here on was not
        std::uint64_t high_wall_ns = 0;
        then_call then;
    };
    void step(search&& next);

    brain_parts& parts_;
    std::map<std::uint64_t, search> reads_;  // by cookie
};

}  // namespace ferry
