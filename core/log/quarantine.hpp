// Where bytes go that should have been records and are not: moved aside for a person to look at, never
// deleted. Where there is no room for it, an opening goes on without: damage stays where it is, and a torn
// tail, which was never promised, is cut all the same.
#pragma once

#include <string>

#include "core/log/log.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

/// Copies [what.from, what.to) of a segment to quarantine/, named by segment and position, and syncs the
/// copy. The caller syncs the directory before it cuts anything. False when there is no room: no copy is
/// left.
bool quarantine_bytes(storage& directory, const file& segment, position base, const damage& what);

/// Moves a whole file that cannot be used to quarantine/. False when there is no room for that: it stays.
bool quarantine_file(storage& directory, const std::string& name);

}  // namespace ferry::log
