// The table of sealed segments: what each holds of which stream, so that a read knows where to look.
//
// Coarse on purpose: a few dozen bytes per segment and stream in it, whatever the backlog; the fine extents
// stay in the footers. The shares of a stream never overlap, so an offset is in one place or in none.
// Threads: none of its own; the log guards it with its mutex.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/log/footer.hpp"
#include "core/log/segment_list.hpp"

namespace ferry::log {

/// The shares that these extents add up to.
std::vector<stream_share> shares_of(std::span<const extent> by_stream);

class segment_table {
  public:
    struct row {
        segment_entry entry;
        std::uint64_t file_bytes = 0;
    };

    void add(segment_entry entry, std::uint64_t file_bytes);
    void remove(position base);
    /// Nothing is looked for in the segment any more; it stays in the table until it is removed.
    void empty(position base);

    /// A run of a stream's offsets in one segment.
    struct place {
        position base = 0;
        std::uint64_t first_offset = 0;
        std::uint64_t end_offset = 0;
    };
    /// The first one that ends above `offset`.
    std::optional<place> find(std::uint32_t stream, std::uint64_t offset) const;
    /// Whether a segment that is not among `aside` (sorted) holds messages of `stream` in `from` .. `to - 1`.
    bool holds(std::uint32_t stream, std::uint64_t from, std::uint64_t to,
               std::span<const position> aside) const;

    const row* segment(position base) const;
    const std::map<position, row>& rows() const { return rows_; }
    std::uint64_t file_bytes() const { return file_bytes_; }

  private:
    void forget_places(const segment_entry& of);

    std::map<position, row> rows_;
    std::unordered_map<std::uint32_t, std::vector<place>> places_;  // by offset
    std::uint64_t file_bytes_ = 0;
};

}  // namespace ferry::log
