// Looks through a log that nobody has open: what it holds, and everything that is wrong with it.
//
// Changes nothing and takes no lock, so first ask `directory_holder` (storage_posix.hpp) whether somebody
// writes there: what is being written looks damaged. Memory stays bounded by one record and one snapshot.
// Failure: throws format_error for a directory that is no log, std::system_error when it cannot be read;
// damage is a value.
//
//     posix_storage disk{"outbox", posix_storage::purpose::look};
//     const inspection found = inspect(disk);
//     if (found.bad() > 0) ...
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/log/log.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

struct inspection {
    std::uint64_t segments = 0;   ///< with the cold ones that count
    std::uint64_t snapshots = 0;  ///< that verify
    std::uint64_t records = 0;    ///< that verify, footers aside
    std::uint64_t messages = 0;   ///< stored in them; one that moved counts once, where it stands now
    std::string snapshot;         ///< the owner's state in the newest valid one
    position snapshot_at = 0;
    std::vector<damage> damages;  ///< a torn tail is among them, and is not bad
    std::vector<std::string> notes;

    /// Places below the watermark that do not verify: what was promised and is damaged.
    std::uint64_t bad() const;
};

/// A visitor that wants no more throws this: what was found so far is the result.
struct seen_enough {};

/// Called for each record that verifies, in order, with the name of its segment.
using record_visitor = std::function<void(const std::string& segment, const stored_record& record)>;

inspection inspect(storage& directory, const record_visitor& visit = {});

}  // namespace ferry::log
