// What cannot be read any more is removed for everybody, durably and counted: a group must not wait for it.
#pragma once

#include "devices/spool/brain_parts.hpp"

namespace ferry {

/// The log holds nothing of the stream from `from_offset` to `end`. What nobody needs any more may have been
/// let go, also while the read was under way: that is no damage.
void remove_damaged(brain_parts& parts, const stream& from, std::uint64_t from_offset, std::uint64_t end);

}  // namespace ferry
