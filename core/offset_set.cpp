#include "core/offset_set.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/varint.hpp"

namespace ferry {
namespace {

constexpr std::uint32_t block_size = 65'536;
constexpr std::uint32_t bitmap_from = 4'096;
constexpr std::uint32_t words = block_size / 64;

// The bits of word `at` that stand for positions from..to-1.
std::uint64_t mask(std::uint32_t at, std::uint32_t from, std::uint32_t to) {
    const std::uint32_t low = std::max(from, at * 64) - at * 64;
    const std::uint32_t high = std::min(to, at * 64 + 64) - at * 64;
    const std::uint64_t below = high == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << high) - 1;
    return below & ~((std::uint64_t{1} << low) - 1);
}

// How a block stands in a snapshot: whichever is shortest.
enum class form : std::uint8_t { full = 0, list = 1, bitmap = 2, runs = 3 };
constexpr std::size_t bitmap_bytes = words * 8;

void put_16(std::string& into, std::uint32_t value) {
    into += static_cast<char>(value & 255);
    into += static_cast<char>(value >> 8);
}

std::uint32_t get_16(std::string_view from, std::size_t at) {
    return static_cast<unsigned char>(from[2 * at]) |
           static_cast<std::uint32_t>(static_cast<unsigned char>(from[2 * at + 1])) << 8;
}

}  // namespace

bool offset_set::block::contains(std::uint32_t at) const {
    if (full()) return true;
    if (bits) return (bits[at / 64] >> (at % 64) & 1) != 0;
    return std::binary_search(few.begin(), few.end(), static_cast<std::uint16_t>(at));
}

std::uint32_t offset_set::block::next(std::uint32_t from) const {
    if (from >= block_size || full()) return std::min(from, block_size);
    if (!bits) {
        const auto at = std::lower_bound(few.begin(), few.end(), from);
        return at == few.end() ? block_size : *at;
    }
    for (std::uint32_t at = from / 64; at < words; ++at)
        if (const std::uint64_t left = bits[at] & mask(at, std::max(from, at * 64), block_size); left != 0)
            return at * 64 + static_cast<std::uint32_t>(std::countr_zero(left));
    return block_size;
}

std::uint32_t offset_set::block::next_absent(std::uint32_t from) const {
    if (full()) return block_size;
    if (!bits) {
        auto at = std::lower_bound(few.begin(), few.end(), from);
        for (; at != few.end() && *at == from; ++at) ++from;
        return from;
    }
    for (std::uint32_t at = from / 64; at < words; ++at)
        if (const std::uint64_t left = ~bits[at] & mask(at, std::max(from, at * 64), block_size); left != 0)
            return at * 64 + static_cast<std::uint32_t>(std::countr_zero(left));
    return block_size;
}

std::uint32_t offset_set::block::count(std::uint32_t from, std::uint32_t to) const {
    if (full()) return to - from;
    if (!bits)
        return static_cast<std::uint32_t>(std::lower_bound(few.begin(), few.end(), to) -
                                          std::lower_bound(few.begin(), few.end(), from));
    std::uint32_t sum = 0;
    for (std::uint32_t at = from / 64; at * 64 < to; ++at)
        sum += static_cast<std::uint32_t>(std::popcount(bits[at] & mask(at, from, to)));
    return sum;
}

std::uint32_t offset_set::block::count_common(const block& other) const {
    if (full()) return other.members;
    if (other.full()) return members;
    std::uint32_t sum = 0;
    if (bits && other.bits)
        for (std::uint32_t at = 0; at < words; ++at)
            sum += static_cast<std::uint32_t>(std::popcount(bits[at] & other.bits[at]));
    else if (bits)
        return other.count_common(*this);
    else
        for (const std::uint16_t each : few) sum += other.contains(each) ? 1 : 0;
    return sum;
}

void offset_set::block::to_bits() {
    if (bits) return;
    const bool all = full();
    bits = std::make_unique<std::uint64_t[]>(words);
    if (all) std::fill_n(bits.get(), words, ~std::uint64_t{0});
    for (const std::uint16_t each : few) bits[each / 64] |= std::uint64_t{1} << (each % 64);
    few = {};
}

void offset_set::block::settle() {
    if (full()) {
        bits.reset();
        few = {};
    } else if (members < bitmap_from / 2 && bits) {
        few.reserve(members);
        for (std::uint32_t at = next(0); at < block_size; at = next(at + 1))
            few.push_back(static_cast<std::uint16_t>(at));
        bits.reset();
    }
}

void offset_set::block::fill(std::uint32_t from, std::uint32_t to) {
    const std::uint32_t fresh = to - from - count(from, to);
    if (fresh == 0) return;
    if (!bits && members + fresh < bitmap_from) {
        const auto first = std::lower_bound(few.begin(), few.end(), from);
        const auto last = std::lower_bound(few.begin(), few.end(), to);
        auto at = few.insert(few.erase(first, last), to - from, std::uint16_t{0});
        for (std::uint32_t each = from; each < to; ++each) *at++ = static_cast<std::uint16_t>(each);
    } else {
        to_bits();
        for (std::uint32_t at = from / 64; at * 64 < to; ++at) bits[at] |= mask(at, from, to);
    }
    members += fresh;
    settle();
}

void offset_set::block::clear(std::uint32_t from, std::uint32_t to) {
    const std::uint32_t gone = count(from, to);
    if (gone == 0) return;
    if (full()) to_bits();
    if (bits) {
        for (std::uint32_t at = from / 64; at * 64 < to; ++at) bits[at] &= ~mask(at, from, to);
    } else {
        few.erase(std::lower_bound(few.begin(), few.end(), from),
                  std::lower_bound(few.begin(), few.end(), to));
    }
    members -= gone;
    settle();
}

template <typename Change>
void offset_set::each_block(run within, bool make, Change change) {
    if (within.count == 0) return;
    const std::uint64_t last = (within.end() - 1) >> 16;
    auto at = make ? blocks_.end() : blocks_.lower_bound(within.first >> 16);
    for (std::uint64_t key = within.first >> 16; key <= last; ++key) {
        if (!make) {
            if (at == blocks_.end() || at->first > last) return;
            key = at->first;
        } else {
            const auto [place, fresh] = blocks_.try_emplace(key);
            at = place;
            if (fresh) bytes_ += at->second.bytes();
        }
        const std::uint64_t base = key << 16;
        const auto from = static_cast<std::uint32_t>(std::max(within.first, base) - base);
        const auto to = static_cast<std::uint32_t>(std::min<std::uint64_t>(within.end() - base, block_size));
        count_ -= at->second.members;
        bytes_ -= at->second.bytes();
        change(at->second, from, to);
        count_ += at->second.members;
        bytes_ += at->second.bytes();
        if (at->second.members > 0) {
            ++at;
            continue;
        }
        bytes_ -= at->second.bytes();
        at = blocks_.erase(at);
    }
}

void offset_set::add(run more) {
    each_block(more, true, [](block& of, std::uint32_t from, std::uint32_t to) { of.fill(from, to); });
}
void offset_set::remove(run less) {
    each_block(less, false, [](block& of, std::uint32_t from, std::uint32_t to) { of.clear(from, to); });
}
void offset_set::add(std::uint64_t offset) {
    add(run{offset, 1});
}
void offset_set::remove(std::uint64_t offset) {
    remove(run{offset, 1});
}

bool offset_set::contains(std::uint64_t offset) const {
    const auto found = blocks_.find(offset >> 16);
    return found != blocks_.end() && found->second.contains(offset & (block_size - 1));
}

std::uint64_t offset_set::count(run within) const {
    std::uint64_t sum = 0;
    if (within.count == 0) return 0;
    for (auto at = blocks_.lower_bound(within.first >> 16);
         at != blocks_.end() && at->first << 16 < within.end(); ++at) {
        const std::uint64_t base = at->first << 16;
        sum += at->second.count(
            static_cast<std::uint32_t>(std::max(within.first, base) - base),
            static_cast<std::uint32_t>(std::min<std::uint64_t>(within.end() - base, block_size)));
    }
    return sum;
}

std::uint64_t offset_set::count_common(const offset_set& other) const {
    std::uint64_t sum = 0;
    for (const auto& [key, each] : blocks_)
        if (const auto found = other.blocks_.find(key); found != other.blocks_.end())
            sum += each.count_common(found->second);
    return sum;
}

std::optional<std::uint64_t> offset_set::next(std::uint64_t from) const {
    for (auto at = blocks_.lower_bound(from >> 16); at != blocks_.end(); ++at) {
        const std::uint64_t base = at->first << 16;
        const std::uint32_t found = at->second.next(static_cast<std::uint32_t>(std::max(from, base) - base));
        if (found < block_size) return base + found;
    }
    return std::nullopt;
}

std::uint64_t offset_set::next_absent(std::uint64_t from) const {
    for (auto at = blocks_.find(from >> 16); at != blocks_.end() && at->first == from >> 16; ++at) {
        const std::uint32_t found = at->second.next_absent(from & (block_size - 1));
        if (found < block_size) return (at->first << 16) + found;
        from = (at->first + 1) << 16;
    }
    return from;
}

std::optional<offset_set::run> offset_set::next_run(std::uint64_t from, std::uint64_t end) const {
    const auto first = next(from);
    if (!first || *first >= end) return std::nullopt;
    return run{*first, std::min(end, next_absent(*first)) - *first};
}

std::optional<std::uint64_t> offset_set::next_not_in(const offset_set& other, std::uint64_t from) const {
    for (auto at = next(from); at; at = next(*at)) {
        const std::uint64_t free = other.next_absent(*at);
        if (free == *at) return at;
        *at = free;
    }
    return std::nullopt;
}

std::size_t offset_set::block::bytes() const {
    constexpr std::size_t node_bytes = 112;
    return node_bytes + few.capacity() * 2 + (bits ? bitmap_bytes : 0);
}

std::uint32_t offset_set::block::run_count() const {
    std::uint32_t sum = 0;
    if (!bits) {
        for (std::size_t i = 0; i < few.size(); ++i) sum += i == 0 || few[i] != few[i - 1] + 1 ? 1 : 0;
        return sum;
    }
    std::uint64_t carried = 0;  // the top bit of the word before
    for (std::uint32_t at = 0; at < words; ++at) {
        sum += static_cast<std::uint32_t>(std::popcount(bits[at] & ~(bits[at] << 1 | carried)));
        carried = bits[at] >> 63;
    }
    return sum;
}

void offset_set::block::save(std::string& into) const {
    if (full()) {
        put_varint(into, static_cast<std::uint64_t>(form::full));
        return;
    }
    const std::uint32_t runs = run_count();
    if (runs * 4 <= std::min<std::size_t>(members * 2, bitmap_bytes)) {
        put_varint(into, static_cast<std::uint64_t>(form::runs));
        put_varint(into, runs);
        for (std::uint32_t at = next(0); at < block_size; at = next(at)) {
            const std::uint32_t end = next_absent(at);
            put_16(into, at);
            put_16(into, end - at - 1);
            at = end;
        }
    } else if (!bits) {
        put_varint(into, static_cast<std::uint64_t>(form::list));
        put_varint(into, members);
        for (const std::uint16_t each : few) put_16(into, each);
    } else {
        put_varint(into, static_cast<std::uint64_t>(form::bitmap));
        for (std::uint32_t at = 0; at < words; ++at)
            for (unsigned shift = 0; shift < 64; shift += 8) into += static_cast<char>(bits[at] >> shift);
    }
}

bool offset_set::block::load(std::string_view& from) {
    const auto kind = take_varint(from);
    if (!kind || *kind > 3) return false;
    const auto is = static_cast<form>(*kind);
    if (is == form::full) {
        members = block_size;
        return true;
    }
    if (is == form::bitmap) {
        if (from.size() < bitmap_bytes) return false;
        bits = std::make_unique<std::uint64_t[]>(words);
        for (std::size_t i = 0; i < bitmap_bytes; ++i)
            bits[i / 8] |= std::uint64_t{static_cast<unsigned char>(from[i])} << (i % 8 * 8);
        from.remove_prefix(bitmap_bytes);
        for (std::uint32_t at = 0; at < words; ++at)
            members += static_cast<std::uint32_t>(std::popcount(bits[at]));
        settle();
        return members > 0;
    }
    const auto count = take_varint(from);
    const std::size_t numbers = is == form::runs ? 2 : 1;
    if (!count || *count == 0 || *count >= block_size || from.size() < *count * numbers * 2) return false;
    std::uint32_t low = 0;
    for (std::size_t i = 0; i < *count; ++i) {
        const std::uint32_t first = get_16(from, i * numbers);
        const std::uint32_t end = first + 1 + (is == form::runs ? get_16(from, i * numbers + 1) : 0);
        if (first < low || end > block_size) return false;
        if (is == form::runs)
            fill(first, end);
        else
            few.push_back(static_cast<std::uint16_t>(first));
        low = end;
    }
    from.remove_prefix(*count * numbers * 2);
    if (is == form::list) members = static_cast<std::uint32_t>(*count);
    if (few.size() >= bitmap_from) to_bits();
    settle();
    return true;
}

std::string offset_set::save() const {
    std::string bytes;
    std::uint64_t next_key = 0;
    for (const auto& [key, each] : blocks_) {
        put_varint(bytes, key - next_key);
        each.save(bytes);
        next_key = key + 1;
    }
    return bytes;
}

bool offset_set::load(std::string_view saved) {
    clear();
    std::uint64_t next_key = 0;
    while (!saved.empty()) {
        const auto skipped = take_varint(saved);
        if (!skipped || next_key + *skipped < next_key || (next_key + *skipped) >> 44 != 0) return false;
        block each;
        if (!each.load(saved)) return false;
        next_key += *skipped + 1;
        count_ += each.members;
        bytes_ += each.bytes();
        blocks_.emplace_hint(blocks_.end(), next_key - 1, std::move(each));
    }
    return true;
}

}  // namespace ferry
