#include "core/log/footer.hpp"

#include <algorithm>

#include "core/log/bytes.hpp"

namespace ferry::log {
namespace {

constexpr std::size_t extent_bytes = 56;
constexpr std::size_t counts_bytes = 8;
constexpr std::size_t pointer_bytes = 8;
constexpr std::uint64_t span_limit = 1ULL << 32;

void join(extent& left, const extent& right) {
    left.records += right.records;
    left.end_offset = std::max(left.end_offset, right.end_offset);
    left.to = right.to;
    left.messages += right.messages;
    left.bytes += right.bytes;
}

}  // namespace

std::string encode_footer(const footer& what, std::uint64_t file_offset) {
    std::string payload;
    put(payload, static_cast<std::uint32_t>(what.extents.size()));
    put(payload, static_cast<std::uint32_t>(what.columns.size()));
    for (const extent& e : what.extents) {
        put(payload, e.stream);
        put(payload, e.records);
        for (const std::uint64_t value : {e.first_offset, e.end_offset, e.from, e.to, e.messages, e.bytes})
            put(payload, value);
    }
    for (const column& c : what.columns) {
        put(payload, c.kind);
        put(payload, c.width);
        put(payload, c.stream);
        put(payload, c.first_offset);
        put(payload, c.count);
        put(payload, std::uint32_t{0});
        payload.append(c.data).append(padded(c.data.size()) - c.data.size(), '\0');
    }
    put(payload, file_offset);
    return payload;
}

std::optional<footer> decode_footer(std::string_view payload) {
    byte_taker fields{payload};
    const auto extents = fields.take<std::uint32_t>();
    const auto columns = fields.take<std::uint32_t>();
    if (extents > fields.left() / extent_bytes) return std::nullopt;
    footer result;
    result.extents.resize(extents);
    for (extent& e : result.extents) {
        e.stream = fields.take<std::uint32_t>();
        e.records = fields.take<std::uint32_t>();
        for (std::uint64_t* value : {&e.first_offset, &e.end_offset, &e.from, &e.to, &e.messages, &e.bytes})
            *value = fields.take<std::uint64_t>();
        if (e.from > e.to) return std::nullopt;
    }
    for (std::uint32_t i = 0; i < columns && fields.good(); ++i) {
        column c;
        c.kind = fields.take<std::uint16_t>();
        c.width = fields.take<std::uint16_t>();
        c.stream = fields.take<std::uint32_t>();
        c.first_offset = fields.take<std::uint64_t>();
        c.count = fields.take<std::uint32_t>();
        fields.take<std::uint32_t>();
        const std::uint64_t size = std::uint64_t{c.width} * c.count;
        c.data = fields.take_bytes(padded(size)).substr(0, size);
        result.columns.push_back(std::move(c));
    }
    if (!fields.good() || fields.left() != pointer_bytes) return std::nullopt;
    return result;
}

std::span<const extent> extents_above(std::span<const extent> by_stream, std::uint32_t stream,
                                      std::uint64_t offset) {
    // The first extent that is not of a smaller stream, nor ends at or below the offset; and the next
    // stream's.
    const auto before = [&](const extent& e) {
        return e.stream < stream || (e.stream == stream && e.end_offset <= offset);
    };
    const auto mine = [&](const extent& e) { return e.stream <= stream; };
    const auto first = std::partition_point(by_stream.begin(), by_stream.end(), before);
    return {first, std::partition_point(first, by_stream.end(), mine)};
}

void extent_table::add(const record_header& header, position from, position to) {
    if (header.stream == 0 || header.count == 0 || header.type == record_type::footer) return;
    extent next{.stream = header.stream,
                .records = 1,
                .first_offset = header.first_offset,
                .end_offset = header.first_offset + header.count,
                .from = from,
                .to = to,
                .messages = header.count,
                .bytes = to - from};
    std::vector<extent>& extents = by_stream_[header.stream];
    if (!extents.empty() && extents.back().to - extents.back().from < span_ &&
        from - extents.back().from < span_) {
        join(extents.back(), next);
        return;
    }
    extents.push_back(next);
    if (++count_ > extents_max && span_ < span_limit) widen();
}

void extent_table::widen() {
    // One extent a stream is the least there can be: with more streams than extents_max the table grows.
    span_ *= 2;
    count_ = 0;
    for (auto& [stream, extents] : by_stream_) {
        std::vector<extent> wider;
        for (const extent& e : extents) {
            if (!wider.empty() && e.to - wider.back().from <= span_)
                join(wider.back(), e);
            else
                wider.push_back(e);
        }
        extents = std::move(wider);
        count_ += extents.size();
    }
}

std::vector<extent> extent_table::all() const {
    std::vector<extent> result;
    result.reserve(count_);
    for (const auto& [stream, extents] : by_stream_)
        result.insert(result.end(), extents.begin(), extents.end());
    return result;
}

std::uint64_t extent_table::footer_bytes(std::size_t more) const {
    return record_bytes(counts_bytes + (count_ + more) * extent_bytes + pointer_bytes);
}

}  // namespace ferry::log
