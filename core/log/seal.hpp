// The end of a segment: putting a footer behind its records, and finding it again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/log/footer.hpp"
#include "core/log/segment.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

/// What a footer's record header carries: the last wall time, and what was on disk before the sealing.
struct seal_stamp {
    std::uint64_t wall_ns = 0;
    position durable = 0;
};

/// Ends `segment` at `end`: writes the footer there, cuts the file behind it and syncs. Returns the size of
/// the file. Whatever stood above `end` is gone afterwards.
std::uint64_t seal_segment(file& segment, const segment_header& header, position end, const footer& what,
                           seal_stamp stamp);

/// The footer at `end`; none when there is no valid one.
std::optional<footer> read_footer(const file& segment, const segment_header& header, position end);

/// Where the file's last 8 bytes say that the records end, when a valid footer stands there.
std::optional<position> sealed_end(const file& segment, const segment_header& header);

}  // namespace ferry::log
