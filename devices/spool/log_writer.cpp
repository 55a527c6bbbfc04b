#include "devices/spool/log_writer.hpp"

#include <pthread.h>

#include <csignal>
#include <utility>

#include "core/thread_name.hpp"

namespace ferry {
namespace {

constexpr std::size_t inline_bytes_max = 64 << 10;
constexpr std::size_t spare_step_bytes = 1 << 20;

std::size_t bytes_of(const append_action& turn) {
    std::size_t bytes = turn.snapshot ? inline_bytes_max + 1 : 0;
    for (const outgoing_record& each : turn.records) bytes += each.head.size() + each.body.view.size();
    return bytes;
}

}  // namespace

log_writer::log_writer(log::segmented_log& log, event_fd& done)
    : log_{log}, done_{done}, thread_{[this] { run(); }} {
    name_thread(thread_, "ferry log");
}

log_writer::~log_writer() {
    finish();
}

void log_writer::finish() {
    {
        const std::lock_guard lock{mutex_};
        ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

bool log_writer::submit(append_action turn, bool may_block) {
    if (may_block && bytes_of(turn) <= inline_bytes_max) {
        std::unique_lock writing{writing_, std::try_to_lock};
        if (writing.owns_lock()) {
            std::unique_lock lock{mutex_};
            if (waiting_.empty() && !busy_) {
                lock.unlock();
                work one;
                one.turns.push_back(std::move(turn));
                carry_out(std::move(one), nullptr);
                if (!log_.short_of_blocks()) return true;
                lock.lock();
                preparing_wanted_ = true;
                changed_.notify_one();
                return true;
            }
        }
    }
    const std::lock_guard lock{mutex_};
    waiting_.turns.push_back(std::move(turn));
    changed_.notify_one();
    return false;
}

void log_writer::release(std::uint32_t stream, std::uint64_t offset) {
    const std::lock_guard lock{mutex_};
    waiting_.releases.push_back({stream, offset});
    changed_.notify_one();
}

void log_writer::move(move_action step) {
    const std::lock_guard lock{mutex_};
    waiting_.moves.push_back(std::move(step));
    changed_.notify_one();
}

log_writer::report log_writer::take_report() {
    const std::lock_guard lock{mutex_};
    return std::exchange(report_, {});
}

log_writer::counters log_writer::counted() const {
    const std::lock_guard lock{mutex_};
    return counters_;
}

void log_writer::append(const append_action& turn, report& into) {
    const std::vector<log::record> records = as_records(turn.records);
    std::vector<log::position> positions(records.size());
    if (!records.empty()) {
        const log::position before = log_.end();
        log_.append(records, positions);
        const std::lock_guard lock{mutex_};
        counters_.bytes_written += log_.end() - before;
    }
    if (turn.snapshot && !log_.save_snapshot(*turn.snapshot)) into.snapshot_refused = true;
}

// A copy that fails leaves the log as it was; an adoption that fails when it is written does not.
void log_writer::carry_out(const move_action& step) {
    report now;
    try {
        switch (step.what) {
            case move_action::step::copy:
                log_.move(as_records(step.records), step.sources);
                break;
            case move_action::step::adopt:
                log_.adopt(step.sources);
                break;
            case move_action::step::abandon:
                return log_.abandon_move();
        }
        now.moved.emplace();
    } catch (const std::exception& failure) {
        now.moved = failure.what();
        if (log_.broken()) now.failure = failure.what();
    }
    tell(now, &done_);
}

void log_writer::tell(const report& now, event_fd* told) {
    const std::lock_guard lock{mutex_};
    if (now.appended) report_.appended = now.appended;
    if (now.durable) report_.durable = now.durable;
    if (now.bytes_left) report_.bytes_left = now.bytes_left;
    if (now.moved) report_.moved = now.moved;
    if (now.snapshot_refused) report_.snapshot_refused = true;
    if (!now.failure.empty()) {
        report_.failure = now.failure;
        failed_ = true;
    }
    if (told != nullptr) told->set();
}

// One pass: write everything, say so, sync once if anybody waits, say so.
void log_writer::carry_out(work&& what, event_fd* told) {
    report now;
    try {
        {
            const std::lock_guard lock{mutex_};
            if (failed_) return;
        }
        bool sync = false;
        for (const append_action& turn : what.turns) {
            append(turn, now);
            now.appended = turn.ticket;
            sync = sync || turn.sync;
        }
        for (const release_action& each : what.releases) log_.release(each.stream, each.offset);
        if (sync) {
            {
                const std::lock_guard lock{mutex_};
                report_.appended = now.appended;
            }
            if (told != nullptr) told->set();
            log_.sync();
            {
                const std::lock_guard lock{mutex_};
                ++counters_.syncs;
            }
            now.durable = now.appended;
        }
        now.bytes_left = log_.space_now().left;
    } catch (const std::exception& failure) {
        now.failure = failure.what();
        now.durable.reset();
    }
    const bool good = now.failure.empty();
    tell(now, told);
    for (const move_action& step : what.moves)
        if (good) carry_out(step);
}

void log_writer::run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    while (true) {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return !waiting_.empty() || ending_ || preparing_wanted_; });
        if (waiting_.empty() && ending_) return;
        work taken = std::exchange(waiting_, {});
        busy_ = !taken.empty();
        const bool failed = failed_;
        lock.unlock();

        const std::lock_guard writing{writing_};
        bool more = !failed;
        if (!taken.empty())
            carry_out(std::move(taken), &done_);
        else if (!failed)
            more = prepare();
        lock.lock();
        preparing_wanted_ = more;
        busy_ = false;
    }
}

// One step of making ready what will be written; true when more remains to do.
bool log_writer::prepare() try {
    return log_.write_ahead() || log_.prepare_spare(spare_step_bytes);
} catch (const std::exception& failure) {
    report now;
    now.failure = failure.what();
    tell(now, &done_);
    return false;
}

}  // namespace ferry
