#include "core/log/segment_cache.hpp"

#include <algorithm>
#include <system_error>

#include "core/log/losses.hpp"
#include "core/log/scan.hpp"
#include "core/log/seal.hpp"
#include "core/log/segment.hpp"

namespace ferry::log {

std::shared_ptr<const readable_segment> segment_cache::get(position base, position end, std::uint64_t nonce) {
    const auto same = [&](const auto& segment) { return segment->base == base; };
    {
        const std::lock_guard lock{mutex_};
        if (const auto found = std::ranges::find_if(recent_, same); found != recent_.end()) {
            recent_.splice(recent_.begin(), recent_, found);
            return recent_.front();
        }
    }
    auto loaded = load(base, end, nonce);
    const std::lock_guard lock{mutex_};
    recent_.remove_if(same);
    recent_.push_front(loaded);
    if (recent_.size() > segments_max) recent_.pop_back();
    return loaded;
}

std::shared_ptr<const readable_segment> segment_cache::load(position base, position end,
                                                            std::uint64_t nonce) {
    auto loaded = std::make_shared<readable_segment>();
    loaded->base = base;
    loaded->nonce = nonce;
    loaded->opened = directory_.open(segment_name(base), open_mode::read);
    const segment_header header{.nonce = nonce, .base = base};
    try {
        if (auto seal = read_footer(*loaded->opened, header, end)) {
            loaded->extents = std::move(seal->extents);
            return loaded;
        }
    } catch (const std::system_error&) {
        // The records tell the same, if they can be read.
    }
    extent_table extents;
    record_scan scan{*loaded->opened, nonce, base, header.records_from(), end};
    while (const auto found = scan.next()) {
        if (found->header)
            extents.add(*found->header, found->from, found->to);
        else if (loaded->nameless)
            loaded->nameless->to = found->to;
        else
            loaded->nameless = as_damage(segment_name(base), *found);
    }
    loaded->extents = extents.all();
    return loaded;
}

void segment_cache::forget(position base) {
    const std::lock_guard lock{mutex_};
    recent_.remove_if([&](const auto& segment) { return segment->base == base; });
}

}  // namespace ferry::log
