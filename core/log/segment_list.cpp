#include "core/log/segment_list.hpp"

#include "core/log/bytes.hpp"

namespace ferry::log {
namespace {

constexpr std::size_t share_bytes = 40;
constexpr std::size_t entry_bytes = 32;

}  // namespace

std::string encode_segment_list(const std::vector<segment_entry>& segments) {
    std::string list;
    put(list, static_cast<std::uint64_t>(segments.size()));
    for (const segment_entry& segment : segments) {
        put(list, segment.base);
        put(list, segment.end);
        put(list, segment.nonce);
        put(list, static_cast<std::uint64_t>(segment.shares.size()));
        for (const stream_share& share : segment.shares) {
            put(list, std::uint64_t{share.stream});
            for (const std::uint64_t value :
                 {share.first_offset, share.end_offset, share.messages, share.bytes})
                put(list, value);
        }
    }
    return list;
}

std::optional<std::vector<segment_entry>> decode_segment_list(std::string_view bytes) {
    byte_taker fields{bytes};
    const auto segments = fields.take<std::uint64_t>();
    if (segments > fields.left() / entry_bytes) return std::nullopt;
    std::vector<segment_entry> list(segments);
    for (segment_entry& segment : list) {
        segment.base = fields.take<std::uint64_t>();
        segment.end = fields.take<std::uint64_t>();
        segment.nonce = fields.take<std::uint64_t>();
        const auto shares = fields.take<std::uint64_t>();
        if (shares > fields.left() / share_bytes) return std::nullopt;
        segment.shares.resize(shares);
        for (stream_share& share : segment.shares) {
            share.stream = static_cast<std::uint32_t>(fields.take<std::uint64_t>());
            for (std::uint64_t* value :
                 {&share.first_offset, &share.end_offset, &share.messages, &share.bytes})
                *value = fields.take<std::uint64_t>();
        }
    }
    if (!fields.good() || fields.left() != 0) return std::nullopt;
    return list;
}

}  // namespace ferry::log
