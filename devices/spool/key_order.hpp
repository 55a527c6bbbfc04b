// The order of keys: which messages of an ordered group may be given out now.
//
//     met, its key is free  ->  ready  ->  given  ->  settled  ->  (durable)  the key is free: the next is
//     ready met, its key is held  ->  waits in the key's line, by offset
//
// A message that was met first has its key until it is settled for good, through nacks, back-off and lost
// leases; so messages of one key are never out twice and never overtake. One without a key is ready at once.
// One that is removed while it waits still has its turn, until its removal is durable.
// Keys are known by a hash of 64 bits: two that fall together wait for each other, and nothing else happens.
//
// Costs: some 200 bytes a held key, 8 bytes a waiting message in short lines and 2 or fewer in long ones;
// every step is O(log n). Plain values, no clock, no disk: what it knows is learned again after a restart.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/batch.hpp"
#include "core/offset_set.hpp"

namespace ferry {

/// The key that a message asks to be ordered by (its header `key`, an int by its digits), as a hash.
std::optional<std::uint64_t> key_of(const item_view& item);

class key_order {
  public:
    using run = protocol::run;

    /// The message comes next. Messages are met by offset, but for those that come back or come due.
    void meet(std::uint64_t offset, std::optional<std::uint64_t> key);
    /// The message is out, or was and will come again: it has its key.
    void hold(std::uint64_t offset, std::optional<std::uint64_t> key);

    /// What may be given out for the first time.
    const offset_set& ready() const noexcept { return ready_; }
    void given(run out) { ready_.remove(out); }

    /// These are settled. Gives the keys they had; each stays held until `free`.
    std::vector<std::uint64_t> settle(run done);
    bool awaited(std::uint64_t key) const;
    enum class standing : std::uint8_t { there, going, gone };
    /// Gives the key to the next in its line: one that is still there is ready then, one that is going has it
    /// until it is settled again, when that is durable.
    template <typename Look>
    void free(std::uint64_t key, Look look) {
        const auto held = held_.find(key);
        if (held == held_.end() || --held->second.out > 0) return;
        while (const auto next = held->second.waiting.take()) {
            const standing is = look(*next);
            if (is == standing::gone) continue;
            held->second.out = 1;
            holders_.emplace(*next, key);
            if (is == standing::there) ready_.add(*next);
            return;
        }
        held_.erase(held);
    }

    std::size_t keys_held() const noexcept { return held_.size(); }

  private:
    // Who waits for a key, the lowest offset first: a short line as numbers, a long one as a set.
    class line {
      public:
        void add(std::uint64_t offset);
        std::optional<std::uint64_t> take();
        bool empty() const noexcept { return first_ == few_.size() && !many_; }

      private:
        std::vector<std::uint64_t> few_;  // rising, from `first_` on
        std::size_t first_ = 0;
        std::unique_ptr<offset_set> many_;
    };
    struct held_key {
        std::size_t out = 0;  // messages that have it: one, but for what came back
        line waiting;
    };

    std::unordered_map<std::uint64_t, held_key> held_;
    std::map<std::uint64_t, std::uint64_t> holders_;  // offset -> key
    offset_set ready_;
};

/// What is known of an ordered group while the spool runs.
struct ordered_run {
    key_order keys;
    std::uint64_t seeks = 0;  ///< of the group, when this was begun
    offset_set unknown;       ///< out, or were, and their keys are not known yet: read before all else
    offset_set unmet;         ///< passed over in an earlier run, and dead letters that came back
    std::size_t blind = 0;    ///< turns, not durable yet, that settled some of these: any key may be theirs
    std::map<std::uint64_t, offset_set> going;  ///< settled while they wait, by turn, until it is durable
    std::uint64_t turns = 0;

    key_order::standing look(std::uint64_t offset, bool left) const {
        if (left) return key_order::standing::there;
        for (const auto& [turn, some] : going)
            if (some.contains(offset)) return key_order::standing::going;
        return key_order::standing::gone;
    }
};

}  // namespace ferry
