#include "core/log/tail.hpp"

#include <algorithm>

#include "core/log/scan.hpp"

namespace ferry::log {
namespace {

// One pass over the segment: where its records and its bad regions stand, and the highest watermark in it.
struct sweep {
    position watermark = 0;
    position end = 0;  // of the scan, a tail of zeros aside
    std::vector<scanned> bad;
};

sweep sweep_segment(const file& segment, const segment_header& header, position durable) {
    sweep result{.watermark = std::max({durable, header.durable, header.records_from()}),
                 .end = header.records_from(), .bad = {}};
    record_scan scan{segment, header.nonce, header.base, header.records_from(),
                     header.base + segment.size()};
    while (const auto found = scan.next()) {
        if (found->zeros) break;
        result.end = found->to;
        if (found->header) result.watermark = std::max(result.watermark, found->header->durable);
        if (!found->record) result.bad.push_back(*found);
    }
    return result;
}

std::uint64_t count_rewrites(const file& segment, const segment_header& header, const tail& verdict) {
    std::uint64_t bytes = 0;
    record_scan scan{segment, header.nonce, header.base, verdict.watermark, verdict.whole_end};
    while (const auto found = scan.next())
        if (found->record && found->header->type != record_type::footer) bytes += found->to - found->from;
    return bytes;
}

}  // namespace

damage as_damage(const std::string& name, const scanned& found) {
    damage result{.file = name, .from = found.from, .to = found.to};
    if (found.header) {
        result.stream = found.header->stream;
        result.first_offset = found.header->first_offset;
        result.count = found.header->count;
        result.reason = "payload does not verify";
    } else {
        result.reason = found.zeros ? "zeros where records were" : "record header does not verify";
    }
    return result;
}

tail examine_tail(const file& segment, const std::string& name, const segment_header& header,
                  position durable) {
    const sweep swept = sweep_segment(segment, header, durable);
    tail verdict{.watermark = swept.watermark, .whole_end = std::max(swept.end, swept.watermark)};
    verdict.torn_end = verdict.whole_end;
    for (scanned region : swept.bad) {
        if (region.from < verdict.watermark) {
            const position to = region.to;
            region.to = std::min(region.to, verdict.watermark);
            verdict.damages.push_back(as_damage(name, region));
            // The watermark is where a record begins: what is bad above it was never promised.
            if (to > verdict.watermark) verdict.whole_end = verdict.watermark;
        } else {
            verdict.whole_end = std::min(verdict.whole_end, region.from);
        }
    }
    if (swept.end < verdict.watermark)
        verdict.damages.push_back({.file = name, .from = swept.end, .to = verdict.watermark,
                                   .reason = "zeros where records were, or the file was cut short"});
    verdict.rewrite_bytes = count_rewrites(segment, header, verdict);
    return verdict;
}

}  // namespace ferry::log
