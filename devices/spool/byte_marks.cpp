#include "devices/spool/byte_marks.hpp"

#include <algorithm>

namespace ferry {
namespace {

constexpr std::size_t marks_max = 256;

// The part of `whole` that `share` of `of` is.
std::uint64_t part(std::uint64_t whole, std::uint64_t share, std::uint64_t of) {
    return static_cast<std::uint64_t>(static_cast<double>(whole) * static_cast<double>(share) /
                                      static_cast<double>(of));
}

}  // namespace

void byte_marks::add(run messages, std::uint64_t bytes) {
    // Offsets that were stepped over hold nothing.
    if (messages.first > end_.offset && !marks_.empty()) marks_.push_back(end_);
    end_.offset = messages.first;
    if (marks_.empty() || end_.bytes_below - marks_.back().bytes_below >= spacing_) marks_.push_back(end_);
    end_ = {messages.end(), end_.bytes_below + bytes};
    if (marks_.size() <= marks_max) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < marks_.size(); i += 2) marks_[kept++] = marks_[i];
    marks_.resize(kept);
    spacing_ = std::max(2 * spacing_, (end_.bytes_below - marks_.front().bytes_below) / (marks_max / 2));
}

std::uint64_t byte_marks::below(std::uint64_t offset) const {
    if (offset >= end_.offset) return end_.bytes_below;
    const auto after =
        std::upper_bound(marks_.begin(), marks_.end(), offset,
                         [](std::uint64_t wanted, const mark& each) { return wanted < each.offset; });
    if (after == marks_.begin()) return marks_.empty() ? end_.bytes_below : marks_.front().bytes_below;
    const mark& low = *std::prev(after);
    const mark& high = after == marks_.end() ? end_ : *after;
    return low.bytes_below +
           part(high.bytes_below - low.bytes_below, offset - low.offset, high.offset - low.offset);
}

std::uint64_t byte_marks::offset_after(std::uint64_t from, std::uint64_t bytes_least) const {
    const std::uint64_t wanted = below(from) + bytes_least;
    std::uint64_t low = from;
    std::uint64_t high = end_.offset;
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        if (below(middle) >= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void byte_marks::forget_below(std::uint64_t offset) {
    auto keep = std::upper_bound(marks_.begin(), marks_.end(), offset,
                                 [](std::uint64_t wanted, const mark& each) { return wanted < each.offset; });
    if (keep != marks_.begin()) --keep;
    marks_.erase(marks_.begin(), keep);
    if (marks_.size() <= 1) spacing_ = 0;
}

}  // namespace ferry
