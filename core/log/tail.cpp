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
                 .end = header.records_from(),
                 .bad = {}};
    record_scan scan{segment, header.nonce, header.base, header.records_from(), header.base + segment.size()};
    while (const auto found = scan.next()) {
        if (found->zeros) break;
        result.end = found->used_to;
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

tail examine_tail(const file& segment, const segment_header& header, position durable) {
    const sweep swept = sweep_segment(segment, header, durable);
    tail verdict{.watermark = swept.watermark, .whole_end = std::max(swept.end, swept.watermark)};
    verdict.torn_end = verdict.whole_end;
    for (const scanned& region : swept.bad) {
        // A region may begin below the watermark and end above: the watermark is where a record began, so
        // the part below is damage and the part above is torn.
        if (region.to > verdict.watermark)
            verdict.whole_end = std::min(verdict.whole_end, std::max(region.from, verdict.watermark));
    }
    verdict.rewrite_bytes = count_rewrites(segment, header, verdict);
    return verdict;
}

}  // namespace ferry::log
