// The record: one append, one unit of crash atomicity. docs/spool_format.md holds the byte tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferry::log {

/// A place in the log: opaque to everybody else, rising, never used twice. 0 is "nowhere".
using position = std::uint64_t;

/// What a record holds. Zero is no type, so that zeroed blocks are never taken for a record.
/// The log itself reads `footer` only; all others are the spool's (devices/spool/state). Whatever its type,
/// a record with a stream and a count above 0 is found again by (stream, offset): see segmented_log::read.
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
    appointments = 15,
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
    std::string_view head{};
    std::string_view body{};
};

/// A record as it stands in the log.
struct stored_record {
    position at = 0;
    record_header header;
    std::string_view payload{};
};

inline constexpr std::size_t record_header_bytes = 48;

/// Payloads are padded with zeros to 8 bytes, so records begin at multiples of 8 and can be searched for.
constexpr std::uint64_t padded(std::uint64_t bytes) {
    return (bytes + 7) & ~std::uint64_t{7};
}

/// Bytes a record with a payload of `length` occupies.
constexpr std::uint64_t record_bytes(std::uint64_t length) {
    return record_header_bytes + padded(length);
}

/// Writes the 48 bytes of the header that `what` has at `at` in a segment with this `nonce`. The header's
/// checksum starts from nonce and position, so neither a recycled segment, nor a payload that holds a copy
/// of a record, nor a record found in another place can pass for one written here.
void encode_header(const record& what, position durable, std::uint64_t nonce, position at, char* to);

/// Appends the record to `to` as it stands on disk: header, payload, padding.
void encode_record(const record& what, position durable, std::uint64_t nonce, position at, std::string& to);

/// The header that stands in these 48 bytes, when its checksum holds and its type is not zero.
std::optional<record_header> decode_header(const char* bytes, std::uint64_t nonce, position at);

/// Whether `payload` (padding excluded) is the one that the header in `bytes` was written with.
bool payload_intact(const char* bytes, std::string_view payload, std::uint64_t nonce);

}  // namespace ferry::log
