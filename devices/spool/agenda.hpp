// An agenda: who has something to do next, and when - so that a turn costs what is due, not what exists.
//
//     agenda<std::uint32_t> streams;
//     streams.file(7, due);                          // replaces what was filed for 7
//     for (const auto each : streams.take(now)) ...  // those are out of it until they are filed again
//
// An entry may be too early, never too late: who is taken out looks what there is to do and is filed again,
// so whoever makes something due sooner must file. Threads: none of its own.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace ferry {

template <typename Key>
class agenda {
  public:
    static constexpr std::uint64_t never = ~std::uint64_t{0};

    /// `never` takes it out.
    void file(const Key& who, std::uint64_t when) {
        const auto [at, fresh] = filed_.try_emplace(who, never);
        if (!fresh && at->second == when) return;
        if (at->second != never) order_.erase({at->second, who});
        at->second = when;
        if (when == never)
            filed_.erase(at);
        else
            order_.emplace(when, who);
    }

    std::uint64_t next() const { return order_.empty() ? never : order_.begin()->first; }

    /// All that are due at `now`, the earliest first.
    std::vector<Key> take(std::uint64_t now) {
        std::vector<Key> due;
        while (next() <= now && !order_.empty()) {
            due.push_back(order_.begin()->second);
            order_.erase(order_.begin());
            filed_.erase(due.back());
        }
        return due;
    }

  private:
    std::map<Key, std::uint64_t> filed_;
    std::set<std::pair<std::uint64_t, Key>> order_;
};

}  // namespace ferry
