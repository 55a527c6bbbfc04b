// What segments hold, as a list: the table keeps it in memory, each snapshot and each adoption saves it.
//
// A share is a run of one stream's offsets in one segment. A segment in the chain has one share of each
// stream in it; a cold segment has one for each place its messages came from, so that no two shares of a
// stream overlap and the place of an offset is never in doubt. A segment that was emptied has none.
// Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/record.hpp"

namespace ferry::log {

/// What one segment holds of one stream.
struct stream_share {
    std::uint32_t stream = 0;
    std::uint64_t first_offset = 0;
    std::uint64_t end_offset = 0;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;

    bool operator==(const stream_share&) const = default;
};

/// A segment as the list in a snapshot and the table in memory know it.
struct segment_entry {
    position base = 0;
    position end = 0;  ///< where its records end
    std::uint64_t nonce = 0;
    std::vector<stream_share> shares{};  ///< by stream, then by offset

    bool operator==(const segment_entry&) const = default;
};

std::string encode_segment_list(const std::vector<segment_entry>& segments);

/// The list in `bytes`, all of them; none when they hold no list.
std::optional<std::vector<segment_entry>> decode_segment_list(std::string_view bytes);

}  // namespace ferry::log
