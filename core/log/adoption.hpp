// The record that makes moved messages count: which segments were emptied, and which cold ones hold what was
// needed of them.
//
// The log writes it itself, like a footer, once the cold segment is on disk whole and has its name. From then
// on an emptied segment is not read any more, and leaves as soon as no snapshot needs its records. Until then
// the cold segment is nothing: an opening that finds one nobody adopted lets it go.
//
// What a message is to each group is not in it. That is known by offset, offsets do not change, and every
// record that settled one stands in the log before the adoption that leaves it behind.
// Threads: values.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/segment_list.hpp"
#include "core/log/snapshot.hpp"

namespace ferry::log {

struct adoption {
    std::vector<position> emptied;    ///< nothing in these is needed any more
    std::vector<segment_entry> cold;  ///< where what was needed stands now
};

std::string encode_adoption(const adoption& what);
std::optional<adoption> decode_adoption(std::string_view payload);

/// What adoptions amount to when a log is opened or looked through: those the snapshot knows of, and those
/// met in the records above it, in their order.
class adopted_segments {
  public:
    adopted_segments() = default;
    explicit adopted_segments(const std::optional<snapshot>& newest);

    /// Takes the payload of an adoption record; false when it holds none.
    bool take(std::string_view payload);

    /// Segments of the chain in which nothing is looked for any more.
    const std::set<position>& emptied() const noexcept { return emptied_; }
    /// The cold segments that count.
    const std::map<position, segment_entry>& cold() const noexcept { return cold_; }

  private:
    std::set<position> emptied_;
    std::map<position, segment_entry> cold_;
};

}  // namespace ferry::log
