#include "devices/spool/sieve.hpp"

#include <algorithm>

namespace ferry {

sieve::verdict sieve::judge(const stream& from, group& whose, tried_run& picked) {
    const filter& wants = whose.settings.wants;
    // An ordered group was judged when its keys were looked at.
    if (wants.everything() || whose.settings.ordered) return verdict::wanted;
    const cached_batch* at = parts_.cache.find(from.number, picked.offset);
    if (at == nullptr) return verdict::unread;
    if (left_ == 0) return verdict::later;
    batch_cursor items{at->slice(picked.offset, at->end() - picked.offset)};
    const auto most = std::min<std::uint64_t>({picked.count, at->end() - picked.offset, left_});
    const bool wanted = wants.takes(*items.next());
    std::uint64_t alike = 1;
    while (alike < most && wants.takes(*items.next()) == wanted) ++alike;
    left_ -= alike;
    picked.count = alike;
    if (wanted) return verdict::wanted;
    const run skipped{picked.offset, picked.count};
    whose.skip(skipped, from.lanes);
    parts_.journal.acked(from.number, whose.number, skipped);
    parts_.counters.messages_skipped += alike;
    return verdict::skipped;
}

}  // namespace ferry
