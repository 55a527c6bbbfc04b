#include "core/log/seal.hpp"

#include "core/log/bytes.hpp"

namespace ferry::log {

std::uint64_t seal_segment(file& segment, const segment_header& header, position end, const footer& what,
                           seal_stamp stamp) {
    const std::uint64_t at = end - header.base;
    const std::string payload = encode_footer(what, at);
    std::string bytes;
    encode_record({.type = record_type::footer, .wall_ns = stamp.wall_ns, .body = payload}, stamp.durable,
                  header.nonce, end, bytes);
    segment.write(at, bytes);
    segment.truncate(at + bytes.size());
    segment.sync();
    return at + bytes.size();
}

std::optional<footer> read_footer(const file& segment, const segment_header& header, position end) {
    const std::uint64_t at = end - header.base;
    const std::uint64_t file_bytes = segment.size();
    if (at + record_header_bytes > file_bytes) return std::nullopt;
    std::string bytes(record_header_bytes, '\0');
    if (segment.read(at, bytes) != bytes.size()) return std::nullopt;
    const auto found = decode_header(bytes.data(), header.nonce, end);
    if (!found || found->type != record_type::footer || record_bytes(found->length) > file_bytes - at)
        return std::nullopt;
    std::string payload(found->length, '\0');
    if (segment.read(at + record_header_bytes, payload) != payload.size()) return std::nullopt;
    if (!payload_intact(bytes.data(), payload, header.nonce)) return std::nullopt;
    return decode_footer(payload);
}

std::optional<position> sealed_end(const file& segment, const segment_header& header) {
    const std::uint64_t file_bytes = segment.size();
    char pointer[8];
    if (file_bytes < segment_header_bytes + sizeof pointer) return std::nullopt;
    if (segment.read(file_bytes - sizeof pointer, pointer) != sizeof pointer) return std::nullopt;
    const auto at = get<std::uint64_t>(pointer);
    if (at < segment_header_bytes || at >= file_bytes) return std::nullopt;
    if (!read_footer(segment, header, header.base + at)) return std::nullopt;
    return header.base + at;
}

}  // namespace ferry::log
