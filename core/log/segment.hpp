// The first block of a segment file, and the names of segments.
//
// A segment is one file: this header in a block of 512 bytes (a disk writes a sector whole or not at all),
// then records, then a footer. The file's name is its base: byte `n` of the file has position `base + n`.
// The header also says where the segment before it ends, because only the opening that followed knows that:
// what stands behind that end was torn, or was written again here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/log/record.hpp"

namespace ferry::log {

inline constexpr std::size_t segment_header_bytes = 512;
inline constexpr std::uint32_t format_version = 1;

/// A cold segment holds messages that moved, stands in a directory of its own and outside the chain. Its base
/// is the position the log had reached when it was made, with this bit set, and so are the positions in it.
inline constexpr position cold_bit = position{1} << 63;
inline constexpr std::string_view cold_directory = "cold";
constexpr bool is_cold(position at) {
    return (at & cold_bit) != 0;
}

struct segment_header {
    std::uint32_t version = format_version;
    std::uint64_t spool_id = 0;        ///< random, the same in all files of one spool
    std::uint64_t nonce = 0;           ///< random, the start of every checksum in this segment
    position base = 0;                 ///< position of the file's first byte
    std::uint64_t owner_epoch = 0;     ///< the opening that wrote this segment
    position previous_base = 0;        ///< the segment before this one
    position previous_end = 0;         ///< where its records end; 0: there is none, the log begins here
    std::uint64_t previous_nonce = 0;  ///< with it the segment before stays readable without its own header
    position durable = 0;              ///< all below was on disk before this file got its name

    /// Where the first record stands.
    position records_from() const { return base + segment_header_bytes; }
};

/// The block of 512 bytes.
std::string encode_segment_header(const segment_header& header);

/// The header in `block`, when its checksum holds. Magic and checksum stay where they are in every later
/// version, so a newer header is told from a damaged one by its `version` (the other fields are then void).
std::optional<segment_header> decode_segment_header(std::string_view block);

/// "00000000000000000512.log", "cold/00000000000000000512.log"
std::string segment_name(position base);

/// The base of a name that `segment_name` could have made for a segment of the chain.
std::optional<position> segment_base(std::string_view name);

/// The base of a cold segment, by its name in its directory.
std::optional<position> cold_segment_base(std::string_view name);

/// `prefix` and 20 digits, as all names with a number are made: they sort by number.
std::string numbered_name(std::string_view prefix, std::uint64_t number, std::string_view suffix);

/// The number of such a name.
std::optional<std::uint64_t> number_of(std::string_view name, std::string_view prefix,
                                       std::string_view suffix);

}  // namespace ferry::log
