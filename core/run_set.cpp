#include "core/run_set.hpp"

#include <algorithm>

namespace ferry {

// What continues a run, or is cut from one's end, is done in place: a set that is filled and emptied one by
// one asks for no memory.
void run_set::add(run more) {
    if (more.count == 0) return;
    std::uint64_t first = more.first;
    std::uint64_t end = more.end();
    auto at = runs_.upper_bound(first);
    if (at != runs_.begin() && std::prev(at)->second >= first) {
        const auto before = std::prev(at);
        if (at == runs_.end() || at->first > std::max(end, before->second)) {
            count_ += std::max(end, before->second) - before->second;
            before->second = std::max(end, before->second);
            return;
        }
        at = before;
    }
    while (at != runs_.end() && at->first <= end) {
        first = std::min(first, at->first);
        end = std::max(end, at->second);
        count_ -= at->second - at->first;
        at = runs_.erase(at);
    }
    runs_.emplace_hint(at, first, end);
    count_ += end - first;
}

void run_set::remove(run less) {
    if (less.count == 0) return;
    auto at = runs_.upper_bound(less.first);
    if (at != runs_.begin() && std::prev(at)->second > less.first) --at;
    while (at != runs_.end() && at->first < less.end()) {
        const auto [first, end] = *at;
        count_ -= std::min(end, less.end()) - std::max(first, less.first);
        if (first < less.first) {
            at->second = less.first;
            ++at;
            if (end > less.end()) at = runs_.emplace_hint(at, less.end(), end);
        } else if (end > less.end()) {
            auto rest = runs_.extract(at++);
            rest.key() = less.end();
            runs_.insert(at, std::move(rest));
            return;
        } else {
            at = runs_.erase(at);
        }
    }
}

bool run_set::contains(std::uint64_t offset) const {
    return first_absent(offset) != offset;
}

std::uint64_t run_set::count(run within) const {
    std::uint64_t total = 0;
    for (auto next = next_run(within.first); next && next->first < within.end(); next = next_run(next->end()))
        total += std::min(next->end(), within.end()) - next->first;
    return total;
}

std::uint64_t run_set::first_absent(std::uint64_t from) const {
    const auto after = runs_.upper_bound(from);
    if (after == runs_.begin()) return from;
    return std::max(from, std::prev(after)->second);
}

std::optional<run_set::run> run_set::next_run(std::uint64_t from) const {
    auto at = runs_.upper_bound(from);
    if (at != runs_.begin() && std::prev(at)->second > from) --at;
    if (at == runs_.end()) return std::nullopt;
    const std::uint64_t first = std::max(from, at->first);
    return run{first, at->second - first};
}

}  // namespace ferry
