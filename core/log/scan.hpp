// Walks the records of a segment in order and says what stands between them when something does.
//
// A header whose checksum holds can be trusted with its length, so a bad payload is stepped over exactly.
// After a bad header the scan searches, 8 bytes at a time, for the next place where header and payload both
// hold: one bad block costs the records in it, never those behind it. A block that the disk does not give is
// an error, unless it is to be stepped over: then it reads as zeros. Threads: none of its own; one scan, one
// thread. Memory: one window, at least as large as a record.
//
//     record_scan scan{file, header.nonce, header.base, header.records_from(), end};
//     while (auto found = scan.next())
//         if (found->record) use(*found->record);   // its payload lives until the next call
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/log/record.hpp"
#include "core/log/storage.hpp"

namespace ferry::log {

/// What stands at [from, to).
struct scanned {
    position from = 0;
    position to = 0;
    std::optional<stored_record> record{};  ///< none: no record that verifies
    std::optional<record_header>
        header{};             ///< without a record: the header alone holds, the payload does not
    bool zeros = false;       ///< nothing but zeros up to where the scan was to end
    position used_to = 0;     ///< behind the last of its bytes that is no zero, in steps of 8
    bool unreadable = false;  ///< the disk did not give all of it
};

enum class unreadable_blocks : std::uint8_t { fail, step_over };

class record_scan {
  public:
    /// Scans [from, to), cut short at the end of the file. `from` is where a record begins.
    record_scan(const file& segment, std::uint64_t nonce, position base, position from, position to,
                unreadable_blocks how = unreadable_blocks::fail);

    std::optional<scanned> next();

  private:
    struct range {
        position from = 0, to = 0;
    };
    std::optional<scanned> step();
    void read_window(position at);
    void read_blocks(position at);
    const char* window_at(position at, std::uint64_t bytes);
    std::optional<record_header> header_at(position at);
    bool whole_at(position at, const record_header& header);
    scanned search();

    const file& segment_;
    const std::uint64_t nonce_;
    const position base_;
    const position to_;
    const unreadable_blocks how_;
    position at_;
    std::string window_;
    position window_from_ = 0;
    std::vector<range> unreadable_;
};

}  // namespace ferry::log
