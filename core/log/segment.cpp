#include "core/log/segment.hpp"

#include <charconv>

#include "core/log/bytes.hpp"
#include "core/log/checksum.hpp"

namespace ferry::log {
namespace {

constexpr std::string_view magic = "FERRYLOG";
constexpr std::size_t crc_at = segment_header_bytes - 4;
constexpr std::size_t digits = 20;
constexpr std::string_view suffix = ".log";

}  // namespace

std::string encode_segment_header(const segment_header& header) {
    std::string block{magic};
    put(block, header.version);
    put(block, std::uint32_t{0});
    put(block, header.spool_id);
    put(block, header.nonce);
    put(block, header.base);
    put(block, header.owner_epoch);
    put(block, header.previous_base);
    put(block, header.previous_end);
    put(block, header.previous_nonce);
    put(block, header.durable);
    block.resize(crc_at, '\0');
    put(block, crc32c(block));
    return block;
}

std::optional<segment_header> decode_segment_header(std::string_view block) {
    if (block.size() < segment_header_bytes || !block.starts_with(magic)) return std::nullopt;
    if (crc32c(block.substr(0, crc_at)) != get<std::uint32_t>(block.data() + crc_at)) return std::nullopt;
    byte_taker fields{block.substr(magic.size())};
    segment_header header;
    header.version = fields.take<std::uint32_t>();
    fields.take<std::uint32_t>();
    header.spool_id = fields.take<std::uint64_t>();
    header.nonce = fields.take<std::uint64_t>();
    header.base = fields.take<std::uint64_t>();
    header.owner_epoch = fields.take<std::uint64_t>();
    header.previous_base = fields.take<std::uint64_t>();
    header.previous_end = fields.take<std::uint64_t>();
    header.previous_nonce = fields.take<std::uint64_t>();
    header.durable = fields.take<std::uint64_t>();
    return header;
}

std::string numbered_name(std::string_view prefix, std::uint64_t number, std::string_view ending) {
    const std::string decimal = std::to_string(number);
    return std::string{prefix}.append(digits - decimal.size(), '0').append(decimal).append(ending);
}

std::optional<std::uint64_t> number_of(std::string_view name, std::string_view prefix,
                                       std::string_view ending) {
    if (name.size() != prefix.size() + digits + ending.size()) return std::nullopt;
    if (!name.starts_with(prefix) || !name.ends_with(ending)) return std::nullopt;
    std::uint64_t number = 0;
    const char* const from = name.data() + prefix.size();
    const auto [stopped, error] = std::from_chars(from, from + digits, number);
    if (error != std::errc{} || stopped != from + digits) return std::nullopt;
    return number;
}

std::string segment_name(position base) {
    if (!is_cold(base)) return numbered_name("", base, suffix);
    return std::string{cold_directory} + "/" + numbered_name("", base & ~cold_bit, suffix);
}

std::optional<position> segment_base(std::string_view name) {
    const auto base = number_of(name, "", suffix);
    return base && !is_cold(*base) ? base : std::nullopt;
}

std::optional<position> cold_segment_base(std::string_view name) {
    const auto base = segment_base(name);
    if (!base) return std::nullopt;
    return *base | cold_bit;
}

}  // namespace ferry::log
