#include "devices/spool/cut.hpp"

#include <algorithm>

#include "core/batch.hpp"
#include "core/log/checksum.hpp"
#include "devices/spool/record_payload.hpp"

namespace ferry {
namespace {

using protocol::run;

constexpr std::uint64_t bytes_between_max = 128;  // about what a record costs beside its batch

// Where each item begins, and behind the last one the end.
std::vector<std::size_t> item_starts(std::string_view batch, std::size_t count) {
    std::vector<std::size_t> starts{0};
    starts.reserve(count + 1);
    batch_cursor cursor{batch};
    while (const auto item = cursor.next()) starts.push_back(starts.back() + item->all.size());
    return starts;
}

// What the items of `part` ask for, by their index in it.
std::vector<wishes> wishes_of(const std::vector<wishes>& all, run part) {
    std::vector<wishes> found;
    for (wishes each : all) {
        const std::uint64_t from = std::max(each.index, part.first);
        const std::uint64_t end = std::min(each.index + each.count, part.end());
        if (from >= end) continue;
        each.index = from - part.first;
        each.count = end - from;
        found.push_back(each);
    }
    return found;
}

// The wanted items as runs of indexes; runs with little between them are one.
std::vector<run> parts_of(const log::record_header& header, const offset_set& wanted,
                          const std::vector<std::size_t>& starts) {
    const std::uint64_t end = header.first_offset + header.count;
    std::vector<run> parts;
    for (auto next = wanted.next_run(header.first_offset, end); next;
         next = wanted.next_run(next->end(), end)) {
        const run part{next->first - header.first_offset, next->count};
        if (!parts.empty() && starts[part.first] - starts[parts.back().end()] <= bytes_between_max)
            parts.back().count = part.end() - parts.back().first;
        else
            parts.push_back(part);
    }
    return parts;
}

}  // namespace

std::optional<std::vector<outgoing_record>> cut(const log::stored_record& from, const offset_set& wanted) {
    records::messages_head head;
    std::string_view batch;
    const log::record_header& header = from.header;
    if (!wanted.next_run(header.first_offset, header.first_offset + header.count))
        return std::vector<outgoing_record>{};
    if (header.type != log::record_type::messages || !records::split_messages(from.payload, head, batch))
        return std::nullopt;
    const std::vector<std::size_t> starts = item_starts(batch, header.count);
    if (starts.size() != std::size_t{header.count} + 1) return std::nullopt;
    std::vector<outgoing_record> found;
    for (const run& part : parts_of(header, wanted, starts)) {
        records::messages_head own = head;
        own.first_sequence += part.first;
        own.wishes = wishes_of(head.wishes, part);
        own.known.clear();  // what does not count is not wanted either
        own.ids.clear();    // they are known since the batch was stored
        const std::string_view items =
            batch.substr(starts[part.first], starts[part.end()] - starts[part.first]);
        if (part.count < header.count) {
            own.cut_from = head.origin(header);
            own.checksum_kind = static_cast<std::uint64_t>(checksum_kind::crc32c);
            own.checksum = log::crc32c(items);
        }
        found.push_back({.type = header.type,
                         .flags = header.flags,
                         .stream = header.stream,
                         .first_offset = header.first_offset + part.first,
                         .count = static_cast<std::uint32_t>(part.count),
                         .wall_ns = header.wall_ns,
                         .head = pack_struct(own),
                         .body = shared_bytes::of(std::string{items})});
    }
    return found;
}

}  // namespace ferry
