// The segmented log: everything durable of one spool, in one directory, with one sync.
//
// Records of all streams are appended to one sequence of segment files. A position is synced when `durable()`
// has passed it, and only then does it survive a power cut. Sealed segments end in a footer that lists the
// extents of each stream, so a stream is read without scanning the others.
//
// Messages that are still needed in a segment where little else is can move into a cold one, under the
// offsets they have: `held` says what stands where, `move` copies, `adopt` makes the copies count and empties
// the segments they came from. So one message that nobody takes pins itself and not the log above it.
//
// Threads: one thread appends, syncs, saves, moves, releases and prepares (the writer); `read` and `held` may
// be called from any other thread at any time. Nobody reads a clock here: wall time comes with each record.
//
// Failure: a call that writes throws std::system_error. The log is then broken: every further call that
// writes throws, nothing is retried, what is durable remains readable. A snapshot that finds no room and a
// move that fails break nothing. Damage found while reading is a value.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/log/record.hpp"
#include "core/log/segment_list.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

struct log_options {
    std::uint64_t segment_bytes = 64ULL << 20;  ///< size a segment is made with; smaller when room is short
    std::uint64_t random = 0;                   ///< seed of the segments' nonces (randomness is passed in)
    std::uint32_t spares_max = 2;               ///< prepared segments kept ready
};

/// Bytes that should have been records and are not. They are copied to quarantine/ when found at open; a
/// snapshot or segment of which nothing can be read is moved there whole.
struct damage {
    std::string file;          ///< name of the segment
    position from = 0;         ///< first bad byte
    position to = 0;           ///< first good byte after it
    bool torn_tail = false;    ///< above the watermark: nothing that was promised
    bool unreadable = false;   ///< the disk did not give it: it may another time
    std::uint32_t stream = 0;  ///< when the header survived, what is lost: stream and offsets; 0 = not known
    std::uint64_t first_offset = 0;
    std::uint32_t count = 0;
    std::string reason{};  ///< in words, for people
};

/// What `open` found, apart from the records it replayed.
struct opening {
    std::uint64_t owner_epoch = 0;        ///< how often this log was opened; the incarnation of its owner
    std::uint64_t spool_id = 0;           ///< random, fixed when the directory was made
    std::string snapshot;                 ///< the newest valid snapshot's bytes, unless `restore` took them
    std::vector<damage> damages;          ///< found between the snapshot and the end
    std::uint64_t records_rewritten = 0;  ///< whole ones above the watermark, written again and synced
    std::vector<std::string> notes;       ///< what else a person should know (leftovers removed, ...)
};

/// Verified records of one stream, in offset order, with the bytes that hold them.
struct read_result {
    std::string bytes;                   ///< owns what the payloads below point into
    std::vector<stored_record> records;  ///< the first one holds the offset asked for, or the next above it
    std::vector<damage> damages;         ///< met on the way, with the offsets lost where they are known
    bool at_end = false;                 ///< nothing of this stream is stored above what is returned
};

/// A sealed segment, and what is looked for in it.
struct held_segment {
    position base = 0;
    std::uint64_t bytes = 0;             ///< of the file
    std::vector<stream_share> shares{};  ///< none: it is emptied and waits for the snapshots to let it go
};

/// What the log is made of, spares and snapshots aside.
struct holdings {
    std::vector<held_segment> sealed;  ///< by base, then the cold ones
    std::uint64_t active_bytes = 0;    ///< of the open segment, as large as it was made
};

/// Bytes for the `space` event.
struct space {
    std::uint64_t used = 0;  ///< bytes of files in the directory
    std::uint64_t left = 0;  ///< bytes that can still be appended, the reserve aside
};

class segmented_log {
  public:
    /// Opens or creates the log in `directory`: loads the newest valid snapshot, replays every record above
    /// it through `replay`, cuts a torn tail, rewrites whole records above the watermark into a new segment,
    /// syncs, and returns. Nothing is served before. `storage` outlives the log.
    /// Throws std::system_error, or format_error (error.hpp) for a directory that holds something else.
    ///
    /// `restore`, if given, is called with the snapshot's bytes before the first record (not at all when
    /// there is none), and the log keeps no copy of them; without it they stand in `opened().snapshot`.
    segmented_log(storage& directory, log_options options,
                  const std::function<void(const stored_record&)>& replay,
                  const std::function<void(std::string_view snapshot)>& restore = {});
    ~segmented_log();
    segmented_log(const segmented_log&) = delete;
    segmented_log& operator=(const segmented_log&) = delete;

    const opening& opened() const;

    /// Writes `records` behind each other (one write unless a segment fills) and gives each one's position.
    /// Throws std::length_error, with nothing written and nothing broken, for a record above
    /// record_bytes_max(). Wall times must not decrease and a stream's offsets must rise.
    void append(std::span<const record> records, std::span<position> positions);

    /// Position after the last appended record; all below `durable()` is synced.
    position end() const;
    position durable() const;

    /// Syncs everything appended so far.
    void sync();

    /// Records of `stream` from the one that holds `offset` (or the next above it), at least one and then
    /// up to about `bytes_max`. Sees everything appended so far. Thread-safe.
    read_result read(std::uint32_t stream, std::uint64_t offset, std::size_t bytes_max) const;

    /// Saves the owner's state as of `end()`: syncs the log, writes a snapshot file, syncs it, removes what
    /// was released or emptied and the older snapshots beyond two. For want of room spares are given up;
    /// false when that was not enough: nothing of the log was touched, and it may be tried again.
    bool save_snapshot(std::string_view state);

    /// Tells that no message of `stream` below `offset` is needed any more; not kept across openings, so it
    /// is told again after each. Segments in which nothing is needed leave with the next `save_snapshot` that
    /// finds them before the snapshot it follows: its list no longer names them, which tells a segment that
    /// was let go from one that is missing.
    void release(std::uint32_t stream, std::uint64_t offset);

    /// The sealed segments with what is looked for in each. Thread-safe.
    holdings held() const;

    /// Copies these records, which keep offsets and times, into a cold segment in the making (the first call
    /// begins one), and syncs them. `sources`, sorted, are the segments they come from and the same in each
    /// call. Records come by stream, then by offset. A failure ends the making and breaks nothing.
    void move(std::span<const record> records, std::span<const position> sources);

    /// All that is needed of `sources` was moved: gives the cold segment its name, then appends and syncs the
    /// record that adopts it. Every record on which it rests that something is *not* needed was appended
    /// before. From here on nothing is read from `sources`, which leave as released segments do.
    /// Fails as `move` does before that record is written, as an append from there on (`broken` tells).
    void adopt(std::span<const position> sources);

    /// Ends the making of a cold segment, if one is in the making.
    void abandon_move();

    /// Whether a call that writes has failed.
    bool broken() const;

    /// Does one step (about `bytes_max` of zero-filling) of making a spare; true when more remains to do.
    /// No room for a spare is no failure.
    bool prepare_spare(std::size_t bytes_max);

    /// Does one step of writing zeros into the blocks that records will come to, where they were merely
    /// allocated, and syncs as `sync` does; true when more remains to do. The open segment of a spool that is
    /// new or had no spare is one.
    bool write_ahead();

    /// Whether `write_ahead` has something to do.
    bool short_of_blocks() const;

    /// How much is used and left. When only the reserve (two spares and a snapshot) is left, `left` is 0.
    space space_now() const;

    /// Largest payload a record may have: a quarter of a segment, and 64 KiB (at most that quarter again) for
    /// what stands around a message of that size.
    std::uint64_t record_bytes_max() const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry::log
