#include "core/log/storage_posix.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "core/log/error.hpp"

namespace ferry::log {
namespace {

constexpr const char* lock_name = "LOCK";
constexpr std::size_t lock_bytes = 12;
constexpr mode_t file_mode = 0600;
constexpr mode_t directory_mode = 0700;
constexpr std::size_t pieces_max = 64;  // of one system call

// A quota that is used up is no room: all that knows how to do without room does so.
[[noreturn]] void fail(const std::string& what, int error = errno) {
    if (error == EDQUOT) throw std::system_error(ENOSPC, std::generic_category(), what + ": quota exceeded");
    throw std::system_error(error, std::generic_category(), what);
}

// Repeats a call that a signal cut short.
template <typename call>
auto retried(call&& make) {
    for (;;) {
        const auto result = make();
        if (result >= 0 || errno != EINTR) return result;
    }
}

// Whether the file system still takes changes, asked of a file in it that has its blocks already.
//
// An ext4 that met an error aborts its journal first and says so to writers some milliseconds later. In
// between it cannot note that blocks, which were only reserved so far, have been written, and its fdatasync
// returns 0 all the same; after the next mount they are zeros (seen on Linux 6.18, tests/disks "the kernel
// makes the disk read-only"). A journal that still takes a change afterwards took what came before as well.
void ask_for_change(int asked, const std::string& path) {
    if (retried([&] { return ::fallocate(asked, FALLOC_FL_KEEP_SIZE, 0, 1); }) == 0) return;
    // No room is an answer too; not every file system knows the question.
    if (errno != ENOSPC && errno != EDQUOT && errno != EOPNOTSUPP && errno != ENOSYS)
        fail("sync " + path + ": the file system takes no change any more");
}

class posix_file final : public file {
  public:
    /// `asked` after each sync of what was not written before, unless it is -1.
    posix_file(descriptor opened, std::string path, int asked)
        : descriptor_(std::move(opened)), path_(std::move(path)), asked_(asked) {}

    std::size_t read(std::uint64_t offset, std::span<char> into) const override {
        std::size_t done = 0;
        while (done < into.size()) {
            const ssize_t got = retried([&] {
                return ::pread(descriptor_.get(), into.data() + done, into.size() - done,
                               static_cast<off_t>(offset + done));
            });
            if (got < 0) fail("read " + path_);
            if (got == 0) break;
            done += static_cast<std::size_t>(got);
        }
        return done;
    }

    using file::write;
    void write(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        while (!pieces.empty() && pieces.front().empty()) pieces = pieces.subspan(1);
        if (pieces.empty()) return;
        const std::uint64_t from = offset;
        std::array<iovec, pieces_max> vector{};
        std::size_t skip = 0;  // bytes of the first piece that an earlier, short write took
        while (!pieces.empty()) {
            const std::size_t count = std::min(pieces.size(), pieces_max);
            for (std::size_t i = 0; i < count; ++i) {
                const std::string_view left = pieces[i].substr(i == 0 ? skip : 0);
                vector[i] = {const_cast<char*>(left.data()), left.size()};
            }
            const ssize_t put = retried([&] {
                return ::pwritev(descriptor_.get(), vector.data(), static_cast<int>(count),
                                 static_cast<off_t>(offset));
            });
            if (put < 0) fail("write " + path_);
            if (put == 0) fail("write " + path_, ENOSPC);
            offset += static_cast<std::uint64_t>(put);
            skip += static_cast<std::size_t>(put);
            while (!pieces.empty() && skip >= pieces.front().size()) {
                skip -= pieces.front().size();
                pieces = pieces.subspan(1);
            }
        }
        apart_ = apart_ || from > written_;
        written_ = std::max(written_, offset);
    }

    void sync() override {
        // Never repeated, not even after a signal: a second call would say nothing about the first one's
        // data.
        if (::fdatasync(descriptor_.get()) != 0) fail("sync " + path_);
        if (asked_ < 0 || (noted_ == written_ && !apart_ && !cut_)) return;
        ask_for_change(asked_, path_);
        noted_ = written_;
        cut_ = false;
    }

    void truncate(std::uint64_t size) override {
        if (retried([&] { return ::ftruncate(descriptor_.get(), static_cast<off_t>(size)); }) != 0)
            fail("truncate " + path_);
        written_ = std::min(written_, size);
        noted_ = std::min(noted_, size);
        cut_ = true;
    }

    void allocate(std::uint64_t size) override {
        int error = 0;
        do {
            error = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size));
        } while (error == EINTR);
        if (error != 0) fail("allocate " + path_, error);
    }

    std::uint64_t size() const override {
        struct stat status {};
        if (::fstat(descriptor_.get(), &status) != 0) fail("stat " + path_);
        return static_cast<std::uint64_t>(status.st_size);
    }

  private:
    const descriptor descriptor_;
    const std::string path_;
    const int asked_;
    // So many bytes from the beginning were written, without a hole unless some were written apart; of so
    // many the file system has noted that their blocks are in use.
    std::uint64_t written_ = 0;
    std::uint64_t noted_ = 0;
    bool apart_ = false;
    bool cut_ = false;  // and not synced since
};

void sync_path(int directory, const char* name, const std::string& path) {
    const descriptor opened{::openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (opened.get() < 0) fail("open " + path);
    if (::fsync(opened.get()) != 0) fail("sync " + path);
}

// A new directory survives a power cut only once its parent is synced.
void sync_parent(const std::string& path) {
    const std::string parent = std::filesystem::absolute(path).lexically_normal().parent_path();
    sync_path(AT_FDCWD, parent.c_str(), parent);
}

// One that is empty may be new as well: whoever made it, or an opening that died, synced nothing.
void make_directory_durable(const std::string& path) {
    if (::mkdir(path.c_str(), directory_mode) == 0) {
        try {
            sync_parent(path);
        } catch (...) {
            ::rmdir(path.c_str());
            throw;
        }
        return;
    }
    if (errno != EEXIST) fail("make directory " + path);
    std::error_code unreadable;
    if (!std::filesystem::is_empty(path, unreadable) || unreadable) return;
    try {
        sync_parent(path);
    } catch (const std::system_error& failure) {
        // What was made elsewhere, in a parent that is not ours to read or write or cannot be synced (a
        // volume under a read-only root, say), is for whoever made it to keep.
        for (const auto not_ours :
             {std::errc::permission_denied, std::errc::read_only_file_system, std::errc::invalid_argument})
            if (failure.code() == not_ours) return;
        throw;
    }
}

int open_directory(const std::string& path, posix_storage::purpose why) {
    if (why == posix_storage::purpose::own) make_directory_durable(path);
    const int opened = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) fail("open directory " + path);
    return opened;
}

std::string without_trailing_slash(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

int pid_in(int lock) {
    char text[32]{};
    const ssize_t got = ::pread(lock, text, sizeof text - 1, 0);
    return got > 0 ? std::atoi(text) : 0;
}

// The lock of an open file description: it ends with the process, and is not lost when the process opens
// and closes the file elsewhere, as the older kind is.
struct flock whole_file(short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return lock;
}

}  // namespace

descriptor::~descriptor() {
    if (number_ >= 0) ::close(number_);
}

posix_storage::posix_storage(std::string directory, purpose why)
    : path_(without_trailing_slash(std::move(directory))), directory_(open_directory(path_, why)) {
    if (why == purpose::own) lock();
}

void posix_storage::lock() {
    const int opened =
        ::openat(directory_.get(), lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, file_mode);
    if (opened < 0) fail("open " + describe(lock_name));
    lock_ = std::make_unique<descriptor>(opened);
    struct flock exclusive = whole_file(F_WRLCK);
    if (::fcntl(opened, F_OFD_SETLK, &exclusive) != 0) {
        if (errno == EAGAIN || errno == EACCES) throw directory_in_use(path_, pid_in(opened));
        fail("lock " + describe(lock_name));
    }
    // In place, so that a full disk has room for it. It only tells who holds the lock.
    std::string text = std::to_string(::getpid());
    text.resize(lock_bytes - 1, ' ');
    text += '\n';
    if (::pwrite(opened, text.data(), text.size(), 0) < 0 && errno != ENOSPC && errno != EDQUOT)
        fail("write " + describe(lock_name));
}

std::unique_ptr<file> posix_storage::open(const std::string& name, open_mode mode) {
    int flags = O_CLOEXEC | O_NOFOLLOW;
    flags |= mode == open_mode::read ? O_RDONLY : O_RDWR;
    if (mode == open_mode::create_new) flags |= O_CREAT | O_EXCL;
    const int opened =
        static_cast<int>(retried([&] { return ::openat(directory_.get(), name.c_str(), flags, file_mode); }));
    if (opened < 0) fail("open " + describe(name));
    // Who writes over what was written and synced before changes nothing but the data.
    const bool grows = mode == open_mode::create_new;
    return std::make_unique<posix_file>(descriptor{opened}, describe(name), grows ? asked() : -1);
}

std::vector<std::string> posix_storage::list(const std::string& sub_directory) const {
    // A fresh description, so that the listing starts at the beginning.
    const std::string where = sub_directory.empty() ? "." : sub_directory;
    const int opened =
        ::openat(directory_.get(), where.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (opened < 0 && errno == ENOENT && !sub_directory.empty()) return {};
    if (opened < 0) fail("list " + describe(sub_directory));
    DIR* const stream = ::fdopendir(opened);
    if (stream == nullptr) {
        ::close(opened);
        fail("list " + path_);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(name);
    }
    const int error = errno;
    ::closedir(stream);
    if (error != 0) fail("list " + path_, error);
    return names;
}

void posix_storage::rename(const std::string& from, const std::string& to) {
    if (::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) != 0)
        fail("rename " + describe(from) + " to " + to);
}

void posix_storage::remove(const std::string& name) {
    if (::unlinkat(directory_.get(), name.c_str(), 0) != 0) fail("remove " + describe(name));
}

void posix_storage::make_directory(const std::string& name) {
    if (::mkdirat(directory_.get(), name.c_str(), directory_mode) != 0 && errno != EEXIST)
        fail("make directory " + describe(name));
    sub_directories_.insert(name);
}

void posix_storage::sync_directory() {
    for (const std::string& name : sub_directories_)
        sync_path(directory_.get(), name.c_str(), describe(name));
    if (::fsync(directory_.get()) != 0) fail("sync " + path_);
    if (asked() >= 0) ask_for_change(asked(), path_);
}

int posix_storage::asked() const {
    return lock_ ? lock_->get() : -1;
}

std::uint64_t posix_storage::bytes_free() const {
    struct statvfs status {};
    if (::fstatvfs(directory_.get(), &status) != 0) fail("stat " + path_);
    return std::uint64_t{status.f_bavail} * status.f_frsize;
}

std::string posix_storage::describe(const std::string& name) const {
    return name.empty() ? path_ : path_ + "/" + name;
}

std::optional<int> directory_holder(const std::string& directory) {
    const std::string path = directory + "/" + lock_name;
    // Asking about a lock needs no right to take it: whoever may only read the directory may ask.
    const descriptor opened{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (opened.get() < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
        fail("open " + path);
    }
    struct flock asked = whole_file(F_WRLCK);
    if (::fcntl(opened.get(), F_OFD_GETLK, &asked) != 0) fail("lock " + path);
    if (asked.l_type == F_UNLCK) return std::nullopt;
    return pid_in(opened.get());
}

}  // namespace ferry::log
