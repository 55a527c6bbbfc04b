// A set of offsets that stays small however its members are scattered: one bit or two bytes for each, and a
// few bytes for each 65,536 that are all there.
//
// Offsets are kept in blocks of 65,536: a sorted list of 16-bit numbers while a block has few, a bitmap from
// 4,096 on, nothing but the fact when it is full. For sets of few long runs `run_set` is the better choice.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/protocol.hpp"

namespace ferry {

class offset_set {
  public:
    using run = protocol::run;

    void add(std::uint64_t offset);
    void add(run more);
    void remove(std::uint64_t offset);
    void remove(run less);
    void clear() { blocks_.clear(), count_ = 0, bytes_ = 0; }

    bool contains(std::uint64_t offset) const;
    std::uint64_t count() const noexcept { return count_; }
    /// How many offsets of `within` are in the set.
    std::uint64_t count(run within) const;
    /// How many members are in `other`, too.
    std::uint64_t count_common(const offset_set& other) const;
    bool empty() const noexcept { return count_ == 0; }
    /// What the set takes in memory, nearly.
    std::size_t bytes() const noexcept { return bytes_; }

    /// The lowest member at or above `from`.
    std::optional<std::uint64_t> next(std::uint64_t from) const;
    /// The lowest offset at or above `from` that is no member.
    std::uint64_t next_absent(std::uint64_t from) const;
    /// The run at or above `from`, cut to begin there and to end at `end`.
    std::optional<run> next_run(std::uint64_t from, std::uint64_t end) const;
    /// The lowest member at or above `from` that is not in `other`.
    std::optional<std::uint64_t> next_not_in(const offset_set& other, std::uint64_t from) const;

    /// As bytes for a snapshot (docs/spool_format.md, "set"): block by block, in whichever form is shortest.
    std::string save() const;
    /// Replaces the set; false when the bytes are not one.
    bool load(std::string_view saved);

  private:
    struct block {
        std::uint32_t members = 0;
        std::vector<std::uint16_t> few;         // sorted, while members < bitmap_from
        std::unique_ptr<std::uint64_t[]> bits;  // then
        bool full() const noexcept { return members == 65'536; }
        bool contains(std::uint32_t at) const;
        std::uint32_t next(std::uint32_t from) const;         // 65,536 when there is none
        std::uint32_t next_absent(std::uint32_t from) const;  // the same
        std::uint32_t count(std::uint32_t from, std::uint32_t to) const;
        std::uint32_t count_common(const block& other) const;
        void fill(std::uint32_t from, std::uint32_t to);
        void clear(std::uint32_t from, std::uint32_t to);
        void to_bits();
        void settle();  // the form that fits the number of members
        std::size_t bytes() const;
        std::uint32_t run_count() const;
        void save(std::string& into) const;
        bool load(std::string_view& from);  // from the front, which is taken away
    };
    template <typename Change>
    void each_block(run within, bool make, Change change);

    std::map<std::uint64_t, block> blocks_;  // offset >> 16 -> the block, never an empty one
    std::uint64_t count_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace ferry
