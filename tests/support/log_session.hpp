// A little language for tests of the log: a log with its owner, where a message is a text.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/log/log.hpp"

namespace ferry::test {

/// Opens a log on a disk, appends texts as messages and remembers what an opening replayed.
class log_session {
  public:
    static constexpr std::uint64_t segment_bytes = 16384;

    explicit log_session(log::storage& disk, std::uint64_t bytes = segment_bytes, std::uint64_t random = 5) {
        const auto replay = [this](const log::stored_record& r) {
            replayed.emplace_back(r.payload);
            std::uint64_t& next = next_[r.header.stream];
            next = std::max(next, r.header.first_offset + r.header.count);
        };
        log_.emplace(disk, log::log_options{.segment_bytes = bytes, .random = random}, replay);
    }

    log::segmented_log& operator*() { return *log_; }
    log::segmented_log* operator->() { return &*log_; }

    /// Appends `text` as the next message of `stream`.
    log::position put(std::string_view text, std::uint32_t stream = 1) {
        const log::record one{.type = log::record_type::messages,
                              .stream = stream,
                              .first_offset = next_[stream]++,
                              .count = 1,
                              .wall_ns = ++wall_,
                              .body = text};
        log::position at = 0;
        log_->append({&one, 1}, {&at, 1});
        return at;
    }

    /// Appends and syncs.
    log::position keep(std::string_view text, std::uint32_t stream = 1) {
        const log::position at = put(text, stream);
        log_->sync();
        return at;
    }

    /// Syncs and writes a record that says so, as the spool does after a while of silence.
    void settle() {
        log_->sync();
        const log::record mark{.type = log::record_type::watermark, .wall_ns = ++wall_};
        log::position at = 0;
        log_->append({&mark, 1}, {&at, 1});
        log_->sync();
    }

    /// Every message of `stream` from `offset`, read in steps of about `bytes_max`.
    std::vector<std::string> texts(std::uint32_t stream = 1, std::uint64_t offset = 0,
                                   std::size_t bytes_max = 1000) {
        std::vector<std::string> found;
        for (bool at_end = false; !at_end;) {
            const log::read_result part = log_->read(stream, offset, bytes_max);
            for (const log::stored_record& r : part.records) {
                found.emplace_back(r.payload);
                offset = r.header.first_offset + r.header.count;
            }
            damages.insert(damages.end(), part.damages.begin(), part.damages.end());
            if (part.records.empty() && !part.at_end) break;
            at_end = part.at_end;
        }
        return found;
    }

    /// Messages numbered from `from`, long enough that a few dozen fill a segment.
    void fill(std::size_t count, std::uint32_t stream = 1, std::size_t bytes = 500) {
        for (std::size_t i = 0; i < count; ++i) put(numbered(next_[stream], bytes), stream);
    }

    static std::string numbered(std::uint64_t number, std::size_t bytes = 500) {
        std::string text = std::to_string(number) + " ";
        text.resize(bytes, static_cast<char>('a' + number % 26));
        return text;
    }

    std::uint64_t next(std::uint32_t stream = 1) { return next_[stream]; }
    void expect_next(std::uint64_t offset, std::uint32_t stream = 1) { next_[stream] = offset; }

    std::vector<std::string> replayed;  ///< payloads of all records, marks as empty texts
    std::vector<log::damage> damages;   ///< met by texts()

    std::size_t bad_at_open() const {
        const auto& found = log_->opened().damages;
        return static_cast<std::size_t>(std::ranges::count(found, false, &log::damage::torn_tail));
    }

  private:
    std::map<std::uint32_t, std::uint64_t> next_;
    std::uint64_t wall_ = 0;
    std::optional<log::segmented_log> log_;
};

}  // namespace ferry::test
