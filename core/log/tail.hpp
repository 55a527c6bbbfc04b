// The end of the last segment after a crash: what of it counts, what was torn, what is damage.
//
// The watermark is the highest position that any valid header, record or snapshot says was on disk. Below
// it a record that does not verify is damage: it had been promised. Above it the first one that does not
// verify ends the log: nothing from there on was ever promised, whole or not.
#pragma once

#include <cstdint>

#include "core/log/segment.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

struct tail {
    position watermark = 0;  ///< all below was promised to be on disk
    position whole_end = 0;  ///< records at [watermark, whole_end) are whole, and perhaps not on disk
    position torn_end = 0;   ///< [whole_end, torn_end) is torn; equal when nothing is
    std::uint64_t rewrite_bytes = 0;  ///< of the records at [watermark, whole_end)
};

/// Looks at the records of a last segment; `durable` is what is known from elsewhere (a snapshot).
tail examine_tail(const file& segment, const segment_header& header, position durable);

}  // namespace ferry::log
