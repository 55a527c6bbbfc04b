// The footer of a sealed segment: where each stream's messages stand in it, and columns about them.
//
// An extent is a run of one stream's records within about 64 KiB of the segment, so finding one offset costs
// reading 64 KiB and one record, never the segment. The footer is a record of its own type behind the last
// one; its last 8 bytes, the last of the file, tell where it begins.
// Threads: values; an extent_table belongs to whoever holds it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/record.hpp"

namespace ferry::log {

/// A run of one stream's records that stand near each other.
struct extent {
    std::uint32_t stream = 0;
    std::uint32_t records = 0;
    std::uint64_t first_offset = 0;
    std::uint64_t end_offset = 0;  ///< after the last message; offsets between may be missing
    position from = 0;
    position to = 0;  ///< after the last record; records of other streams may stand between
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;  ///< of this stream's records

    bool operator==(const extent&) const = default;
};

/// Something known of each message of a run, kept apart so that scans need not read bodies. `data` holds
/// `count` entries of `width` bytes. Kinds a reader does not know it skips.
struct column {
    std::uint16_t kind = 0;
    std::uint16_t width = 0;
    std::uint32_t stream = 0;
    std::uint64_t first_offset = 0;
    std::uint32_t count = 0;
    std::string data;

    bool operator==(const column&) const = default;
};

struct footer {
    std::vector<extent> extents;  ///< by stream, then by position
    std::vector<column> columns;
};

/// The payload of the footer record that stands at byte `file_offset` of its segment.
std::string encode_footer(const footer& what, std::uint64_t file_offset);

/// The footer in a verified payload; none when it contradicts itself.
std::optional<footer> decode_footer(std::string_view payload);

/// The extents of `stream` whose messages end above `offset`.
std::span<const extent> extents_above(std::span<const extent> by_stream, std::uint32_t stream,
                                      std::uint64_t offset);

/// The extents of a segment while it is written or scanned. Bounded: a segment with very many streams gets
/// wider extents instead of more.
class extent_table {
  public:
    static constexpr std::uint64_t span_bytes = 64 << 10;
    static constexpr std::size_t extents_max = 16384;

    /// Takes note of the record that stands at [from, to). Records without messages leave no trace.
    void add(const record_header& header, position from, position to);

    const std::map<std::uint32_t, std::vector<extent>>& by_stream() const { return by_stream_; }
    std::vector<extent> all() const;

    /// Bytes the footer would take now, its record header included, with `more` further extents.
    std::uint64_t footer_bytes(std::size_t more) const;

  private:
    void widen();

    std::map<std::uint32_t, std::vector<extent>> by_stream_;
    std::size_t count_ = 0;
    std::uint64_t span_ = span_bytes;
};

}  // namespace ferry::log
