// The seam between the log and the disk: one directory of flat files.
//
// Everything the log does to the world goes through these two classes, so that the tests can put a disk
// behind it that forgets what was not synced, tears sectors and fails the n-th call
// (tests/support/fault_disk). Assumption about a real disk, played by the fault disk: a 512-byte sector is
// old or new, whole.
//
// Threads: a storage and its files may be used from several threads; one file is written by one thread at
// a time, and may be read meanwhile. Failure: every call throws std::system_error naming the file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::log {

/// An open file. Closing (destruction) syncs nothing.
class file {
  public:
    virtual ~file() = default;

    /// Reads up to `into.size()` bytes at `offset`; fewer only at the end of the file.
    virtual std::size_t read(std::uint64_t offset, std::span<char> into) const = 0;

    /// Writes all `pieces` one behind the other from `offset`, or throws (a part may have been written). To
    /// write nothing is to do nothing.
    virtual void write(std::uint64_t offset, std::span<const std::string_view> pieces) = 0;
    void write(std::uint64_t offset, std::string_view bytes) { write(offset, {&bytes, 1}); }

    /// fdatasync: when it returns, all that was written is on disk. After a failure the written data is
    /// in an unknown state, and calling again proves nothing: the log never does.
    virtual void sync() = 0;

    /// Cuts or extends (with zeros) the file to `size`.
    virtual void truncate(std::uint64_t size) = 0;

    /// Reserves disk blocks up to `size` and extends the file to it, so that writing there cannot fail for
    /// want of space (a sparse file that is written through a mapping ends in SIGBUS; this one cannot).
    virtual void allocate(std::uint64_t size) = 0;

    virtual std::uint64_t size() const = 0;
};

/// What `open` may do when the file is there, or is not.
enum class open_mode : std::uint8_t { read, write, create_new };

/// A directory of files with plain names. Names never come from the wire.
class storage {
  public:
    virtual ~storage() = default;

    virtual std::unique_ptr<file> open(const std::string& name, open_mode mode) = 0;
    /// The names in it, or in one of its sub-directories: none when that was never made.
    virtual std::vector<std::string> list(const std::string& sub_directory = "") const = 0;
    virtual void rename(const std::string& from, const std::string& to) = 0;
    virtual void remove(const std::string& name) = 0;

    /// Makes a sub-directory; one that is there already is fine. Names of files in it are "sub/name".
    virtual void make_directory(const std::string& name) = 0;

    /// fsync of the directory: creations, renames and removals before it survive a power cut.
    virtual void sync_directory() = 0;

    /// Bytes an unprivileged writer may still allocate here.
    virtual std::uint64_t bytes_free() const = 0;

    /// Where this is, for texts to people.
    virtual std::string describe(const std::string& name) const = 0;
};

}  // namespace ferry::log
