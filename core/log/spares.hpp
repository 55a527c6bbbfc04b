// Spares: segment files made ready ahead of use, so that rolling over never waits for the disk to find room.
//
// A spare is full of zeros and synced; writing into such blocks is markedly cheaper than growing a file, and
// cannot fail for want of space. Spares are made in steps while there is time; without one, a segment is
// merely allocated, and smaller when room is short.
// Threads: the writer's. Failure: throws as storage does, except that no room for a spare is no failure.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "core/log/storage.hpp"

namespace ferry::log {

/// A file that is to become a segment: all zeros, at least as large as asked for, under a temporary name.
struct blank_segment {
    std::string name;
    std::unique_ptr<file> opened;
    std::uint64_t bytes = 0;
    std::uint64_t written_bytes = 0;  ///< so many from its beginning are zeros on disk, not merely allocated
};

class spare_pool {
  public:
    spare_pool(storage& directory, std::uint64_t segment_bytes, std::uint32_t spares_max);

    /// Takes in the spare `name` found at open. False when it is no good (used before, or too small):
    /// the caller removes it.
    bool adopt(const std::string& name);

    /// One step of making the next spare: about `bytes_max` bytes of zeros. True when more remains to do.
    bool prepare(std::size_t bytes_max);

    /// A blank segment of at least `bytes_min`.
    blank_segment take(std::uint64_t bytes_min);

    /// Removes a finished spare to make room for something more urgent; false when there is none.
    bool give_up_one();

    /// Bytes of the finished spares, and of all files here.
    std::uint64_t ready_bytes() const;
    std::uint64_t file_bytes() const;

  private:
    struct spare {
        std::string name;
        std::uint64_t bytes = 0;
    };
    bool begin();
    bool fill(std::size_t bytes_max);
    void finish();

    storage& directory_;
    const std::uint64_t segment_bytes_;
    const std::uint32_t spares_max_;
    std::deque<spare> ready_;
    std::uint64_t next_number_ = 1;
    std::string part_name_;  // of the spare in the making
    std::unique_ptr<file> part_;
    std::uint64_t part_filled_ = 0;
};

/// As many zeros as are written in one step, 1 MiB; they take no memory.
std::string_view zeros();

/// Whether `name` is a spare's; and whether it is of a file somebody did not finish making.
bool is_spare_name(std::string_view name);
bool is_unfinished_name(std::string_view name);

}  // namespace ferry::log
