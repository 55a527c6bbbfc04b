// The log's writer by itself: what it says was done, was done.
#include "devices/spool/log_writer.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "tests/support/fault_disk.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using test::fault;
using test::fault_disk;

namespace {

// Where syncs wait while it is closed.
class gate {
  public:
    void close() { set(true); }
    void open() { set(false); }
    void pass() {
        std::unique_lock lock{mutex_};
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !closed_; });
        --waiting_;
    }
    bool wait_for_somebody() {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, 10s, [this] { return waiting_ > 0; });
    }

  private:
    void set(bool closed) {
        const std::lock_guard lock{mutex_};
        closed_ = closed;
        changed_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    bool closed_ = false;
    int waiting_ = 0;
};

class gated_file final : public log::file {
  public:
    gated_file(std::unique_ptr<log::file> behind, gate& at) : behind_{std::move(behind)}, gate_{at} {}
    std::size_t read(std::uint64_t offset, std::span<char> into) const override {
        return behind_->read(offset, into);
    }
    void write(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        behind_->write(offset, pieces);
    }
    void sync() override {
        gate_.pass();
        behind_->sync();
    }
    void truncate(std::uint64_t size) override { behind_->truncate(size); }
    void allocate(std::uint64_t size) override { behind_->allocate(size); }
    std::uint64_t size() const override { return behind_->size(); }

  private:
    std::unique_ptr<log::file> behind_;
    gate& gate_;
};

class gated_disk final : public log::storage {
  public:
    explicit gated_disk(gate& at) : gate_{at} {}
    std::unique_ptr<log::file> open(const std::string& name, log::open_mode mode) override {
        return std::make_unique<gated_file>(behind_.open(name, mode), gate_);
    }
    std::vector<std::string> list(const std::string& folder) const override { return behind_.list(folder); }
    void rename(const std::string& from, const std::string& to) override { behind_.rename(from, to); }
    void remove(const std::string& name) override { behind_.remove(name); }
    void make_directory(const std::string& name) override { behind_.make_directory(name); }
    void sync_directory() override { behind_.sync_directory(); }
    std::uint64_t bytes_free() const override { return behind_.bytes_free(); }
    std::string describe(const std::string& name) const override { return behind_.describe(name); }

  private:
    fault_disk behind_;
    gate& gate_;
};

// A log without spares whose blocks are filled, so that its writer calls the disk only for what it is told.
struct written_log {
    explicit written_log(log::storage& disk)
        : log{disk, {.segment_bytes = 1 << 20, .random = 5, .spares_max = 0}, [](const auto&) {}},
          writer{filled(log), done} {}

    static log::segmented_log& filled(log::segmented_log& made) {
        while (made.write_ahead()) {}
        return made;
    }

    void submit(std::uint64_t ticket, bool sync) {
        append_action turn{.ticket = ticket, .records = {}, .snapshot = {}, .sync = sync};
        turn.records.push_back({.type = log::record_type::messages,
                                .stream = 1,
                                .first_offset = ticket,
                                .count = 1,
                                .head = "x"});
        writer.submit(std::move(turn), false);
    }
    /// Until a report fails or says that all up to `ticket` is durable, or the time is over.
    void wait_for(std::uint64_t ticket, std::chrono::seconds within) {
        const auto end = std::chrono::steady_clock::now() + within;
        while (failure.empty() && durable < ticket && std::chrono::steady_clock::now() < end) {
            pollfd watched{done.fd(), POLLIN, 0};
            ::poll(&watched, 1, 100);
            done.clear();
            take();
        }
    }
    void take() {
        const log_writer::report now = writer.take_report();
        appended = now.appended.value_or(appended);
        durable = now.durable.value_or(durable);
        if (!now.failure.empty()) failure = now.failure;
    }

    log::segmented_log log;
    event_fd done;
    log_writer writer;
    std::uint64_t appended = 0;
    std::uint64_t durable = 0;
    std::string failure;
};

}  // namespace

TEST_CASE("log writer: a sync that fails is a failure, nothing of it counts as durable, nor anything after") {
    fault_disk disk;
    written_log at{disk};
    at.submit(1, true);
    at.wait_for(1, 10s);
    REQUIRE(at.durable == 1);
    disk.fail_call(2, fault::io_error);  // the write is the first
    at.submit(2, true);
    at.wait_for(2, 10s);
    CHECK_FALSE(at.failure.empty());
    const std::uint64_t calls = disk.calls();
    at.submit(3, true);
    at.writer.finish();
    at.take();
    CHECK(at.appended == 2);
    CHECK(at.durable == 1);
    CHECK(disk.calls() == calls);
}

TEST_CASE("log writer: a failure while nobody writes is told at once, not to whoever writes next") {
    fault_disk disk;
    log::segmented_log log{disk, {.segment_bytes = 1 << 20, .random = 5}, [](const auto&) {}};
    disk.fail_call(2, fault::io_error);  // of making a spare, or of writing ahead
    event_fd done;
    log_writer writer{log, done};
    writer.submit({.ticket = 1, .records = {}, .snapshot = {}, .sync = false}, true);
    std::string failure;
    for (int looks = 0; failure.empty() && looks < 100; ++looks) {
        pollfd watched{done.fd(), POLLIN, 0};
        ::poll(&watched, 1, 100);
        done.clear();
        failure = writer.take_report().failure;
    }
    CHECK_FALSE(failure.empty());
    CHECK(log.broken());
}

TEST_CASE("log writer: of turns that are written together one that wants a sync gets it") {
    gate sluggish;
    gated_disk disk{sluggish};
    written_log at{disk};
    sluggish.close();
    at.submit(1, true);
    const bool syncing = sluggish.wait_for_somebody();
    at.submit(2, true);
    at.submit(3, false);
    sluggish.open();
    REQUIRE(syncing);
    at.wait_for(3, 5s);
    CHECK(at.durable == 3);
}
