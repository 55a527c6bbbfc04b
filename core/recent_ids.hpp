// The last ids that came by: enough to know one that comes twice within a moment.
//
//     recent_ids seen;
//     if (!seen.add(id)) return;  // it was here a moment ago
//
// Threads: one at a time. Cost: 8 bytes for each id that is remembered.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ferry {

class recent_ids {
  public:
    static constexpr std::size_t remembered = 64;

    /// False when it is among the last. 0 is no id.
    bool add(std::uint64_t id) {
        if (std::ranges::find(ids_, id) != ids_.end()) return false;
        ids_[next_] = id;
        next_ = (next_ + 1) % remembered;
        return true;
    }

  private:
    std::array<std::uint64_t, remembered> ids_{};
    std::size_t next_ = 0;
};

}  // namespace ferry
