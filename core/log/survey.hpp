// What stands in a log's directory, before anything is changed in it.
//
// Opening and verifying begin with the same look: which files are whose, which segments follow which, which
// snapshot counts, where the records of each segment end. Reads headers and snapshots, never records.
// Failure: throws format_error when the directory is not this log's to open, std::system_error when it
// cannot be read. Damage is a value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/log/log.hpp"
#include "core/log/segment.hpp"
#include "core/log/snapshot.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

/// A segment file and its place in the chain.
struct surveyed_segment {
    std::string name;
    segment_header header;  ///< its own, or what the segment behind it remembers of it
    std::uint64_t file_bytes = 0;
    position end = 0;          ///< where its records end, once the segment behind it says so; 0: not known
    bool sealed_late = false;  ///< the segment behind it was made by an opening, which seals it last
};

/// A file in cold/.
struct surveyed_cold {
    position base = 0;
    std::uint64_t file_bytes = 0;
    bool header_good = false;  ///< else whoever adopted it remembers the nonce
};

struct survey {
    std::vector<surveyed_segment> segments;  ///< by base, without those that are not usable
    std::optional<snapshot> newest;          ///< the newest snapshot that verifies
    std::vector<position> snapshots;         ///< positions of the usable snapshot files, rising
    std::vector<std::string> bad_snapshots;  ///< names of those newer than `newest` that do not verify
    std::vector<std::string> bad_segments;   ///< names of those whose header nobody remembers
    std::vector<surveyed_cold> cold;         ///< by base, adopted or not
    std::vector<std::string> released;       ///< segments that the snapshot no longer lists
    std::vector<std::string> spares;
    std::vector<std::string> unfinished;  ///< temporary files somebody did not finish
    std::vector<std::string> strangers;   ///< names the log does not know and leaves alone
    std::vector<damage> damages;          ///< bad headers and snapshots, missing segments
    std::vector<std::string> notes;
    std::uint64_t spool_id = 0;
    std::uint64_t owner_epoch = 0;  ///< of the last opening
    position used_to = 0;           ///< no position at or above this was ever given out

    bool empty() const { return segments.empty() && !newest && bad_segments.empty(); }
    position snapshot_at() const { return newest ? newest->at : 0; }
};

/// Throws format_error for a directory that holds files of others and no log.
void refuse_strangers(const storage& directory);

survey survey_directory(storage& directory);

/// Compares the cold segments that count with the files that are there: what is missing, cut short or has a
/// bad header is damage, or only a note when an older snapshot had to serve. Gives those that can be read.
std::vector<segment_entry> judge_cold(const std::map<position, segment_entry>& adopted, survey& found);

}  // namespace ferry::log
