#include "devices/spool/dead_letters.hpp"

#include <algorithm>
#include <cassert>

namespace ferry {
namespace {

constexpr std::uint64_t alike_within_ns = 1'000'000'000;

// Ten thousand messages that die of one cause must not cost ten thousand entries. The later time counts for
// all, so that a limit of age never takes one too early.
bool alike(const dead_run& before, const dead_run& after) {
    return before.end() == after.offset && before.attempt == after.attempt && before.reason == after.reason &&
           before.died_wall_ns / alike_within_ns == after.died_wall_ns / alike_within_ns;
}

dead_run cut(const dead_run& from, std::uint64_t first, std::uint64_t end) {
    dead_run part = from;
    part.offset = std::max(from.offset, first);
    part.count = std::min(from.end(), end) - part.offset;
    return part;
}

}  // namespace

void dead_letters::add(dead_run died) {
    if (died.count == 0) return;
    take({died.offset, died.count});  // what a damaged log says twice counts once
    count_ += died.count;
    auto after = runs_.lower_bound(died.offset);
    assert(after == runs_.end() || died.end() <= after->first);
    if (after != runs_.begin()) {
        const auto before = std::prev(after);
        assert(before->second.end() <= died.offset);
        if (alike(before->second, died)) {
            before->second.count += died.count;
            before->second.died_wall_ns = std::max(before->second.died_wall_ns, died.died_wall_ns);
            return;
        }
    }
    const std::uint64_t offset = died.offset;
    runs_.emplace_hint(after, offset, std::move(died));
}

std::vector<dead_run> dead_letters::take(protocol::run within) {
    std::vector<dead_run> taken;
    auto at = runs_.upper_bound(within.first);
    if (at != runs_.begin() && std::prev(at)->second.end() > within.first) --at;
    while (at != runs_.end() && at->first < within.end()) {
        const dead_run whole = std::move(at->second);
        at = runs_.erase(at);
        if (whole.offset < within.first) runs_.emplace(whole.offset, cut(whole, 0, within.first));
        if (whole.end() > within.end())
            at = runs_.emplace(within.end(), cut(whole, within.end(), ~0ULL)).first;
        taken.push_back(cut(whole, within.first, within.end()));
        count_ -= taken.back().count;
        if (whole.end() > within.end()) break;
    }
    return taken;
}

std::optional<dead_run> dead_letters::next(std::uint64_t from) const {
    auto at = runs_.upper_bound(from);
    if (at != runs_.begin() && std::prev(at)->second.end() > from) --at;
    if (at == runs_.end()) return std::nullopt;
    return cut(at->second, from, ~0ULL);
}

std::uint64_t dead_letters::count(protocol::run within) const {
    std::uint64_t found = 0;
    for (auto run = next(within.first); run && run->offset < within.end(); run = next(run->end()))
        found += std::min(run->end(), within.end()) - run->offset;
    return found;
}

}  // namespace ferry
