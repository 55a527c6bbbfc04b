#include "core/log/adoption.hpp"

#include "core/log/bytes.hpp"
#include "core/log/segment.hpp"

namespace ferry::log {

std::string encode_adoption(const adoption& what) {
    std::string payload;
    put(payload, static_cast<std::uint64_t>(what.emptied.size()));
    for (const position base : what.emptied) put(payload, base);
    return payload + encode_segment_list(what.cold);
}

std::optional<adoption> decode_adoption(std::string_view payload) {
    byte_taker fields{payload};
    const auto emptied = fields.take<std::uint64_t>();
    if (!fields.good() || emptied > fields.left() / sizeof(position)) return std::nullopt;
    adoption result;
    result.emptied.resize(emptied);
    for (position& base : result.emptied) base = fields.take<position>();
    auto cold = decode_segment_list(payload.substr(payload.size() - fields.left()));
    if (!cold) return std::nullopt;
    result.cold = std::move(*cold);
    return result;
}

// The snapshot's last segment was being written and may have got its first message later.
adopted_segments::adopted_segments(const std::optional<snapshot>& newest) {
    if (!newest) return;
    for (const segment_entry& each : newest->segments) {
        if (is_cold(each.base))
            cold_.emplace(each.base, each);
        else if (each.shares.empty() && &each != &newest->segments.back())
            emptied_.insert(each.base);
    }
}

bool adopted_segments::take(std::string_view payload) {
    auto found = decode_adoption(payload);
    if (!found) return false;
    for (const position base : found->emptied)
        if (cold_.erase(base) == 0) emptied_.insert(base);
    for (segment_entry& each : found->cold) cold_.insert_or_assign(each.base, std::move(each));
    return true;
}

}  // namespace ferry::log
