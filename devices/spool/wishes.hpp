// What a message asks of the spool, in its headers: when it may be delivered, how long it is worth
// delivering, how urgent it is, and by which id it is to be known.
//
//     delay       int               milliseconds after it was stored
//     deliver-at  int               wall time, milliseconds since 1970
//     ttl         int               milliseconds after it was stored
//     expires-at  int               wall time, milliseconds since 1970
//     priority    int               0 to 9
//     message-id  str, bin or int   1 to 1,024 bytes
//
// A `key` asks nothing of the stream: groups that are ordered by it look for it themselves (key_order.hpp).
//
// They are read once, when the batch arrives, and kept in the head of its record as absolute times, so that
// nothing needs to look into a batch again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "core/clock.hpp"

namespace ferry {

struct wishes {
    std::uint64_t index = 0;  ///< which item of its batch
    std::uint64_t count = 1;  ///< and so many that follow it ask for the same
    std::uint64_t priority = 0;
    std::uint64_t due_ms = 0;      ///< not before; 0 = at once
    std::uint64_t expires_ms = 0;  ///< not after; 0 = never
    bool any() const noexcept { return priority > 0 || due_ms > 0 || expires_ms > 0; }
    bool same_as(const wishes& other) const noexcept {
        return priority == other.priority && due_ms == other.due_ms && expires_ms == other.expires_ms;
    }
    bool valid() const noexcept {
        return priority < 10 && count > 0 && count < (1U << 24) && index < (1U << 24) && due_ms >> 44 == 0 &&
               expires_ms >> 44 == 0;
    }
    static auto fields(auto& m) { return std::tie(m.index, m.count, m.priority, m.due_ms, m.expires_ms); }
    friend bool operator==(const wishes&, const wishes&) = default;
};

struct asked {
    ferry::wishes wishes;
    std::string id;  ///< empty: it has none
};

/// What the item's headers (the msgpack map) ask for at this wall time. A header that cannot be obeyed is
/// named in `problem`, in words.
std::optional<asked> read_wishes(std::string_view headers, std::uint64_t wall_ms, std::string& problem);

}  // namespace ferry
