// The record: one append, one unit of crash atomicity. docs/spool_format.md holds the byte tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferry::log {

/// A place in the log: opaque to everybody else, rising, never used twice. 0 is "nowhere".
using position = std::uint64_t;

/// What a record holds. Zero is no type, so that zeroed blocks are never taken for a record.
/// The log itself reads `footer` only; all others are the spool's (devices/spool/state).
enum class record_type : std::uint8_t {
    messages = 1,
    acks = 2,
    attempt = 3,
    dead = 4,
    redrive = 5,
    mark = 6,
    commit = 7,
    stream_settings = 8,
    group_settings = 9,
    producer = 10,
    watermark = 11,
    adoption = 12,
    removed = 13,
    footer = 14,
};

/// The header of a record as the code handles it; on disk it is `record_header_bytes`, little-endian.
struct record_header {
    record_type type{};
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;        ///< number of the stream, 0 = none
    std::uint64_t first_offset = 0;  ///< of the first message, for records that hold messages
    std::uint32_t count = 0;         ///< how many offsets follow from there
    std::uint64_t wall_ns = 0;       ///< wall time of the append, never decreasing within a log
    position durable = 0;            ///< the watermark: all below was on disk when this was written
    std::uint32_t length = 0;        ///< payload bytes, padding excluded
};

/// What the brain asks to be written. `head` and `body` are written one after the other; they must stay
/// alive until the append returned.
struct record {
    record_type type{};
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
    std::uint64_t first_offset = 0;
    std::uint32_t count = 0;
    std::uint64_t wall_ns = 0;
    std::string_view head;
    std::string_view body;
};

/// A record as it stands in the log.
struct stored_record {
    position at = 0;
    record_header header;
    std::string_view payload;
};

}  // namespace ferry::log
