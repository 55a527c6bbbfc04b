#include "devices/spool/key_order.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace ferry {
namespace {

constexpr std::size_t short_line_max = 512;

// FNV-1a, and a mix at the end for tables.
std::uint64_t hash(std::string_view bytes) {
    std::uint64_t value = 14695981039346656037ULL;
    for (const char each : bytes) value = (value ^ static_cast<unsigned char>(each)) * 1099511628211ULL;
    value ^= value >> 32;
    return value * 0x9E3779B97F4A7C15ULL;
}

}  // namespace

std::optional<std::uint64_t> key_of(const item_view& item) {
    if (item.headers.empty()) return std::nullopt;
    pack_cursor from{item.headers};
    for (std::uint32_t left = from.map(); left > 0 && from.good(); --left) {
        if (from.text() != "key") {
            from.skip();
            continue;
        }
        if (from.next_is_text() || from.next_is_bytes()) return hash(from.bytes());
        std::array<char, 24> digits{};
        const auto end = std::to_chars(digits.begin(), digits.end(), from.integer()).ptr;
        return hash({digits.data(), static_cast<std::size_t>(end - digits.data())});
    }
    return std::nullopt;
}

void key_order::line::add(std::uint64_t offset) {
    if (many_) return many_->add(offset);
    const auto at = std::lower_bound(few_.begin() + static_cast<std::ptrdiff_t>(first_), few_.end(), offset);
    if (at != few_.end() && *at == offset) return;
    few_.insert(at, offset);
    if (few_.size() - first_ <= short_line_max) return;
    many_ = std::make_unique<offset_set>();
    for (std::size_t i = first_; i < few_.size(); ++i) many_->add(few_[i]);
    few_ = {};
    first_ = 0;
}

std::optional<std::uint64_t> key_order::line::take() {
    if (many_) {
        const auto next = many_->next(0);
        if (next) many_->remove(*next);
        if (many_->empty()) many_.reset();
        return next;
    }
    if (first_ == few_.size()) return std::nullopt;
    return few_[first_++];
}

void key_order::meet(std::uint64_t offset, std::optional<std::uint64_t> key) {
    if (!key) return ready_.add(offset);
    held_key& at = held_[*key];
    if (at.out > 0) return at.waiting.add(offset);
    at.out = 1;
    holders_.emplace(offset, *key);
    ready_.add(offset);
}

void key_order::hold(std::uint64_t offset, std::optional<std::uint64_t> key) {
    if (key && holders_.emplace(offset, *key).second) ++held_[*key].out;
}

std::vector<std::uint64_t> key_order::settle(run done) {
    ready_.remove(done);
    std::vector<std::uint64_t> keys;
    for (auto at = holders_.lower_bound(done.first); at != holders_.end() && at->first < done.end();
         at = holders_.erase(at))
        keys.push_back(at->second);
    return keys;
}

bool key_order::awaited(std::uint64_t key) const {
    const auto held = held_.find(key);
    return held != held_.end() && !held->second.waiting.empty();
}

}  // namespace ferry
