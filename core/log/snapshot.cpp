#include "core/log/snapshot.hpp"

#include <algorithm>

#include "core/log/bytes.hpp"
#include "core/log/checksum.hpp"
#include "core/log/error.hpp"
#include "core/log/segment.hpp"

namespace ferry::log {
namespace {

constexpr std::string_view magic = "FERRYSNP";
constexpr std::string_view prefix = "snapshot-";
constexpr std::size_t header_bytes = 64;
constexpr std::size_t header_crc_at = header_bytes - 4;
constexpr std::size_t chunk_header_bytes = 8;

// Chunks are numbered in their checksum, so that swapped ones do not pass.
std::uint32_t chunk_crc(std::string_view bytes, std::uint64_t nonce, std::uint64_t number) {
    std::string seed;
    put(seed, nonce);
    put(seed, number);
    put(seed, static_cast<std::uint32_t>(bytes.size()));
    return crc32c(bytes, crc32c(seed));
}

std::string encode_header(const snapshot& what, std::uint64_t state_bytes) {
    std::string header{magic};
    put(header, format_version);
    put(header, std::uint32_t{0});
    for (const std::uint64_t value : {what.spool_id, what.nonce, what.at, what.owner_epoch, state_bytes})
        put(header, value);
    put(header, std::uint32_t{0});
    put(header, crc32c(header));
    return header;
}

// Reads chunk `number`, which must hold at most `bytes_max` bytes, and moves `at` behind it.
std::optional<std::string> read_chunk(const file& source, std::uint64_t& at, std::uint64_t nonce,
                                      std::uint64_t number, std::uint64_t bytes_max) {
    char header[chunk_header_bytes];
    if (source.read(at, header) != chunk_header_bytes) return std::nullopt;
    const auto size = get<std::uint32_t>(header + 4);
    if (size > bytes_max) return std::nullopt;
    std::string bytes(size, '\0');
    if (source.read(at + chunk_header_bytes, bytes) != size) return std::nullopt;
    if (chunk_crc(bytes, nonce, number) != get<std::uint32_t>(header)) return std::nullopt;
    at += chunk_header_bytes + size;
    return bytes;
}

void write_chunk(file& target, std::uint64_t& at, std::string_view bytes, std::uint64_t nonce,
                 std::uint64_t number) {
    std::string chunk;
    chunk.reserve(chunk_header_bytes + bytes.size());
    put(chunk, chunk_crc(bytes, nonce, number));
    put(chunk, static_cast<std::uint32_t>(bytes.size()));
    chunk.append(bytes);
    target.write(at, chunk);
    at += chunk.size();
}

}  // namespace

std::string snapshot_name(position at) {
    return numbered_name(prefix, at, "");
}

std::optional<position> snapshot_position(std::string_view name) {
    return number_of(name, prefix, "");
}

void write_snapshot(storage& directory, const std::string& name, const snapshot& what,
                    std::string_view state) {
    const auto target = directory.open(name, open_mode::create_new);
    target->write(0, encode_header(what, state.size()));
    std::uint64_t at = header_bytes;
    std::uint64_t number = 0;
    for (; !state.empty(); ++number) {
        const std::string_view bytes = state.substr(0, snapshot_chunk_bytes);
        write_chunk(*target, at, bytes, what.nonce, number);
        state.remove_prefix(bytes.size());
    }
    write_chunk(*target, at, encode_segment_list(what.segments), what.nonce, number);
    target->sync();
}

std::optional<snapshot> read_snapshot(storage& directory, const std::string& name) {
    const auto source = directory.open(name, open_mode::read);
    const std::uint64_t file_bytes = source->size();
    std::string header(header_bytes, '\0');
    if (source->read(0, header) != header_bytes || !header.starts_with(magic)) return std::nullopt;
    if (crc32c({header.data(), header_crc_at}) != get<std::uint32_t>(header.data() + header_crc_at))
        return std::nullopt;
    byte_taker fields{std::string_view{header}.substr(magic.size())};
    if (const auto version = fields.take<std::uint32_t>(); version != format_version)
        throw format_error(directory.describe(name) + " has format version " + std::to_string(version) +
                           "; this ferry reads version " + std::to_string(format_version));
    fields.take<std::uint32_t>();
    snapshot result;
    result.spool_id = fields.take<std::uint64_t>();
    result.nonce = fields.take<std::uint64_t>();
    result.at = fields.take<std::uint64_t>();
    result.owner_epoch = fields.take<std::uint64_t>();
    const auto state_bytes = fields.take<std::uint64_t>();
    if (result.at != snapshot_position(name).value_or(result.at) || state_bytes > file_bytes)
        return std::nullopt;
    std::uint64_t at = header_bytes;
    std::uint64_t number = 0;
    result.state.reserve(state_bytes);
    for (; result.state.size() < state_bytes; ++number) {
        const auto chunk = read_chunk(*source, at, result.nonce, number, snapshot_chunk_bytes);
        if (!chunk || chunk->empty()) return std::nullopt;
        result.state += *chunk;
    }
    if (result.state.size() != state_bytes) return std::nullopt;
    const auto list = read_chunk(*source, at, result.nonce, number, file_bytes);
    if (!list || at != file_bytes) return std::nullopt;
    auto segments = decode_segment_list(*list);
    if (!segments) return std::nullopt;
    result.segments = std::move(*segments);
    return result;
}

}  // namespace ferry::log
