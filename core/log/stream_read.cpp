#include "core/log/stream_read.hpp"

#include <algorithm>
#include <system_error>

#include "core/log/losses.hpp"
#include "core/log/scan.hpp"
#include "core/log/segment.hpp"

namespace ferry::log {
namespace {

// Payloads point into the bytes, which are moved out with the result: a string this long keeps its place.
constexpr std::size_t never_inline_bytes = 256;

}  // namespace

stream_read::stream_read(std::uint32_t stream, std::uint64_t offset, std::size_t bytes_max)
    : stream_(stream), bytes_max_(bytes_max), offset_(offset) {
    bytes_.reserve(never_inline_bytes);
}

void stream_read::take(const file& segment, const std::string& name, std::uint64_t nonce, position base,
                       const extent& where, std::uint64_t until) {
    const std::uint64_t end_offset = std::min(where.end_offset, until);
    try {
        gather(segment, name, nonce, base, where, end_offset);
    } catch (const std::system_error& failure) {
        stopped_ = !placed_.empty();
        if (stopped_) return;
        const std::uint64_t from = std::max(offset_, where.first_offset);
        damages_.push_back({.file = name,
                            .from = where.from,
                            .to = where.to,
                            .unreadable = true,
                            .stream = stream_,
                            .first_offset = from,
                            .count = static_cast<std::uint32_t>(end_offset - from),
                            .reason = failure.what()});
        unknown_.reset();
        skip_to(end_offset);
    }
}

void stream_read::gather(const file& segment, const std::string& name, std::uint64_t nonce, position base,
                         const extent& where, std::uint64_t until) {
    record_scan scan{segment, nonce, base, where.from, where.to, unreadable_blocks::step_over};
    std::uint64_t expected = where.first_offset;
    while (const auto found = scan.next()) {
        // What was read before it is of use; whoever asks for what follows will meet it again, first.
        stopped_ = found->unreadable && !placed_.empty();
        if (stopped_) return;
        if (!found->header) {
            unknown_ = as_damage(name, *found);
            continue;
        }
        const record_header& header = *found->header;
        if (header.stream != stream_ || header.count == 0) continue;
        if (header.first_offset >= until) break;
        settle_unknown(expected, header.first_offset);
        expected = header.first_offset + header.count;
        if (expected <= offset_) continue;
        if (!found->record) {
            damages_.push_back(as_damage(name, *found));
        } else {
            placed_.push_back({found->from, header, bytes_.size()});
            bytes_.append(found->record->payload);
        }
        offset_ = expected;
        if (full()) return;
    }
    settle_unknown(expected, until);
    skip_to(until);
}

void stream_read::settle_unknown(std::uint64_t expected, std::uint64_t next) {
    if (!unknown_) return;
    const std::uint64_t from = std::max(expected, offset_);
    if (next > from) {
        unknown_->stream = stream_;
        unknown_->first_offset = from;
        unknown_->count = static_cast<std::uint32_t>(std::min<std::uint64_t>(next - from, UINT32_MAX));
        damages_.push_back(std::move(*unknown_));
    }
    unknown_.reset();
}

// Records that took the footer with them stand in no extent: that they were there the table knows.
void stream_read::miss(const std::optional<damage>& nameless, std::uint64_t first, std::uint64_t end) {
    unknown_ = nameless;
    settle_unknown(first, end);
    if (nameless) skip_to(end);
}

void stream_read::skip_to(std::uint64_t offset) {
    offset_ = std::max(offset_, offset);
}

read_result stream_read::finish(bool at_end) {
    read_result result{
        .bytes = std::move(bytes_), .records = {}, .damages = std::move(damages_), .at_end = at_end};
    result.records.reserve(placed_.size());
    const std::string_view bytes = result.bytes;
    for (const placed& p : placed_)
        result.records.push_back({p.at, p.header, bytes.substr(p.payload_from, p.header.length)});
    return result;
}

}  // namespace ferry::log
