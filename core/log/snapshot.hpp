// Snapshots: the owner's whole state at a position, and the log's own list of segments with it.
//
// A snapshot is authoritative: what lies below its position is never replayed. It is written under another
// name, synced, and only then named, so a file with a snapshot's name that does not verify is damage.
// The owner's state is opaque bytes, kept in checksummed chunks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/record.hpp"
#include "core/log/segment_list.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

struct snapshot {
    std::uint64_t spool_id = 0;
    std::uint64_t owner_epoch = 0;
    std::uint64_t nonce = 0;
    position at = 0;  ///< the state is that of the log up to here
    std::string state;
    std::vector<segment_entry> segments;  ///< by base, then the cold ones; the last one was being written
};

inline constexpr std::size_t snapshot_chunk_bytes = 256 << 10;

/// "snapshot-" and the position.
std::string snapshot_name(position at);
std::optional<position> snapshot_position(std::string_view name);

/// Writes `what`, with `state` in place of what.state (which may be large and is not copied), to the file
/// `name`, and syncs it. Throws as storage does.
void write_snapshot(storage& directory, const std::string& name, const snapshot& what,
                    std::string_view state);

/// The snapshot in `name`; none when anything in it does not verify. Throws format_error for a newer version.
std::optional<snapshot> read_snapshot(storage& directory, const std::string& name);

}  // namespace ferry::log
