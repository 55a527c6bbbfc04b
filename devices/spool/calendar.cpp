#include "devices/spool/calendar.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include "core/varint.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t minute_ms = 60'000;
constexpr std::array<std::uint64_t, 4> widths_ms = {365 * 24 * 60 * minute_ms, 24 * 60 * minute_ms,
                                                    60 * minute_ms, minute_ms};
constexpr std::size_t bucket_node_bytes = 160;
constexpr std::uint64_t sweep_every = 4096;  // offsets that are gone, at least
constexpr std::uint64_t ms_end = std::uint64_t{1} << 44;
constexpr std::uint64_t offset_end = std::uint64_t{1} << 60;

// The coarsest that begins its own width from `near_ms` or later. Time before 1971 has no bucket.
calendar::bucket_key bucket_for(std::uint64_t ms, std::uint64_t near_ms) {
    for (const std::uint64_t width : widths_ms) {
        const std::uint64_t start = ms - ms % width;
        if (start >= near_ms + width || width == widths_ms.back()) return calendar::key_of(start, width);
    }
    return {};
}

}  // namespace

void calendar::add_near(appointment made) {
    for (std::uint64_t left = made.count; left > 0; left -= made.count, made.offset += made.count) {
        made.count = std::min(left, count_max);
        // By a quarter, not double: a million of them must not be copied to room for two.
        if (near_.size() == near_.capacity()) near_.reserve(near_.size() + near_.size() / 4 + 64);
        near_.emplace_back(made);
        std::push_heap(near_.begin(), near_.end(), std::greater<>{});
    }
}

template <typename Change>
void calendar::change_bucket(const bucket_key& which, Change change) {
    const auto [at, fresh] = buckets_.try_emplace(which);
    if (!fresh) bucket_bytes_ -= bucket_node_bytes + at->second.records.bytes();
    change(at->second);
    if (at->second.records.empty())
        buckets_.erase(at);
    else
        bucket_bytes_ += bucket_node_bytes + at->second.records.bytes();
}

void calendar::add(const appointment& made, run record, std::uint64_t near_ms) {
    if (made.ms < near_ms || made.ms < 2 * widths_ms.back()) return add_near(made);
    record_messages_max_ = std::max(record_messages_max_, record.count);
    change_bucket(bucket_for(made.ms, near_ms), [&](bucket& into) {
        into.messages += made.count;
        into.records.add(record.first);
    });
}

std::uint64_t calendar::next_ms() const {
    return near_.empty() ? never : near_.front().ms();
}

std::uint64_t calendar::next_opening_ms() const {
    return buckets_.empty() ? never : buckets_.begin()->first.opens_ms;
}

appointment calendar::pop() {
    std::pop_heap(near_.begin(), near_.end(), std::greater<>{});
    const appointment first = near_.back().what();
    near_.pop_back();
    if (near_.capacity() > sweep_every && near_.size() < near_.capacity() / 4) near_.shrink_to_fit();
    return first;
}

// Every so many offsets, so that it costs little for each: a record at most so long may still reach above.
void calendar::forget_below(std::uint64_t first) {
    if (first - std::min(first, swept_below_) < std::max<std::uint64_t>(sweep_every, near_.size())) return;
    sweep(first);
}

void calendar::sweep(std::uint64_t first) {
    swept_below_ = first;
    const std::uint64_t below = first - std::min(first, record_messages_max_);
    for (auto at = buckets_.begin(); at != buckets_.end();) {
        const bucket_key which = (at++)->first;
        change_bucket(which, [below](bucket& each) { each.records.remove(run{0, below}); });
    }
    std::erase_if(near_, [first](const near_one& each) { return each.what().end() <= first; });
    std::make_heap(near_.begin(), near_.end(), std::greater<>{});
    if (near_.size() < near_.capacity() / 4) near_.shrink_to_fit();
}

std::size_t calendar::bytes() const noexcept {
    return near_.capacity() * sizeof(near_one) + bucket_bytes_;
}

calendar::saved calendar::save() const {
    saved into;
    into.record_messages_max = record_messages_max_;
    into.near.reserve(near_.size() * 9);
    appointment last;
    for (const near_one& each : near_) {
        const appointment next = each.what();
        put_varint(into.near, zigzag(last.ms, next.ms));
        put_varint(into.near, zigzag(last.offset, next.offset));
        put_varint(into.near, next.count);
        put_varint(into.near, next.priority);
        last = next;
    }
    for (const auto& [which, each] : buckets_)
        into.later.push_back({which.start_ms, which.width_ms, each.messages, each.records.save()});
    return into;
}

bool calendar::merge(const saved& more) {
    appointment next;
    for (std::string_view left = more.near; !left.empty();) {
        const auto ms = take_varint(left);
        const auto offset = take_varint(left);
        const auto count = take_varint(left);
        const auto priority = take_varint(left);
        if (!ms || !offset || !count || !priority) return false;
        next = {unzigzag(next.ms, *ms), unzigzag(next.offset, *offset), *count, *priority};
        if (next.ms >= ms_end || next.offset >= offset_end || *count == 0 || *count > count_max ||
            *priority > 9)
            return false;
        add_near(next);
    }
    record_messages_max_ = std::max(record_messages_max_, more.record_messages_max);
    for (const saved_bucket& each : more.later) {
        offset_set records;
        if (!records.load(each.records)) return false;
        change_bucket(key_of(each.start_ms, each.width_ms), [&](bucket& into) {
            into.messages += each.messages;
            if (into.records.empty()) return std::swap(into.records, records);
            for (auto at = records.next_run(0, never); at; at = records.next_run(at->end(), never))
                into.records.add(*at);
        });
    }
    return true;
}

bool calendar::opened(const bucket_key& which, const offset_set& records, const saved& found) {
    if (buckets_.contains(which))
        change_bucket(which, [&](bucket& from) {
            const std::uint64_t before = from.records.count();
            for (auto at = records.next_run(0, never); at; at = records.next_run(at->end(), never))
                from.records.remove(*at);
            from.messages = before == 0 ? 0 : from.messages * from.records.count() / before;
        });
    return merge(found);
}

}  // namespace ferry
