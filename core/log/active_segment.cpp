#include "core/log/active_segment.hpp"

namespace ferry::log {

bool active_segment::fits(std::uint64_t bytes, std::uint64_t pending_bytes, std::size_t pending) const {
    const std::uint64_t used = end - header.base + pending_bytes;
    return used + bytes + extents.footer_bytes(pending + 1) <= file_bytes;
}

std::uint64_t segment_bytes_for(std::uint64_t bytes) {
    return segment_header_bytes + bytes + extent_table{}.footer_bytes(1);
}

active_segment start_segment(storage& directory, blank_segment blank, const segment_header& header,
                             const std::function<void(active_segment&)>& fill) {
    active_segment started{.opened = std::move(blank.opened),
                           .header = header,
                           .extents = {},
                           .file_bytes = blank.bytes,
                           .end = header.records_from()};
    started.opened->write(0, encode_segment_header(header));
    started.opened->sync();
    if (fill) {
        fill(started);
        started.opened->sync();
    }
    directory.rename(blank.name, segment_name(header.base));
    directory.sync_directory();
    return started;
}

}  // namespace ferry::log
