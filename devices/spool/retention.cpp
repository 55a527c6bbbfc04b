#include "devices/spool/retention.hpp"

#include <algorithm>

#include "core/run_set.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr std::uint64_t look_every_ns = 100'000'000;
constexpr std::uint64_t forget_every_ns = 1'000'000'000;

bool drops_oldest(const stream& which) {
    return which.settings.when_full == static_cast<std::uint64_t>(records::when_full::drop_oldest);
}

bool keeps_by_age(const stream& which) {
    return which.settings.retain == static_cast<std::uint64_t>(records::retain_kind::age);
}

// The end of the first `count` members.
std::uint64_t end_of_first(const offset_set& of, std::uint64_t count) {
    std::uint64_t end = 0;
    for (auto run = of.next_run(0, never); run && count > 0; run = of.next_run(run->end(), never)) {
        const std::uint64_t taken = std::min(run->count, count);
        end = run->first + taken;
        count -= taken;
    }
    return end;
}

// A dead letter of any group stays where it is: that some other group lost it would make no room.
std::vector<run> but_dead(const stream& from, std::uint64_t first, std::uint64_t end) {
    run_set left;
    left.add({first, end - first});
    for (const auto& [number, each] : from.groups)
        for (auto died = each.dead().next(first); died && died->offset < end;
             died = each.dead().next(died->end()))
            left.remove({died->offset, died->count});
    std::vector<run> runs;
    for (const auto& [at, until] : left.runs()) runs.push_back({at, until - at});
    return runs;
}

}  // namespace

void retention::remove_below(const stream& from, std::uint64_t end, records::removal_reason why) {
    end = std::min(end, from.next);
    if (end <= from.first) return;
    parts_.journal.flush_acks(parts_.now);
    const std::uint64_t messages = from.removable().count(run{from.first, end - from.first});
    if (messages == 0) return;
    (why == records::removal_reason::retention ? parts_.counters.messages_aged
                                               : parts_.counters.messages_dropped) += messages;
    parts_.journal.append(log::record_type::removed,
                          records::removed{from.number, static_cast<std::uint64_t>(why),
                                           but_dead(from, from.first, end), 0, messages},
                          parts_.now);
    parts_.journal.sync_soon(parts_.now, 0);
    parts_.touched.insert(from.number);
}

void retention::make_room(const stream& into, std::uint64_t messages, std::uint64_t bytes) {
    if (!drops_oldest(into)) return;
    const std::uint64_t messages_max = into.settings.messages_max == 0 ? never : into.settings.messages_max;
    const std::uint64_t bytes_max = into.settings.bytes_max == 0 ? never : into.settings.bytes_max;
    if (into.messages_most() + messages <= messages_max && into.bytes_most() + bytes <= bytes_max) return;
    parts_.journal.flush_acks(parts_.now);
    const offset_set left = into.removable();
    std::uint64_t end = 0;
    if (left.count() + messages > messages_max)
        end = end_of_first(left, left.count() + messages - messages_max);
    // Bytes are known by offset only: halve until what stays is small enough.
    const std::uint64_t stored = into.bytes_of(left, into.first);
    if (stored + bytes > bytes_max) {
        std::uint64_t low = into.first;
        std::uint64_t high = into.next;
        while (low < high) {
            const std::uint64_t middle = low + (high - low) / 2;
            if (into.bytes_of(left, middle) + bytes <= bytes_max)
                high = middle;
            else
                low = middle + 1;
        }
        end = std::max(end, low);
    }
    remove_below(into, end, records::removal_reason::drop_oldest);
}

// Messages bear the time of a clock that may be set back while the spool lives: by as much they look older.
void retention::watch_clock() {
    const std::uint64_t steady_ns = parts_.steady_wall_ms() * 1'000'000;
    if (parts_.now.wall_ns < steady_ns) behind_ns_ = std::max(behind_ns_, steady_ns - parts_.now.wall_ns);
}

void retention::look_at_touched() {
    watch_clock();
    if (!parts_.read_only_reason.empty()) return;
    for (const std::uint32_t number : std::set{parts_.touched}) {
        const stream* which = parts_.state.find(number);
        if (which == nullptr || !keeps_by_age(*which)) {
            looks_.erase(number);
        } else if (which->first < which->next) {
            look_time& next = looks_[number];
            // Told another age, it looks at once.
            if (next.age_ms != which->settings.retain_ms)
                next = {parts_.now.monotonic_ns, which->settings.retain_ms};
        }
        if (which != nullptr) make_room(*which, 0, 0);
    }
}

// All that was stored before the age began goes; when the next one is due to go its own time tells.
void retention::look(const stream& at) {
    const std::uint64_t steady_ns = parts_.steady_wall_ms() * 1'000'000;
    const std::uint64_t now_ns = steady_ns - std::min(steady_ns, behind_ns_);
    const std::uint64_t age_ns = at.settings.retain_ms * 1'000'000;
    looks_[at.number] = {never, at.settings.retain_ms};  // until the answer is there
    times_.find(at, now_ns - std::min(now_ns, age_ns),
                [this, number = at.number, now_ns, age_ns](std::uint64_t offset, std::uint64_t wall_ns) {
                    const stream* of = parts_.state.find(number);
                    if (of == nullptr || !keeps_by_age(*of)) return;
                    if (of->settings.retain_ms * 1'000'000 != age_ns) return;  // it looks again
                    remove_below(*of, offset, records::removal_reason::retention);
                    const std::uint64_t stored_ns = offset < of->next ? wall_ns : now_ns;
                    const std::uint64_t due_ns = stored_ns + age_ns;
                    const std::uint64_t wait_ns = std::max(due_ns - std::min(due_ns, now_ns), look_every_ns);
                    if (of->first < of->next)
                        looks_[number].due_ns = parts_.now.monotonic_ns + wait_ns;
                    else
                        looks_.erase(number);
                });
}

// An id is of no use when every stream's span is over.
void retention::forget_ids() {
    if (parts_.now.monotonic_ns < next_forget_ns_) return;
    next_forget_ns_ = parts_.now.monotonic_ns + forget_every_ns;
    std::uint64_t longest_ms = 0;
    for (const auto& [number, each] : parts_.state.streams())
        longest_ms = std::max(longest_ms, each.settings.dedup_ms);
    const std::uint64_t now_ms = parts_.steady_wall_ms();
    parts_.state.forget_ids_before((now_ms - std::min(now_ms, longest_ms)) / 1000);
}

void retention::tick() {
    if (!parts_.read_only_reason.empty()) return;
    watch_clock();
    forget_ids();
    for (auto at = looks_.begin(); at != looks_.end();) {
        const auto [number, next] = *at++;
        if (next.due_ns > parts_.now.monotonic_ns) continue;
        if (const stream* which = parts_.state.find(number))
            look(*which);
        else
            looks_.erase(number);
    }
}

std::uint64_t retention::next_due_ns() const {
    if (!parts_.read_only_reason.empty()) return never;
    std::uint64_t due = never;
    for (const auto& [number, next] : looks_) due = std::min(due, next.due_ns);
    return due;
}

}  // namespace ferry
