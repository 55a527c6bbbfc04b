// Admission: whether a batch may be stored, and what its record will say of it.
//
// Each item is looked at once: its size, what its headers ask for, whether its message id is known. Then the
// stream's limits: a batch that does not fit is refused with the number of its first messages that would, or
// waits, as the stream was told.
#pragma once

#include <string>
#include <string_view>

#include "core/batch.hpp"
#include "devices/spool/brain_parts.hpp"

namespace ferry {

/// What somebody wants to have stored.
struct offer {
    std::uint64_t count = 0;
    std::uint64_t checksum_kind = 0;
    std::uint64_t checksum = 0;
    std::string_view batch;
    bool dedup = true;  ///< else a message whose id is known is stored all the same
};

struct verdict {
    std::string_view code;  ///< empty: take it
    std::string reason;
    std::uint64_t expected = 0;
    std::uint64_t fits = 0;  ///< so many of its first messages would be taken
    bool waits = false;      ///< not now: when there is room, or at once for the first `fits`
    bool taken() const noexcept { return code.empty() && !waits; }
};

/// What was noticed in the items of a batch.
struct item_notes {
    bool headers = false;
    std::vector<records::known_items> known;
    std::vector<ferry::wishes> wishes;
    std::uint64_t near_ms = 0;  ///< their times before this are kept by the millisecond
    std::string ids;
    std::uint64_t fresh = 0;  ///< items that are not known
};

class admission {
  public:
    explicit admission(brain_parts& parts) : parts_{parts} {}

    /// Judges what stands in the batch; its first message would get offset `first`.
    verdict judge(const stream& into, std::uint64_t first, const offer& what, item_notes& notes) const;

    /// Judges whether there is room for it.
    verdict room(const stream& into, const offer& what, std::uint64_t fresh) const;

  private:
    using own_ids = std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t>;  // of this batch
    verdict judge_item(const stream& into, const item_view& item, std::uint64_t index, std::uint64_t first,
                       bool dedup, item_notes& notes, own_ids& seen) const;
    std::uint64_t near_until() const;
    static std::uint64_t items_within(std::string_view batch, std::uint64_t bytes);
    static std::string limits_of(const stream& of);

    brain_parts& parts_;
};

}  // namespace ferry
