#include "devices/spool/id_window.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "core/varint.hpp"

namespace ferry {
namespace {

constexpr std::size_t slots_least = 64;

}  // namespace

id_hash id_hash::of(std::uint64_t spool_id, std::uint32_t stream, std::string_view id) {
    const XXH128_hash_t hash =
        XXH3_128bits_withSeed(id.data(), id.size(), spool_id ^ (std::uint64_t{stream} << 32));
    return {hash.high64, static_cast<std::uint32_t>(hash.low64)};
}

std::optional<std::uint64_t> id_window::find(const id_hash& id, std::uint64_t since_s) const {
    if (slots_.empty()) return std::nullopt;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t slot = id.high & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
        const entry& found = at(slots_[slot]);
        if (found.high == id.high && found.low == id.low)
            return found.wall_s >= since_s ? std::optional{found.offset} : std::nullopt;
    }
    return std::nullopt;
}

void id_window::place(std::uint32_t number) {
    const entry& placed = at(number);
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = home_of(placed);
    while (slots_[slot] != 0) {
        // An id that comes again after its span takes the place of its predecessor.
        const entry& there = at(slots_[slot]);
        if (there.high == placed.high && there.low == placed.low) break;
        slot = (slot + 1) & mask;
    }
    slots_[slot] = number;
}

// Closes the hole, so that probing never has to step over one.
void id_window::take_out(std::uint32_t number) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t hole = home_of(at(number));
    while (slots_[hole] != 0 && slots_[hole] != number) hole = (hole + 1) & mask;
    if (slots_[hole] == 0) return;  // a later one of the same id has its place
    for (std::size_t next = (hole + 1) & mask; slots_[next] != 0; next = (next + 1) & mask) {
        const std::size_t home = home_of(at(slots_[next]));
        if (((next - home) & mask) < ((next - hole) & mask)) continue;
        slots_[hole] = slots_[next];
        hole = next;
    }
    slots_[hole] = 0;
}

void id_window::grow() {
    slots_.assign(std::max(slots_least, 2 * slots_.size()), 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) place(first_ + static_cast<std::uint32_t>(i));
}

void id_window::drop_oldest() {
    take_out(first_);
    entries_.pop_front();
    if (++first_ < UINT32_MAX - 2 * ids_max) return;
    // The numbers are about to run over: begin again.
    first_ = 1;
    std::fill(slots_.begin(), slots_.end(), 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) place(first_ + static_cast<std::uint32_t>(i));
}

void id_window::add(const id_hash& id, std::uint64_t offset, std::uint64_t wall_s) {
    if (entries_.size() >= ids_max) drop_oldest();
    if (2 * (entries_.size() + 1) > slots_.size() && slots_.size() < 2 * ids_max) grow();
    // The clock may have been set back while the spool was down.
    if (!entries_.empty()) wall_s = std::max<std::uint64_t>(wall_s, entries_.back().wall_s);
    const auto number = first_ + static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({id.high, id.low, static_cast<std::uint32_t>(wall_s), offset});
    place(number);
}

void id_window::forget_before(std::uint64_t wall_s) {
    while (!entries_.empty() && entries_.front().wall_s < wall_s) drop_oldest();
    if (entries_.empty()) slots_ = {};
}

std::optional<std::uint64_t> id_window::oldest_s() const {
    return entries_.empty() ? std::nullopt : std::optional<std::uint64_t>{entries_.front().wall_s};
}

std::string id_window::save() const {
    std::string into;
    into.reserve(entries_.size() * 15);
    std::uint64_t offset = 0;
    std::uint32_t wall_s = 0;
    for (const entry& each : entries_) {
        char hash[12];
        std::memcpy(hash, &each.high, 8);
        std::memcpy(hash + 8, &each.low, 4);
        into.append(hash, sizeof hash);
        put_varint(into, zigzag(offset, each.offset));
        put_varint(into, each.wall_s - wall_s);
        offset = each.offset;
        wall_s = each.wall_s;
    }
    return into;
}

bool id_window::load(std::string_view saved) {
    entries_.clear();
    slots_.clear();
    first_ = 1;
    std::uint64_t offset = 0;
    std::uint64_t wall_s = 0;
    while (!saved.empty()) {
        if (saved.size() < 12 || entries_.size() >= ids_max) return false;
        id_hash id;
        std::memcpy(&id.high, saved.data(), 8);
        std::memcpy(&id.low, saved.data() + 8, 4);
        saved.remove_prefix(12);
        const auto further = take_varint(saved);
        const auto later = take_varint(saved);
        if (!further || !later || *later > UINT32_MAX - wall_s) return false;
        offset = unzigzag(offset, *further);
        wall_s += *later;
        add(id, offset, wall_s);
    }
    return true;
}

}  // namespace ferry
