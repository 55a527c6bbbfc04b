// Opening: from whatever a crash left to a log that can be served.
//
// The order is what makes a second crash, anywhere in between, harmless: look (survey.hpp), replay, copy what
// is torn or damaged aside, write a new segment with the whole records from above the watermark, sync it,
// name it, sync the directory, and only then cut and seal the segment before it. docs/spool_format.md
// numbers the cases. Threads: the caller's. Failure: throws; the next opening starts over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/log/active_segment.hpp"
#include "core/log/adoption.hpp"
#include "core/log/log.hpp"
#include "core/log/spares.hpp"
#include "core/log/survey.hpp"
#include "core/log/table.hpp"

namespace ferry::log {

/// A log ready to be written.
struct recovered {
    opening found;
    segment_table sealed;
    active_segment active;
    std::vector<position> snapshots;  ///< positions of the usable snapshots, rising
};

/// The segment that was being written when the log was left: it is sealed last.
struct unsealed_segment {
    surveyed_segment segment;
    std::shared_ptr<file> opened;
    extent_table extents;
    position watermark = 0;
    position whole_end = 0;
    std::uint64_t rewrite_bytes = 0;
};

class recovery {
  public:
    using replay_function = std::function<void(const stored_record&)>;

    using restore_function = std::function<void(std::string_view snapshot)>;

    recovery(storage& directory, spare_pool& spares, std::uint64_t random, const replay_function& replay,
             const restore_function& restore);

    recovered run();

  private:
    void restore_snapshot();
    void tidy();
    void set_aside();
    bool set_aside(const std::string& name);
    void set_aside(const file& segment, position base, const damage& what);
    void recover_sealed(surveyed_segment& segment);
    void recover_last(surveyed_segment& segment);
    struct range {
        position from = 0;
        position to = 0;
        std::vector<stream_share> shares{};  // of the whole segment, if its footer tells
    };
    position replay_range(const file& segment, const surveyed_segment& where, const range& what,
                          extent_table& extents);
    void start_new();
    void rewrite(active_segment& active);
    void replay_rewritten();
    void seal_last();
    void settle_cold();
    void take(const stored_record& found);
    void report(const file& segment, position base, damage what);
    bool last_is_sealed() const;

    storage& directory_;
    spare_pool& spares_;
    const std::uint64_t random_;
    const replay_function& replay_;
    const restore_function& restore_;
    survey seen_;
    adopted_segments adopted_;
    recovered result_;

    std::optional<unsealed_segment> last_;
    std::uint64_t wall_ns_ = 0;
};

/// A nonce that no other segment or snapshot of any spool is likely to have.
std::uint64_t nonce_from(std::uint64_t random, std::uint64_t spool_id, std::uint64_t owner_epoch,
                         std::uint64_t number);

}  // namespace ferry::log
