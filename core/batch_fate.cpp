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
    add({index, count, {message_fate::state::stored, duplicate, offset}});
}

void batch_fate::refused(std::uint64_t index, std::uint64_t count, std::string_view code,
                         std::string_view reason) {
    code_ = code;
    reason_ = reason;
    add({index, count, {message_fate::state::refused, false, 0}});
}

message_fate batch_fate::of(std::uint64_t index) const {
    auto at = std::upper_bound(pieces_.begin(), pieces_.end(), index,
                               [](std::uint64_t wanted, const piece& each) { return wanted < each.index; });
    if (at == pieces_.begin() || index - (--at)->index >= at->count) return {};
    message_fate fate = at->fate;
    if (fate.is == message_fate::state::stored) fate.offset += index - at->index;
    return fate;
}

}  // namespace ferry
