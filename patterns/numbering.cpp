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

heard::verdict heard::judge(const stamp& stamp, std::string_view topic) {
    if (stamp.sequence == 0) return {};
    key_.assign(stamp.producer_id).append(topic);
    numbering::number* last = topics_.find(key_);
    if (last == nullptr) {
        topics_.add(key_, {stamp.epoch, stamp.sequence});
        return {};
    }
    if (stamp.epoch != last->epoch) {
        if (stamp.epoch < last->epoch) return {.duplicate = true};
        *last = {stamp.epoch, stamp.sequence};
        return {};
    }
    if (stamp.sequence <= last->sequence) return {.duplicate = true};
    const std::uint64_t expected = last->sequence + 1;
    last->sequence = stamp.sequence;
    if (stamp.sequence == expected) return {};
    return {.lost_from = expected, .lost_to = stamp.sequence - 1};
}

}  // namespace ferry
