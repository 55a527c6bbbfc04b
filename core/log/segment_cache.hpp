// The sealed segments that are open for reading: a bounded number of files, each with its fine extents.
//
// Threads: any. The lock is never held while the disk is read, so two threads may load the same segment at
// the same time; the later one wins and both are right.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/log/footer.hpp"
#include "core/log/log.hpp"
#include "core/log/snapshot.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

/// A sealed segment ready to be read. Stays readable while somebody holds it, even after its removal.
struct readable_segment {
    position base = 0;
    std::uint64_t nonce = 0;
    std::shared_ptr<const file> opened;
    std::vector<extent> extents;     ///< by stream
    std::optional<damage> nameless;  ///< without a footer: where records stood that tell nothing any more
};

class segment_cache {
  public:
    static constexpr std::size_t segments_max = 12;

    explicit segment_cache(storage& directory) : directory_(directory) {}

    /// Opens the segment and reads its footer, unless that was done lately. A footer that does not verify
    /// is replaced by a scan. Throws as storage does.
    std::shared_ptr<const readable_segment> get(position base, position end, std::uint64_t nonce);

    void forget(position base);

  private:
    std::shared_ptr<const readable_segment> load(position base, position end, std::uint64_t nonce);

    storage& directory_;
    std::mutex mutex_;
    std::list<std::shared_ptr<const readable_segment>> recent_;  // most recently used first
};

}  // namespace ferry::log
