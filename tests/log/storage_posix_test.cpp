#include "core/log/storage_posix.hpp"

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "core/log/error.hpp"
#include "tests/support/log_session.hpp"

using namespace ferry;
using log::open_mode;
using log::posix_storage;

namespace {

/// A directory of its own, gone at the end.
class scratch_directory {
  public:
    scratch_directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "ferry-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~scratch_directory() { std::filesystem::remove_all(path_); }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    std::string operator/(const char* name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

unsigned mode_of(const std::string& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777U;
}

// From now on the kernel refuses this thread two system calls; false when it will not.
bool refuse(unsigned one, unsigned other, unsigned error = EIO) {
    std::array<sock_filter, 5> rules{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog program{.len = rules.size(), .filter = rules.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Runs the steps on a thread of their own to which the kernel refuses these calls. False, and said, when it
// will not.
template <typename Steps>
bool refused(unsigned one, unsigned other, unsigned error, Steps steps) {
    bool filtered = false;
    std::thread{[&] {
        filtered = refuse(one, other, error);
        if (filtered) steps();
    }}.join();
    if (!filtered) MESSAGE("SKIPPED: calls that fail, because system calls cannot be filtered here");
    return filtered;
}

template <typename Step>
bool fails(Step step, std::errc with = std::errc::io_error) {
    try {
        step();
        return false;
    } catch (const std::system_error& failure) {
        return failure.code() == with;
    }
}

}  // namespace

TEST_CASE(
    "storage: a sync is asked of the kernel, of file, directory and parent, and its refusal is a failure") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    const auto file = disk.open("a", open_mode::create_new);
    file->write(0, "x");
    bool refused = false;
    bool of_file = false;
    bool of_directory = false;
    bool of_parent = false;
    std::thread{[&] {
        refused = refuse(SYS_fdatasync, SYS_fsync);
        if (!refused) return;
        of_file = fails([&] { file->sync(); });
        of_directory = fails([&] { disk.sync_directory(); });
        of_parent = fails([&] { posix_storage{scratch / "another"}; });
    }}.join();
    if (!refused) {
        MESSAGE("SKIPPED: syncs that fail, because system calls cannot be filtered here");
        return;
    }
    CHECK(of_file);
    CHECK(of_directory);
    CHECK(of_parent);
}

// As an ext4 is for some milliseconds after its journal was aborted.
TEST_CASE("storage: a sync that returns 0 where the file system takes no change any more is a failure") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    const auto fresh = disk.open("a", open_mode::create_new);
    fresh->write(0, "x");
    fresh->sync();
    const auto written_before = disk.open("a", open_mode::write);
    bool refused = false;
    bool of_fresh = false;
    bool of_written_over = true;
    bool of_directory = false;
    bool of_written_before = true;
    std::thread{[&] {
        refused = refuse(SYS_fallocate, SYS_fallocate, EROFS);
        if (!refused) return;
        fresh->write(0, "y");
        of_written_over = fails([&] { fresh->sync(); }, std::errc::read_only_file_system);
        fresh->write(1, "z");
        of_fresh = fails([&] { fresh->sync(); }, std::errc::read_only_file_system);
        of_directory = fails([&] { disk.sync_directory(); }, std::errc::read_only_file_system);
        of_written_before = fails([&] { written_before->sync(); }, std::errc::read_only_file_system);
    }}.join();
    if (!refused) {
        MESSAGE("SKIPPED: changes that fail, because system calls cannot be filtered here");
        return;
    }
    CHECK(of_fresh);
    CHECK(of_directory);
    // These need none: only data is written over.
    CHECK_FALSE(of_written_before);
    CHECK_FALSE(of_written_over);
}

TEST_CASE("storage: a full disk, or one that cannot be asked for a change, is no failed sync") {
    for (const int error : {ENOSPC, EDQUOT, EOPNOTSUPP, ENOSYS}) {
        const scratch_directory scratch;
        posix_storage disk{scratch / "spool"};
        const auto fresh = disk.open("a", open_mode::create_new);
        bool refused = false;
        std::thread{[&] {
            refused = refuse(SYS_fallocate, SYS_fallocate, static_cast<unsigned>(error));
            if (!refused) return;
            fresh->sync();
            disk.sync_directory();
        }}.join();
        if (!refused) MESSAGE("SKIPPED: changes that fail, because system calls cannot be filtered here");
    }
}

TEST_CASE("storage: the directory is made 0700 and its files 0600") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    disk.open("a", open_mode::create_new)->write(0, "x");
    CHECK(mode_of(scratch / "spool") == 0700);
    CHECK(mode_of(scratch / "spool/a") == 0600);
    CHECK(mode_of(scratch / "spool/LOCK") == 0600);
}

TEST_CASE("storage: what is written is read, and a read past the end is short") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    const auto file = disk.open("a", open_mode::create_new);
    file->allocate(4096);
    CHECK(file->size() == 4096);
    file->write(4090, "beyond the end");
    file->sync();
    std::string bytes(100, '\0');
    CHECK(file->read(4090, bytes) == 14);
    CHECK(bytes.substr(0, 14) == "beyond the end");
    CHECK(file->read(9999, bytes) == 0);
    file->truncate(10);
    CHECK(disk.open("a", open_mode::read)->size() == 10);
}

TEST_CASE("storage: many pieces are written one behind the other, empty ones too") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    const auto file = disk.open("a", open_mode::create_new);
    std::string whole;
    std::vector<std::string> parts;
    for (int i = 0; i < 300; ++i)
        parts.push_back(std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26)));
    for (const std::string& part : parts) whole += part;
    const std::vector<std::string_view> pieces{parts.begin(), parts.end()};
    file->write(100, pieces);
    std::string back(whole.size() + 10, '\0');
    CHECK(file->read(100, back) == whole.size());
    CHECK(back.substr(0, whole.size()) == whole);
}

TEST_CASE("storage: to write nothing is to do nothing") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    const auto file = disk.open("a", open_mode::create_new);
    file->write(0, "");
    CHECK(file->size() == 0);
    file->write(7, std::array<std::string_view, 2>{"", ""});
    CHECK(file->size() == 0);
}

TEST_CASE("storage: a quota that is used up is no room") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    const auto file = disk.open("a", open_mode::create_new);
    refused(SYS_pwritev, SYS_fallocate, EDQUOT, [&] {
        CHECK(fails([&] { file->write(0, "x"); }, std::errc::no_space_on_device));
        CHECK(fails([&] { file->allocate(4096); }, std::errc::no_space_on_device));
    });
}

TEST_CASE("storage: a full disk does not keep from opening a directory that is there") {
    const scratch_directory scratch;
    { posix_storage disk{scratch / "spool"}; }
    refused(SYS_pwrite64, SYS_pwritev, ENOSPC, [&] { CHECK_NOTHROW(posix_storage{scratch / "spool"}); });
}

TEST_CASE("storage: an empty directory that was there is not believed to be on disk") {
    const scratch_directory scratch;
    const auto open = [&] { posix_storage{scratch / "spool"}; };
    std::filesystem::create_directory(scratch / "spool");
    refused(SYS_fsync, SYS_fsync, EIO, [&] { CHECK(fails(open)); });
    // Under a parent that nobody can have changed just now there is nothing to sync.
    refused(SYS_fsync, SYS_fsync, EROFS, [&] { CHECK_NOTHROW(open()); });
    // Whose making could not be synced is not there for the next one to believe.
    std::filesystem::remove_all(scratch / "spool");
    if (refused(SYS_fsync, SYS_fsync, EIO, [&] { CHECK(fails(open)); }))
        CHECK_FALSE(std::filesystem::exists(scratch / "spool"));
}

TEST_CASE("storage: names are listed, renamed and removed, also in a sub-directory") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    disk.make_directory("quarantine");
    disk.make_directory("quarantine");
    disk.open("quarantine/b", open_mode::create_new);
    disk.open("a", open_mode::create_new);
    disk.rename("a", "c");
    disk.sync_directory();
    auto names = disk.list();
    std::ranges::sort(names);
    CHECK(names == std::vector<std::string>{"LOCK", "c", "quarantine"});
    disk.remove("c");
    CHECK_THROWS_AS(disk.open("c", open_mode::read), std::system_error);
    CHECK_THROWS_AS(disk.open("LOCK", open_mode::create_new), std::system_error);
    CHECK(disk.bytes_free() > 0);
}

TEST_CASE("storage: a failure names the file") {
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    CHECK_THROWS_WITH_AS(disk.open("nothing", open_mode::read), doctest::Contains("spool/nothing"),
                         std::system_error);
    CHECK_THROWS_WITH_AS(posix_storage{scratch / "no/such"}, doctest::Contains("no/such"), std::system_error);
}

TEST_CASE("storage: a second opener is told who holds the directory, and the lock goes with its holder") {
    const scratch_directory scratch;
    const std::string path = scratch / "spool";
    CHECK_FALSE(log::directory_holder(path));
    {
        const posix_storage first{path};
        CHECK(log::directory_holder(path) == ::getpid());
        try {
            const posix_storage second{path};
            FAIL("two owners");
        } catch (const log::directory_in_use& refused) {
            CHECK(refused.pid == ::getpid());
            CHECK(std::string{refused.what()}.find(path) != std::string::npos);
        }
        const posix_storage looker{path, posix_storage::purpose::look};
        CHECK(log::directory_holder(path) == ::getpid());
    }
    CHECK_FALSE(log::directory_holder(path));
    const posix_storage again{path};
}

TEST_CASE("storage: looking makes nothing") {
    const scratch_directory scratch;
    CHECK_THROWS_AS((posix_storage{scratch / "spool", posix_storage::purpose::look}), std::system_error);
    CHECK_FALSE(std::filesystem::exists(scratch / "spool"));
}

TEST_CASE("storage: the log behaves on a real directory as it does on the fault disk") {
    const scratch_directory scratch;
    for (int round = 0; round < 3; ++round) {
        posix_storage disk{scratch / "spool"};
        test::log_session log{disk};
        CHECK(log->opened().damages.empty());
        const auto before = log.texts().size();
        CHECK(before == static_cast<std::size_t>(round) * 80);
        log.expect_next(before);
        log.fill(80);
        while (log->prepare_spare(8000)) {}
        log->sync();
        if (round == 1) log->save_snapshot("state");
        const auto found = log.texts();
        REQUIRE(found.size() == before + 80);
        for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == test::log_session::numbered(i));
        CHECK(log->space_now().used > 0);
    }
}

TEST_CASE("storage: whole records above the watermark are written again, whatever their sizes come to") {
    constexpr std::size_t mib = 1 << 20;
    for (const std::size_t bytes : {mib - 48, mib, mib + mib / 2}) {
        CAPTURE(bytes);
        const scratch_directory scratch;
        {
            posix_storage disk{scratch / "spool"};
            test::log_session log{disk, 16 * mib};
            log.keep("kept");
            log.put(test::log_session::numbered(1, bytes));
        }
        posix_storage disk{scratch / "spool"};
        test::log_session log{disk, 16 * mib};
        CHECK(log->opened().records_rewritten == 1);
        REQUIRE(log.replayed.size() == 2);
        CHECK(log.replayed[1].size() == bytes);
    }
}

TEST_CASE("log: threads read while the writer appends, and each sees a growing, correct beginning") {
    // On a real directory, because the fault disk's own lock would hide a missing one.
    const scratch_directory scratch;
    posix_storage disk{scratch / "spool"};
    test::log_session log{disk};
    constexpr std::uint64_t messages = 2000;
    std::atomic<std::uint64_t> wrong{0};
    const auto follow = [&] {
        std::uint64_t offset = 0;
        while (offset < messages) {
            const log::read_result part = log->read(1, offset, 2000);
            wrong += part.damages.size();
            for (const log::stored_record& r : part.records) {
                if (r.payload != test::log_session::numbered(offset, 100)) ++wrong;
                ++offset;
            }
        }
    };
    std::thread first{follow};
    std::thread second{follow};
    for (std::uint64_t i = 0; i < messages; ++i) {
        log.put(test::log_session::numbered(i, 100));
        if (i % 100 == 0) log->sync();
        if (i % 700 == 0) log->save_snapshot("s");
        if (i % 50 == 0) log->prepare_spare(4096);
    }
    first.join();
    second.join();
    CHECK(wrong == 0);
}
