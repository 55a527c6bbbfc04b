// A disk in memory that does to the log what real disks do, when told to and always the same way for a seed.
//
// Written bytes are in the "page cache" until their file is synced; names are until the directory is. A
// `power_cut` keeps, loses or tears what was not synced, per sector of 512 bytes, and may undo creations,
// renames and removals; a `kill` keeps the page cache and only ends the process. Either way every file that
// was open is dead from then on. `fail_call` makes the n-th call that changes something fail; after a failed
// sync the pages count as clean although they are not on disk, as on Linux, so that syncing again "works".
// Threads: any. Fast: nothing is copied but what is dirty.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "core/log/storage.hpp"

namespace ferry::test {

enum class fault : std::uint8_t {
    io_error,     ///< EIO, nothing done
    no_space,     ///< ENOSPC, nothing done
    short_write,  ///< a part is written, then EIO (other calls: as io_error)
    short_space,  ///< a part is written, then ENOSPC (other calls: as no_space)
};

class fault_disk final : public log::storage {
  public:
    explicit fault_disk(std::uint64_t seed = 1);
    ~fault_disk() override;

    std::unique_ptr<log::file> open(const std::string& name, log::open_mode mode) override;
    std::vector<std::string> list(const std::string& sub_directory = "") const override;
    void rename(const std::string& from, const std::string& to) override;
    void remove(const std::string& name) override;
    void make_directory(const std::string& name) override;
    void sync_directory() override;
    std::uint64_t bytes_free() const override;
    std::string describe(const std::string& name) const override;

    /// The power goes: what was not synced is kept, lost or torn, as the seed has it.
    void power_cut();
    /// The worst case of it: everything that was not synced is lost.
    void power_cut_losing_all();
    /// The process dies, the machine does not.
    void kill();

    /// The `n`-th changing call from now on (1 = the next) fails. `from_then_on` fails all after it too.
    void fail_call(std::uint64_t n, fault kind, bool from_then_on = false);
    /// From now on nobody can read these bytes of a file: EIO.
    void make_unreadable(const std::string& name, std::uint64_t from, std::uint64_t to);
    void heal();
    /// Changing calls so far: write, sync, truncate, allocate, create, rename, remove, directory syncs.
    std::uint64_t calls() const;
    std::uint64_t syncs() const;
    /// Whether a planned failure has happened since it was planned.
    bool failed() const;

    void set_capacity(std::uint64_t bytes);

    /// For tests that damage what is on the disk: the bytes of a file, as the next opening will see them.
    std::string contents(const std::string& name) const;
    void overwrite(const std::string& name, std::uint64_t offset, std::string_view bytes);
    void put_file(const std::string& name, std::string_view bytes);
    void drop_file(const std::string& name);
    bool has(const std::string& name) const;
    std::vector<std::string> names_with(std::string_view part) const;

  private:
    struct inode;
    struct entry_change;
    class handle;
    friend class handle;

    bool fails_now();
    bool out_of_space() const { return fail_kind_ == fault::no_space || fail_kind_ == fault::short_space; }
    void charge(std::uint64_t more) const;
    std::uint64_t used() const;
    void crash(bool lose_all);

    mutable std::mutex mutex_;
    std::mt19937_64 random_;
    std::map<std::string, std::shared_ptr<inode>> names_;         // what the process sees
    std::map<std::string, std::shared_ptr<inode>> synced_names_;  // what the disk has for certain
    std::vector<entry_change> changes_;                           // between the two, in order
    std::uint64_t generation_ = 0;
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> unreadable_;
    std::uint64_t calls_ = 0;
    std::uint64_t syncs_ = 0;
    std::uint64_t fail_at_ = 0;
    fault fail_kind_ = fault::io_error;
    bool fail_on_ = false;
    bool failed_ = false;
    std::uint64_t capacity_ = 1ULL << 40;
};

}  // namespace ferry::test
