#include "devices/spool/batch_cache.hpp"

#include <cassert>

namespace ferry {
namespace {

// What a batch costs beside its bytes: map node, queue entry, owner.
constexpr std::size_t overhead_bytes = 256;

std::size_t cost(const cached_batch& batch) {
    return batch.batch.view.size() + 4 * batch.count + overhead_bytes;
}

}  // namespace

std::string_view cached_batch::slice(std::uint64_t from, std::uint64_t items) const {
    assert(from >= first && from + items <= end());
    if (items == count) return batch.view;
    if (starts.empty()) {
        starts.reserve(count + 1);
        batch_cursor cursor{batch.view};
        starts.push_back(0);
        while (const auto item = cursor.next())
            starts.push_back(starts.back() + static_cast<std::uint32_t>(item->all.size()));
        assert(starts.size() == count + 1);
    }
    const std::uint32_t begin = starts[from - first];
    return batch.view.substr(begin, starts[from - first + items] - begin);
}

std::size_t batch_cache::add(std::uint32_t stream, cached_batch batch) {
    const key where{stream, batch.first};
    const std::size_t bytes = cost(batch);
    if (!batches_.emplace(where, std::move(batch)).second) return bytes;
    arrival_.push_back(where);
    bytes_ += bytes;
    while (bytes_ > bytes_max_ && arrival_.size() > 1) {
        const auto oldest = batches_.find(arrival_.front());
        arrival_.pop_front();
        if (oldest == batches_.end()) continue;
        bytes_ -= cost(oldest->second);
        batches_.erase(oldest);
    }
    return bytes;
}

const cached_batch* batch_cache::find(std::uint32_t stream, std::uint64_t offset) const {
    auto at = batches_.upper_bound({stream, offset});
    if (at == batches_.begin()) return nullptr;
    --at;
    if (at->first.first != stream || at->second.end() <= offset) return nullptr;
    return &at->second;
}

void batch_cache::forget(std::uint32_t stream) {
    for (auto at = batches_.lower_bound({stream, 0}); at != batches_.end() && at->first.first == stream;) {
        bytes_ -= cost(at->second);
        at = batches_.erase(at);
    }
}

}  // namespace ferry
