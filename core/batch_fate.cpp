#include "core/batch_fate.hpp"

#include <algorithm>

namespace ferry {

void batch_fate::add(const piece& settled) {
    const auto at =
        std::upper_bound(pieces_.begin(), pieces_.end(), settled.index,
                         [](std::uint64_t index, const piece& each) { return index < each.index; });
    pieces_.insert(at, settled);
    settled_ += settled.count;
}

void batch_fate::stored(std::uint64_t index, std::uint64_t count, std::uint64_t offset, bool duplicate) {
    add({index, count, {message_fate::state::stored, duplicate, offset}, 0});
    const std::uint64_t plain = plain_.load(std::memory_order_relaxed);
    if (duplicate || index != plain || (plain > 0 && offset != plain_offset_ + index)) return;
    if (plain == 0) plain_offset_ = offset;
    plain_.store(index + count, std::memory_order_release);
}

void batch_fate::refused(std::uint64_t index, std::uint64_t count, std::string_view code,
                         std::string_view reason) {
    whys_.push_back({std::string{code}, std::string{reason}});
    add({index, count, {message_fate::state::refused, false, 0}, whys_.size()});
}

const batch_fate::piece* batch_fate::holder_of(std::uint64_t index) const {
    const auto behind =
        std::upper_bound(pieces_.begin(), pieces_.end(), index,
                         [](std::uint64_t wanted, const piece& each) { return wanted < each.index; });
    if (behind == pieces_.begin()) return nullptr;
    const piece& at = *std::prev(behind);
    return index - at.index < at.count ? &at : nullptr;
}

message_fate batch_fate::of(std::uint64_t index) const {
    const piece* const at = holder_of(index);
    if (at == nullptr) return {};
    message_fate fate = at->fate;
    if (fate.is == message_fate::state::stored) fate.offset += index - at->index;
    return fate;
}

batch_fate::why batch_fate::why_of(std::uint64_t index) const {
    const piece* const at = holder_of(index);
    return at == nullptr || at->why == 0 ? why{} : whys_[at->why - 1];
}

std::string batch_fate::code(std::uint64_t index) const {
    return why_of(index).code;
}

std::string batch_fate::reason(std::uint64_t index) const {
    return why_of(index).reason;
}

}  // namespace ferry
