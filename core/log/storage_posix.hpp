// The log's directory on a real file system.
//
// One process owns a directory: `posix_storage` takes an exclusive lock on the file LOCK in it and writes
// its pid there; the lock goes with the process, however it ends. Files are made 0600, directories 0700.
// After syncs that needed more than data on disk, LOCK is also asked whether the file system still takes
// changes: not every fdatasync that returns 0 tells the truth. Files must not outlive the storage.
// Threads and failure: as storage.hpp says; opening throws directory_in_use when another process holds it.
//
//     posix_storage disk{"/var/lib/outbox"};       // made if missing; its parent must exist
//     segmented_log log{disk, {}, replay};
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/log/storage.hpp"

namespace ferry::log {

/// A file descriptor with one owner.
class descriptor {
  public:
    explicit descriptor(int number = -1) : number_(number) {}
    descriptor(descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor();
    int get() const { return number_; }

  private:
    int number_;
};

class posix_storage final : public storage {
  public:
    /// `look` neither makes nor locks the directory: for tools that read what nobody writes.
    enum class purpose : std::uint8_t { own, look };

    explicit posix_storage(std::string directory, purpose why = purpose::own);

    std::unique_ptr<file> open(const std::string& name, open_mode mode) override;
    std::vector<std::string> list(const std::string& sub_directory = "") const override;
    void rename(const std::string& from, const std::string& to) override;
    void remove(const std::string& name) override;
    void make_directory(const std::string& name) override;
    void sync_directory() override;
    std::uint64_t bytes_free() const override;
    std::string describe(const std::string& name) const override;

  private:
    void lock();
    int asked() const;

    const std::string path_;
    const descriptor directory_;
    std::unique_ptr<descriptor> lock_;
    std::set<std::string> sub_directories_;  // made or used here, synced with the directory
};

/// The process that holds `directory`, if one does: 0 when its pid could not be read.
std::optional<int> directory_holder(const std::string& directory);

}  // namespace ferry::log
