#include "tests/support/fault_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <stdexcept>
#include <system_error>

namespace ferry::test {
namespace {

constexpr std::uint64_t sector_bytes = 512;

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error(error, std::generic_category(), "fault disk: " + what);
}

std::string sector_of(const std::string& bytes, std::uint64_t sector) {
    std::string result(sector_bytes, '\0');
    const std::uint64_t from = sector * sector_bytes;
    if (from < bytes.size()) bytes.copy(result.data(), sector_bytes, from);
    return result;
}

}  // namespace

struct fault_disk::inode {
    std::string cache;              // what readers see
    std::string disk;               // what a power cut surely leaves
    std::set<std::uint64_t> dirty;  // sectors of the cache that may differ from the disk

    void touch(std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t s = from / sector_bytes; s * sector_bytes < to; ++s) dirty.insert(dirty.end(), s);
    }

    void flush() {
        disk.resize(cache.size(), '\0');
        for (const std::uint64_t s : dirty) {
            const std::uint64_t from = s * sector_bytes;
            if (from >= cache.size()) continue;
            std::memcpy(disk.data() + from, cache.data() + from, std::min(sector_bytes, cache.size() - from));
        }
        dirty.clear();
    }

    // How much of a file's unsynced bytes survives differs from file to file.
    void cut(std::mt19937_64& random, bool lose_all) {
        const std::uint64_t mode =
            lose_all ? 0 : random() % 4;  // 0 none, 1 all, 2 each by chance, 3 up to a point
        const std::uint64_t point = dirty.empty() ? 0 : random() % (*dirty.rbegin() + 1);
        const auto kept = [&](std::uint64_t sector) {
            if (mode == 2) return random() % 2 == 0;
            return mode == 1 || (mode == 3 && sector < point);
        };
        // The size is metadata of its own: it may survive without the bytes, which then come back as zeros.
        const bool new_size = mode == 1 || (mode != 0 && random() % 2 == 0);
        std::string after = disk;
        after.resize(new_size ? cache.size() : disk.size(), '\0');
        for (const std::uint64_t s : dirty) {
            const std::uint64_t from = s * sector_bytes;
            if (!kept(s) || from >= after.size()) continue;
            const std::string bytes = sector_of(cache, s);
            std::memcpy(after.data() + from, bytes.data(), std::min(sector_bytes, after.size() - from));
        }
        cache = after;
        disk = std::move(after);
        dirty.clear();
    }
};

struct fault_disk::entry_change {
    std::string from;  // empty: a creation
    std::string to;    // empty: a removal
    std::shared_ptr<inode> what;
};

class fault_disk::handle final : public log::file {
  public:
    handle(fault_disk& disk, std::shared_ptr<inode> what, std::string name, bool writable)
        : disk_(disk),
          what_(std::move(what)),
          name_(std::move(name)),
          writable_(writable),
          generation_(disk.generation_) {}

    std::size_t read(std::uint64_t offset, std::span<char> into) const override {
        const std::lock_guard lock{disk_.mutex_};
        check_alive();
        const auto bad = disk_.unreadable_.find(name_);
        if (bad != disk_.unreadable_.end() && offset < bad->second.second &&
            offset + into.size() > bad->second.first)
            fail(EIO, "read " + name_);
        if (offset >= what_->cache.size()) return 0;
        return what_->cache.copy(into.data(), into.size(), offset);
    }

    using file::write;
    void write(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        std::string bytes;
        for (const std::string_view piece : pieces) bytes.append(piece);
        const std::lock_guard lock{disk_.mutex_};
        check_writable();
        if (disk_.fails_now()) {
            if (disk_.fail_kind_ == fault::short_write || disk_.fail_kind_ == fault::short_space)
                put(offset, std::string_view{bytes}.substr(0, disk_.random_() % (bytes.size() + 1)));
            refuse("write");
        }
        put(offset, bytes);
    }

    void sync() override {
        const std::lock_guard lock{disk_.mutex_};
        check_writable();
        ++disk_.syncs_;
        if (disk_.fails_now()) {
            what_->dirty.clear();
            refuse("sync");
        }
        what_->flush();
    }

    void truncate(std::uint64_t size) override {
        const std::lock_guard lock{disk_.mutex_};
        check_writable();
        if (disk_.fails_now()) refuse("truncate");
        resize(size);
    }

    void allocate(std::uint64_t size) override {
        const std::lock_guard lock{disk_.mutex_};
        check_writable();
        if (disk_.fails_now()) refuse("allocate");
        if (size > what_->cache.size()) resize(size);
    }

    std::uint64_t size() const override {
        const std::lock_guard lock{disk_.mutex_};
        check_alive();
        return what_->cache.size();
    }

  private:
    void check_alive() const {
        if (generation_ != disk_.generation_)
            fail(EBADF, name_ + " was open when the machine or process ended");
    }
    void check_writable() const {
        check_alive();
        if (!writable_) fail(EBADF, name_ + " is open for reading only");
    }
    [[noreturn]] void refuse(const char* what) const {
        fail(disk_.out_of_space() ? ENOSPC : EIO, std::string{what} + " " + name_);
    }
    void resize(std::uint64_t size) {
        const std::uint64_t old = what_->cache.size();
        if (size > old) disk_.charge(size - old);
        what_->cache.resize(size, '\0');
        if (size < old) {
            // What is cut and written again later must not show the old bytes.
            what_->touch(size, old);
        } else if (what_->disk.size() > old) {
            what_->touch(old, size);
        }
    }
    void put(std::uint64_t offset, std::string_view bytes) {
        if (bytes.empty()) return;
        const std::uint64_t end = offset + bytes.size();
        if (end > what_->cache.size()) {
            disk_.charge(end - what_->cache.size());
            const std::uint64_t old = what_->cache.size();
            what_->cache.resize(end, '\0');
            what_->touch(std::min(old, offset), end);
        }
        std::memcpy(what_->cache.data() + offset, bytes.data(), bytes.size());
        what_->touch(offset, end);
    }

    fault_disk& disk_;
    const std::shared_ptr<inode> what_;
    const std::string name_;
    const bool writable_;
    const std::uint64_t generation_;
};

fault_disk::fault_disk(std::uint64_t seed) : random_(seed) {}
fault_disk::~fault_disk() = default;

std::unique_ptr<log::file> fault_disk::open(const std::string& name, log::open_mode mode) {
    const std::lock_guard lock{mutex_};
    const auto found = names_.find(name);
    if (mode == log::open_mode::create_new) {
        if (found != names_.end()) fail(EEXIST, "open " + name);
        if (fails_now()) fail(out_of_space() ? ENOSPC : EIO, "create " + name);
        auto made = std::make_shared<inode>();
        names_[name] = made;
        changes_.push_back({"", name, made});
        return std::make_unique<handle>(*this, std::move(made), name, true);
    }
    if (found == names_.end()) fail(ENOENT, "open " + name);
    return std::make_unique<handle>(*this, found->second, name, mode == log::open_mode::write);
}

std::vector<std::string> fault_disk::list(const std::string& sub_directory) const {
    const std::lock_guard lock{mutex_};
    const std::string within = sub_directory.empty() ? "" : sub_directory + "/";
    std::set<std::string> names;
    for (const auto& [name, what] : names_)
        if (name.starts_with(within))
            names.insert(name.substr(within.size(), name.find('/', within.size()) - within.size()));
    return {names.begin(), names.end()};
}

void fault_disk::rename(const std::string& from, const std::string& to) {
    const std::lock_guard lock{mutex_};
    const auto found = names_.find(from);
    if (found == names_.end()) fail(ENOENT, "rename " + from);
    if (fails_now()) fail(out_of_space() ? ENOSPC : EIO, "rename " + from);
    auto what = found->second;
    names_.erase(found);
    names_[to] = what;
    changes_.push_back({from, to, std::move(what)});
}

void fault_disk::remove(const std::string& name) {
    const std::lock_guard lock{mutex_};
    const auto found = names_.find(name);
    if (found == names_.end()) fail(ENOENT, "remove " + name);
    if (fails_now()) fail(EIO, "remove " + name);
    changes_.push_back({name, "", found->second});
    names_.erase(found);
}

void fault_disk::make_directory(const std::string&) {}

void fault_disk::sync_directory() {
    const std::lock_guard lock{mutex_};
    ++syncs_;
    if (fails_now()) fail(out_of_space() ? ENOSPC : EIO, "sync directory");
    synced_names_ = names_;
    changes_.clear();
}

std::uint64_t fault_disk::bytes_free() const {
    const std::lock_guard lock{mutex_};
    const std::uint64_t taken = used();
    return capacity_ > taken ? capacity_ - taken : 0;
}

std::string fault_disk::describe(const std::string& name) const {
    return "fault-disk/" + name;
}

void fault_disk::crash(bool lose_all) {
    // Each change of a name survives or not; one whose file is not there (its creation was lost) cannot.
    auto after = synced_names_;
    for (const entry_change& change : changes_) {
        if (lose_all || random_() % 2 == 0) continue;
        if (!change.from.empty()) {
            const auto found = after.find(change.from);
            if (found == after.end() || found->second != change.what) continue;
            after.erase(found);
        }
        if (!change.to.empty()) after[change.to] = change.what;
    }
    names_ = after;
    synced_names_ = std::move(after);
    changes_.clear();
    std::set<inode*> seen;
    for (auto& [name, what] : names_)
        if (seen.insert(what.get()).second) what->cut(random_, lose_all);
    ++generation_;
}

void fault_disk::power_cut() {
    const std::lock_guard lock{mutex_};
    crash(false);
}

void fault_disk::power_cut_losing_all() {
    const std::lock_guard lock{mutex_};
    crash(true);
}

void fault_disk::kill() {
    const std::lock_guard lock{mutex_};
    ++generation_;
}

bool fault_disk::fails_now() {
    ++calls_;
    if (fail_at_ == 0 || calls_ < fail_at_ || (calls_ > fail_at_ && !fail_on_)) return false;
    failed_ = true;
    return true;
}

void fault_disk::fail_call(std::uint64_t n, fault kind, bool from_then_on) {
    const std::lock_guard lock{mutex_};
    fail_at_ = calls_ + n;
    fail_kind_ = kind;
    fail_on_ = from_then_on;
    failed_ = false;
}

void fault_disk::make_unreadable(const std::string& name, std::uint64_t from, std::uint64_t to) {
    const std::lock_guard lock{mutex_};
    unreadable_[name] = {from, to};
}

void fault_disk::heal() {
    const std::lock_guard lock{mutex_};
    unreadable_.clear();
    fail_at_ = 0;
    failed_ = false;
}

std::uint64_t fault_disk::calls() const {
    const std::lock_guard lock{mutex_};
    return calls_;
}

std::uint64_t fault_disk::syncs() const {
    const std::lock_guard lock{mutex_};
    return syncs_;
}

bool fault_disk::failed() const {
    const std::lock_guard lock{mutex_};
    return failed_;
}

void fault_disk::set_capacity(std::uint64_t bytes) {
    const std::lock_guard lock{mutex_};
    capacity_ = bytes;
}

std::uint64_t fault_disk::used() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, what] : names_) bytes += what->cache.size();
    return bytes;
}

void fault_disk::charge(std::uint64_t more) const {
    if (capacity_ < (1ULL << 40) && used() + more > capacity_) fail(ENOSPC, "no space left");
}

std::string fault_disk::contents(const std::string& name) const {
    const std::lock_guard lock{mutex_};
    const auto found = names_.find(name);
    if (found == names_.end()) throw std::invalid_argument("no file " + name);
    return found->second->cache;
}

void fault_disk::overwrite(const std::string& name, std::uint64_t offset, std::string_view bytes) {
    const std::lock_guard lock{mutex_};
    inode& what = *names_.at(name);
    for (std::string* side : {&what.cache, &what.disk}) {
        if (side->size() < offset + bytes.size()) side->resize(offset + bytes.size(), '\0');
        std::memcpy(side->data() + offset, bytes.data(), bytes.size());
    }
}

void fault_disk::put_file(const std::string& name, std::string_view bytes) {
    const std::lock_guard lock{mutex_};
    auto made = std::make_shared<inode>();
    made->cache = made->disk = std::string{bytes};
    names_[name] = made;
    synced_names_[name] = made;
}

void fault_disk::drop_file(const std::string& name) {
    const std::lock_guard lock{mutex_};
    names_.erase(name);
    synced_names_.erase(name);
}

bool fault_disk::has(const std::string& name) const {
    const std::lock_guard lock{mutex_};
    return names_.contains(name);
}

std::vector<std::string> fault_disk::names_with(std::string_view part) const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> found;
    for (const auto& [name, what] : names_)
        if (name.find(part) != std::string::npos) found.push_back(name);
    return found;
}

}  // namespace ferry::test
