// Where bytes go that should have been records and are not: moved aside for a person to look at, never
// deleted.
#pragma once

#include <string>

#include "core/log/log.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

/// Copies [what.from, what.to) of a segment to quarantine/, named by segment and position, and syncs the
/// copy. The caller syncs the directory before it cuts anything.
void quarantine_bytes(storage& directory, const file& segment, position base, const damage& what);

/// Moves a whole file that cannot be used to quarantine/.
void quarantine_file(storage& directory, const std::string& name);

}  // namespace ferry::log
