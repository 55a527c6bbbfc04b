#include "patterns/numbering.hpp"

namespace ferry {

numbering::number numbering::next(std::string_view topic) {
    last_ = topics_.find(topic);
    if (last_ == nullptr) {
        const auto [added, another_fell_out] = topics_.add(topic, {epoch_, 0});
        // From now on a topic new to the table may be one that was in it before.
        if (another_fell_out) added->epoch = ++epoch_;
        last_ = added;
    }
    return {last_->epoch, last_->sequence + 1};
}

heard::verdict heard::judge(const stamp& first, std::string_view topic, std::uint64_t messages) {
    if (first.sequence == 0) return {};
    const std::uint64_t newest = first.sequence + messages - 1;
    key_.assign(first.producer_id).append(topic);
    numbering::number* last = topics_.find(key_);
    if (last == nullptr) {
        topics_.add(key_, {first.epoch, newest});
        return {};
    }
    if (first.epoch != last->epoch) {
        if (first.epoch < last->epoch) return {.duplicates = messages};
        *last = {first.epoch, newest};
        return {};
    }
    if (newest <= last->sequence) return {.duplicates = messages};
    const std::uint64_t expected = last->sequence + 1;
    last->sequence = newest;
    if (first.sequence <= expected) return {.duplicates = expected - first.sequence};
    return {.lost_from = expected, .lost_to = first.sequence - 1};
}

}  // namespace ferry
