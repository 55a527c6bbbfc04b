// A cold segment in the making: messages that move out of segments which are nearly empty.
//
// It is a segment like those of the chain (header, records, footer), written beside the log and synced piece
// by piece. It gets its name when it is whole and on disk, and counts when a record of the log adopts it.
// Threads: the writer's. Failure: throws as storage does; nothing of the log was touched by it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/log/footer.hpp"
#include "core/log/segment.hpp"
#include "core/log/segment_list.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

class cold_segment {
  public:
    cold_segment(storage& directory, const segment_header& header);
    /// Without a name it is removed again.
    ~cold_segment();
    cold_segment(const cold_segment&) = delete;
    cold_segment& operator=(const cold_segment&) = delete;

    /// Takes a copy of the record, which keeps its offsets and its time. Records of a stream come in the
    /// order of their offsets. `apart`: between this one and the last of its stream others stand elsewhere.
    void add(const record& moved, bool apart);
    /// Where the last record of the stream ends, in offsets; 0 before the first.
    std::uint64_t end_of(std::uint32_t stream) const;

    /// Writes and syncs what was added.
    void write();
    /// Puts the footer behind it, syncs, and gives it its name, which the caller syncs.
    segment_entry finish();

    position base() const noexcept { return header_.base; }
    std::uint64_t file_bytes() const noexcept { return file_bytes_; }

  private:
    storage& directory_;
    const segment_header header_;
    const std::string part_name_;
    std::unique_ptr<file> opened_;
    std::string buffer_;
    position end_;
    extent_table extents_;
    std::map<std::uint32_t, std::vector<stream_share>> shares_;
    std::uint64_t wall_ns_ = 0;
    std::uint64_t file_bytes_ = 0;
    bool named_ = false;
};

}  // namespace ferry::log
