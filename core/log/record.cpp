#include "core/log/record.hpp"

#include <array>

#include "core/log/bytes.hpp"
#include "core/log/checksum.hpp"

namespace ferry::log {
namespace {

// Where the fields stand; docs/spool_format.md draws the table.
enum field : std::size_t {
    header_crc_at = 0,
    payload_crc_at = 4,
    length_at = 8,
    type_at = 12,
    flags_at = 13,
    zero_at = 14,
    stream_at = 16,
    count_at = 20,
    first_offset_at = 24,
    wall_at = 32,
    durable_at = 40,
};

std::uint32_t seed_of(std::uint64_t nonce) {
    std::array<char, 8> bytes{};
    put_at(bytes.data(), nonce);
    return crc32c({bytes.data(), bytes.size()});
}

std::uint32_t header_crc(const char* header, std::uint64_t nonce, position at) {
    std::array<char, 8> bytes{};
    put_at(bytes.data(), at);
    const std::uint32_t seed = crc32c({bytes.data(), bytes.size()}, seed_of(nonce));
    return crc32c({header + payload_crc_at, record_header_bytes - payload_crc_at}, seed);
}

}  // namespace

void encode_header(const record& what, position durable, std::uint64_t nonce, position at, char* to) {
    put_at(to + payload_crc_at, crc32c(what.body, crc32c(what.head, seed_of(nonce))));
    put_at(to + length_at, static_cast<std::uint32_t>(what.head.size() + what.body.size()));
    put_at(to + type_at, static_cast<std::uint8_t>(what.type));
    put_at(to + flags_at, what.flags);
    put_at(to + zero_at, std::uint16_t{0});
    put_at(to + stream_at, what.stream);
    put_at(to + count_at, what.count);
    put_at(to + first_offset_at, what.first_offset);
    put_at(to + wall_at, what.wall_ns);
    put_at(to + durable_at, durable);
    put_at(to + header_crc_at, header_crc(to, nonce, at));
}

void encode_record(const record& what, position durable, std::uint64_t nonce, position at, std::string& to) {
    std::array<char, record_header_bytes> header;
    encode_header(what, durable, nonce, at, header.data());
    const std::size_t length = what.head.size() + what.body.size();
    to.append(header.data(), header.size()).append(what.head).append(what.body);
    to.append(padded(length) - length, '\0');
}

std::optional<record_header> decode_header(const char* bytes, std::uint64_t nonce, position at) {
    record_header header;
    header.type = static_cast<record_type>(get<std::uint8_t>(bytes + type_at));
    // Cheap tests first: while searching for the next record this runs at every eighth byte.
    if (header.type == record_type{} || get<std::uint16_t>(bytes + zero_at) != 0) return std::nullopt;
    if (header_crc(bytes, nonce, at) != get<std::uint32_t>(bytes + header_crc_at)) return std::nullopt;
    header.flags = get<std::uint8_t>(bytes + flags_at);
    header.stream = get<std::uint32_t>(bytes + stream_at);
    header.count = get<std::uint32_t>(bytes + count_at);
    header.first_offset = get<std::uint64_t>(bytes + first_offset_at);
    header.wall_ns = get<std::uint64_t>(bytes + wall_at);
    header.durable = get<std::uint64_t>(bytes + durable_at);
    header.length = get<std::uint32_t>(bytes + length_at);
    return header;
}

bool payload_intact(const char* bytes, std::string_view payload, std::uint64_t nonce) {
    return crc32c(payload, seed_of(nonce)) == get<std::uint32_t>(bytes + payload_crc_at);
}

}  // namespace ferry::log
