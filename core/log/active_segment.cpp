#include "core/log/active_segment.hpp"

#include <algorithm>
#include <system_error>

namespace ferry::log {
namespace {

constexpr std::uint64_t ahead_bytes = 4 << 20;

}  // namespace

bool active_segment::fits(std::uint64_t bytes, std::uint64_t pending_bytes, std::size_t pending) const {
    const std::uint64_t used = end - header.base + pending_bytes;
    return used + bytes + extents.footer_bytes(pending + 1) <= file_bytes;
}

bool short_of_blocks(const active_segment& open) {
    return open.written_bytes < std::min(open.file_bytes, open.end - open.header.base + ahead_bytes);
}

void write_ahead(active_segment& open) {
    const std::uint64_t from = std::max(open.written_bytes, open.end - open.header.base);
    const std::uint64_t bytes = std::min<std::uint64_t>(zeros().size(), open.file_bytes - from);
    try {
        open.opened->write(from, zeros().substr(0, bytes));
        open.written_bytes = from + bytes;
    } catch (const std::system_error& failure) {
        // There are file systems on which what is allocated still needs room when it is written.
        if (failure.code() != std::errc::no_space_on_device) throw;
        open.written_bytes = open.file_bytes;
    }
    open.opened->sync();
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
                           .written_bytes = blank.written_bytes,
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
