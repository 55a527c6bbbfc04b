// The segment that is being written.
//
// A blank file becomes a segment in an order that a crash cannot break: its header is written and synced
// first (so the file is never taken for a spare again), then what must be rewritten, then the file gets its
// name and the directory is synced. Nothing is appended before that.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/log/footer.hpp"
#include "core/log/segment.hpp"
#include "core/log/spares.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

struct active_segment {
    std::shared_ptr<file> opened;  ///< shared with reads that are under way when the segment is sealed
    segment_header header;
    extent_table extents;
    std::uint64_t file_bytes = 0;
    /// Up to here its blocks hold zeros or records, and are not just allocated.
    std::uint64_t written_bytes = 0;
    position end = 0;           ///< where the next record goes
    std::uint64_t wall_ns = 0;  ///< of the last record

    /// Whether a record of `bytes` fits with room for the footer that would follow `pending` others.
    bool fits(std::uint64_t bytes, std::uint64_t pending_bytes, std::size_t pending) const;
};

/// Whether the blocks that records will come to next were merely allocated. A sync that must note that such
/// blocks are in use now takes a fifth longer, and the file system has to be asked whether it did.
bool short_of_blocks(const active_segment& open);

/// Does one step of writing zeros into them, and syncs.
void write_ahead(active_segment& open);

/// Bytes a segment needs to hold a first record of `bytes`.
std::uint64_t segment_bytes_for(std::uint64_t bytes);

/// Makes `blank` the segment that `header` describes. `fill`, if given, writes the first records into it and
/// moves `end`; they are synced before the file gets its name.
active_segment start_segment(storage& directory, blank_segment blank, const segment_header& header,
                             const std::function<void(active_segment&)>& fill = {});

}  // namespace ferry::log
