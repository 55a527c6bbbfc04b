// What cannot be read any more is removed for everybody, durably and counted: a group must not wait for it.
#pragma once

#include "devices/spool/brain_parts.hpp"

namespace ferry {

/// The log holds nothing of the stream from `from_offset` to `end`. What was let go meanwhile is not damage.
void remove_damaged(brain_parts& parts, const stream& from, std::uint64_t from_offset, std::uint64_t end);

}  // namespace ferry
