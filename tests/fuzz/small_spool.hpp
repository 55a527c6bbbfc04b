// A spool in memory: brain and log on a disk without faults, one step at a time. For targets that say
// something to a whole spool, and for seeds.cpp, which records what real clients say to one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/log/log.hpp"
#include "devices/spool/brain.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/fault_disk.hpp"

namespace ferry::fuzz {

class small_spool {
  public:
    static constexpr std::uint64_t segment_bytes = 64 << 10;
    static constexpr std::uint64_t second_ns = 1'000'000'000;

    small_spool() {
        log_ = std::make_unique<log::segmented_log>(
            disk_, log::log_options{.segment_bytes = segment_bytes, .random = 3},
            [](const log::stored_record&) {});
        brain_options of;
        of.spool_id = 5;
        of.record_bytes_max = log_->record_bytes_max();
        of.segment_bytes = segment_bytes;
        of.message_bytes_max = 12 << 10;
        of.pool_bytes = 1 << 20;
        brain_ = std::make_unique<brain>(of, spool_state{}, now_);
    }

    void say(std::uint64_t session, std::string_view head, std::optional<std::string> body) {
        std::optional<shared_bytes> bytes;
        if (body) bytes = shared_bytes::of(std::move(*body));
        brain_->frame(session, "somebody", head, std::move(bytes), now_);
    }
    void detach(std::uint64_t session) { brain_->detached(session, now_); }
    void pass(std::uint64_t ns) {
        now_.monotonic_ns += ns;
        now_.wall_ns += ns;
        brain_->tick(now_);
    }

    /// What there is to do is done; gives what is sent.
    std::vector<send_action> turn() {
        std::vector<send_action> sends;
        for (int step = 0; step < 3; ++step) {
            actions out = brain_->take_actions(now_);
            for (append_action& each : out.appends) append(each);
            for (const release_action& each : out.releases) log_->release(each.stream, each.offset);
            for (const move_action& each : out.moves) move(each);
            if (out.look) brain_->held(log_->held(), now_);
            for (const read_action& each : out.reads)
                brain_->read_done(each.cookie, log_->read(each.stream, each.offset, each.bytes_max), now_);
            for (send_action& each : out.sends) sends.push_back(std::move(each));
        }
        return sends;
    }

    /// What the brain holds can be saved and loaded, and what it wrote can be replayed.
    void check() {
        const std::string saved = brain_->state().save(std::nullopt, now_);
        spool_state loaded;
        expect(loaded.load(saved, now_), "a spool's state can be loaded");
        expect(loaded.save(std::nullopt, now_) == saved, "a spool's state comes back");
        log_.reset();
        disk_.kill();
        spool_state replayed;
        const log::segmented_log again{disk_,
                                       {.segment_bytes = segment_bytes, .random = 4},
                                       [&](const log::stored_record& each) {
                                           expect(replayed.apply(each.header, each.payload, now_),
                                                  "a record the spool wrote can be replayed");
                                       },
                                       [&](std::string_view from) {
                                           expect(replayed.load(from, now_),
                                                  "a snapshot the spool wrote can be loaded");
                                       }};
        expect(again.opened().damages.empty(), "a log is whole");
    }

    const spool_state& state() const { return brain_->state(); }
    const test::fault_disk& disk() const { return disk_; }
    void want_snapshot() { brain_->want_snapshot(); }
    instant now() const { return now_; }

  private:
    void append(const append_action& what) {
        const std::vector<log::record> records = as_records(what.records);
        std::vector<log::position> positions(records.size());
        if (!records.empty()) log_->append(records, positions);
        if (what.snapshot && !log_->save_snapshot(*what.snapshot)) brain_->snapshot_refused(now_);
        log_->sync();
        brain_->appended(what.ticket, now_);
        brain_->durable(what.ticket, now_);
        brain_->space(log_->space_now().left);
    }
    void move(const move_action& step) {
        if (step.what == move_action::step::abandon) return log_->abandon_move();
        if (step.what == move_action::step::copy)
            log_->move(as_records(step.records), step.sources);
        else
            log_->adopt(step.sources);
        brain_->moved("", now_);
    }

    instant now_{100 * second_ns, 1'700'000'000 * second_ns};
    test::fault_disk disk_{7};
    std::unique_ptr<log::segmented_log> log_;
    std::unique_ptr<brain> brain_;
};

}  // namespace ferry::fuzz
