// The message ids a spool remembers, so that a message that was put twice is stored once.
//
// An id is unique within its stream for the stream's span, or until a million younger ids came. What is kept
// of it is a hash of 96 bits, which starts from a number of this spool's own: that two ids of a million meet
// has a chance of one in 10^17. An id costs 24 bytes and its part of an index, 32 bytes at most.
//
// Durable state, changed by `spool_state` only. Threads: none of its own. Nothing fails.
//
//     const id_hash id = id_hash::of(spool_id, stream.number, "order-17");
//     if (auto offset = ids.find(id, since_s)) ...            // it was stored there
//     ids.add(id, offset, wall_s);
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ferry {

struct id_hash {
    std::uint64_t high = 0;
    std::uint32_t low = 0;

    static id_hash of(std::uint64_t spool_id, std::uint32_t stream, std::string_view id);
    friend bool operator==(const id_hash&, const id_hash&) = default;
};

class id_window {
  public:
    static constexpr std::size_t ids_max = 1'000'000;

    /// Where the message with this id is, if it came at `since_s` (wall time in seconds) or later.
    std::optional<std::uint64_t> find(const id_hash& id, std::uint64_t since_s) const;

    /// Remembers an id; the oldest goes when there are too many. An id that is older than the one before it
    /// (the clock was set back) counts as old as that.
    void add(const id_hash& id, std::uint64_t offset, std::uint64_t wall_s);

    /// Forgets what is older.
    void forget_before(std::uint64_t wall_s);

    std::size_t size() const noexcept { return entries_.size(); }
    /// Wall time of the oldest id, in seconds; empty when there is none.
    std::optional<std::uint64_t> oldest_s() const;

    /// As bytes for a snapshot: some 14 an id.
    std::string save() const;
    bool load(std::string_view saved);

  private:
    struct entry {
        std::uint64_t high = 0;
        std::uint32_t low = 0;
        std::uint32_t wall_s = 0;
        std::uint64_t offset = 0;
    };
    const entry& at(std::uint32_t number) const { return entries_[number - first_]; }
    std::size_t home_of(const entry& of) const { return of.high & (slots_.size() - 1); }
    void place(std::uint32_t number);
    void take_out(std::uint32_t number);
    void grow();
    void drop_oldest();

    std::deque<entry> entries_;  // oldest first
    // Numbers of entries by hash, in an open table with linear probing; 0 = free. Numbers run on and never
    // reach 0 again within the life of an entry.
    std::vector<std::uint32_t> slots_;
    std::uint32_t first_ = 1;  // number of the oldest entry
};

}  // namespace ferry
