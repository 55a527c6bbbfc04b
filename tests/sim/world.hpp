// A whole spool in a test: brain, log and disk, clients and the network between them, driven by a seed.
//
// Nothing in it waits, and no clock is read: a step is picked at random, does one thing (a message is put, a
// frame arrives, a write or a sync ends, time passes, the power goes) and the model checks what became
// visible. The same seed gives the same history, always.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/consumer_session.hpp"
#include "core/log/log.hpp"
#include "core/producer_session.hpp"
#include "devices/spool/brain.hpp"
#include "tests/support/fault_disk.hpp"

namespace ferry::test {

/// What the history has shown so far, and what must therefore stay true.
class model {
  public:
    explicit model(std::uint64_t seed) : seed_{seed} {}

    void put(const std::string& text) { put_.emplace(text, put_.size()); }
    /// Groups are ordered by key, but for messages that were delayed.
    void keyed(const std::string& text, std::uint64_t key) { keys_.emplace(text, key); }
    /// The spool gives this message to a consumer.
    void given_in_order(const std::string& group, const std::string& text, std::uint64_t offset);
    /// These are out at the same time.
    void out_together(const std::string& group, const std::vector<std::uint64_t>& offsets) const;
    /// The group does not want it.
    void unwanted(const std::string& group, const std::string& text) { unwanted_[group].insert(text); }
    /// The group is known to exist: it must see everything that is put from now on.
    void joined(const std::string& group) { exists_from_.emplace(group, put_.size()); }
    void confirmed(const std::string& text, std::uint64_t offset, instant now);
    void shown(const std::string& group, const std::string& text, std::uint64_t offset,
               std::uint64_t attempt);
    void ack_answered(const std::string& group, std::uint64_t offset);

    /// A consumer gave it up. Once the spool has answered that it is a dead letter nobody may see it any
    /// more, until it is redriven; from then on an answer may be one of before, and says nothing.
    void given_up(const std::string& group, std::uint64_t offset) {
        redrives_when_given_up_[group].emplace(offset, redrives_[group][offset]);
    }
    void dead_answered(const std::string& group, std::uint64_t offset);
    std::uint64_t given_up_count() const { return given_up_total_; }

    /// A redrive was asked for: each of these may come once more as for the first time.
    void redrive_asked(const std::string& group, const std::vector<protocol::run>& dead);
    /// A drop was asked for: from now on none of these may be given out, unless a crash comes first.
    void drop_asked(const std::string& group, const std::vector<protocol::run>& dead);
    void drop_lost(const std::string& group, const std::vector<protocol::run>& dead);
    /// A seek or a purge was asked for: of what lies below `end` the group may see anything, or nothing.
    void loosened(const std::string& group, std::uint64_t end);
    /// A purge was answered: nothing below `end` may be given out any more.
    void purged(std::uint64_t end) { purged_ = std::max(purged_, end); }
    /// The stream had no room for it: nobody may ever see it.
    void refused(const std::string& text);
    /// A commit was answered: what it stored must have been seen when the history has come to rest.
    void must_be_seen(const std::string& text) { owed_.insert(text); }
    /// Somebody acks it, commits it or gives it up ...
    void settling(const std::string& group, std::uint64_t offset) { ++settlings_[group][offset]; }
    /// ... and is told that it came too late. It was somebody else then, who is not told so.
    void settled_too_late(const std::string& group, std::uint64_t offset) { --settlings_[group][offset]; }
    /// A pause was answered, or a resume asked for.
    void paused(const std::string& group, bool is) { paused_[group] = is; }
    /// The spool gives this to a consumer.
    void given(const std::string& group, const protocol::delivered_run& what, instant now) const;

    /// It lives for so long from when it is stored, and may not be given out after that.
    void mortal(const std::string& text, std::uint64_t ttl_ns) { ttls_.emplace(text, ttl_ns); }
    /// From now on the spool may let messages go to make room.
    void may_drop() { may_drop_ = true; }
    std::uint64_t never_seen() const { return never_seen_; }

    /// At the end of a history that came to rest: everything is settled, so a group saw all that was
    /// confirmed since it exists.
    void finished();

    std::uint64_t confirmed_count() const { return confirmed_.size(); }
    std::uint64_t shown_count() const { return shown_total_; }
    /// Dead letters that somebody wanted redriven or dropped.
    std::uint64_t moved_count() const { return moved_total_; }

  private:
    [[noreturn]] void broken(const std::string& what) const;
    bool may_be_gone(const std::string& group, std::uint64_t offset) const;
    void place(const std::string& text, std::uint64_t offset);

    std::uint64_t seed_;
    std::uint64_t shown_total_ = 0;
    std::uint64_t moved_total_ = 0;
    std::map<std::string, std::size_t> put_;          // text -> how many were put before it
    std::map<std::string, std::size_t> exists_from_;  // group -> how many were put before it
    std::map<std::string, std::uint64_t> confirmed_;  // text -> offset
    std::map<std::uint64_t, std::string> at_offset_;  // whatever was told of an offset, for good
    std::map<std::string, std::uint64_t> offset_of_;
    std::map<std::string, std::set<std::uint64_t>> shown_;          // group -> offsets seen by a consumer
    std::map<std::string, std::set<std::uint64_t>> acked_;          // group -> offsets whose ack was answered
    std::map<std::string, std::map<std::uint64_t, int>> redriven_;  // group -> how often that was asked for
    std::map<std::string, std::set<std::uint64_t>> perhaps_dropped_;
    std::map<std::string, std::set<std::uint64_t>> dropped_;
    std::map<std::string, std::uint64_t> loose_below_;
    std::map<std::string, bool> paused_;
    std::map<std::string, std::set<std::string>> unwanted_;
    std::map<std::string, std::uint64_t> keys_;                                 // text -> key
    std::map<std::uint64_t, std::uint64_t> key_at_;                             // offset -> key
    std::map<std::string, std::map<std::uint64_t, std::uint64_t>> last_given_;  // group -> key -> offset
    std::map<std::string, std::set<std::uint64_t>> ever_redriven_;
    std::map<std::string, std::map<std::uint64_t, int>> redrives_, redrives_when_given_up_;
    std::map<std::string, std::set<std::uint64_t>> dead_;  // group -> offsets that are dead for certain
    std::uint64_t given_up_total_ = 0;
    std::uint64_t purged_ = 0;
    std::set<std::string> refused_, owed_;
    std::map<std::string, std::map<std::uint64_t, int>> settlings_;
    std::map<std::string, std::uint64_t> ttls_;
    std::map<std::uint64_t, instant> gone_by_;  // offset -> when it has certainly expired
    bool may_drop_ = false;
    std::uint64_t never_seen_ = 0;  // that need not be: expired, dropped
};

struct world_options {
    std::uint64_t seed = 1;
    int steps = 400;
    protocol::grade grade = protocol::grade::synced;
    bool power_cuts = true;                  ///< else only the process dies
    bool disk_errors = false;                ///< writes and syncs fail at times; the spool is then restarted
    std::uint64_t segment_bytes = 16 << 10;  ///< of the log
    bool upheavals = false;                  ///< groups are sent elsewhere and paused, the stream is purged
    bool keys = false;                       ///< messages have keys, and the groups are ordered by them
    bool doubled_frames = false;             ///< some come twice, at once or a little later
    bool lost_frames = false;                ///< some do not arrive, and the session goes on
    /// Some overtake the one before them, but no greeting; and what was under way on a connection that broke
    /// is heard when the next one is open already.
    bool reordered_frames = false;
    bool filters = false;  ///< group g1 wants only what has a topic
    bool ids = false;      ///< messages have ids, and some are put again, by whomever
    /// The stream is told how many messages it may have; then it refuses, blocks or drops the oldest.
    bool limits = false;
    /// Consumers commit what they make of a message to a second stream, which has readers.
    bool commits = false;
    bool ttls = false;   ///< some messages live for seconds only; no clock jumps
    bool turns = false;  ///< of a group's consumers one at a time is active
    /// Delays within are kept by the millisecond; beyond, in buckets that are read from the log. Below an
    /// hour messages are put with delays of minutes, too.
    std::uint64_t near_ms = 3'600'000;
    /// The disk's changing call of this number, from the first on, fails in this way; a deadly failure ends
    /// the process there and then. 0 = none.
    std::uint64_t fail_at = 0;
    fault fail_kind = fault::io_error;
    bool fail_deadly = false;
    /// Planted bugs, each of which the model must notice.
    bool plant_confirm_before_sync = false;
    bool plant_drop_that_is_a_redrive = false;
    bool plant_forgotten_order = false;
    bool plant_forgotten_copy = false;
    bool plant_ack_of_another = false;
    bool plant_ids_of_no_use = false;
    bool plant_ttl_of_no_use = false;
    bool plant_all_at_once = false;
    /// Is told each step in a line: the same seed is the same story.
    std::function<void(const std::string&)> tell{};
};

class world {
  public:
    explicit world(const world_options& options);
    ~world();

    /// Runs the history to its end and lets it come to rest. Throws std::logic_error when a promise broke.
    void run();

    const model& seen() const { return model_; }
    /// Outputs of commits that were seen.
    std::uint64_t outputs_seen() const { return outputs_.shown_count(); }
    /// Puts that an id made one of, and those that a limit refused.
    std::uint64_t duplicates() const { return duplicates_; }
    std::uint64_t refusals() const { return refusals_; }
    std::uint64_t crashes() const { return crashes_; }
    /// Changing calls of the disk before and behind the random steps: between them lie those that `fail_at`
    /// may name.
    std::uint64_t first_call() const { return first_call_; }
    std::uint64_t last_call() const { return last_call_; }
    std::uint64_t openings_failed() const { return openings_failed_; }
    /// Messages that went into cold segments.
    std::uint64_t moved() const { return moved_ + brain_->counters().messages_moved; }

  private:
    struct producer;
    struct consumer;
    struct wire;

    void open_spool();
    void open_after_crash();
    void plan_failure();
    void die_if_due();
    consumer_session_options consumer_of(const std::string& group, std::uint64_t credit) const;
    void crash(bool stop_cleanly);
    void pass(std::uint64_t ns);
    void act();          // one random step
    void spool_turn();   // takes the brain's actions
    void writer_step();  // one append, sync or read completes
    void run_appends(const append_action& what);
    void run_move();
    void deliver_to_spool(wire& on);
    void deliver_to_client(wire& on);
    void tick_all();
    void producer_step(producer& who);
    void consumer_step(consumer& who);
    void check_fates(producer& who);
    put_place put_one(producer& who, std::string& text);
    put_place put_again(producer& who, std::string& text);
    void shown_to(consumer& who, const delivered_item& item);
    void commit(consumer& who, std::uint64_t lease, std::uint64_t offset, const std::string& text);
    void check_commits(consumer& who);
    bool limit_stream();
    void check_limit() const;
    void check_turn(const std::string& group_name, std::uint64_t given_to) const;
    void settle_down();
    void caretaker_step();
    void tell_spool(const std::string& command, header_map arguments, const std::string& group,
                    std::vector<protocol::run> dead);
    void hear_caretaker(const protocol::result& answer);
    void see_given(const send_action& sent);
    void check_keys() const;
    void check_places() const;
    void check_agenda() const;
    std::string group_at(std::uint64_t session) const;  // of the consumer there; empty when there is none
    bool calm_down();
    template <typename... Words>
    void say(const Words&... words) const;
    /// Nobody hears the next frame; or it changes places with the one behind it.
    bool is_lost() { return options_.lost_frames && !calm_ && pick(30) == 0; }
    template <typename Frames>
    void disturb(Frames& queue);
    void break_connection(wire& on);
    void hear_late();
    bool comes_twice() { return options_.doubled_frames && pick(10) == 0; }
    std::uint64_t pick(std::uint64_t below) { return below == 0 ? 0 : random_() % below; }

    world_options options_;
    std::mt19937_64 random_;
    instant now_{1'000'000'000, 1'700'000'000'000'000'000};
    fault_disk disk_;
    std::unique_ptr<log::segmented_log> log_;
    std::unique_ptr<brain> brain_;
    std::deque<append_action> appends_;
    struct waiting_move {
        move_action what;
        std::uint64_t after = 0;  // the ticket that was handed out last before it
    };
    std::deque<waiting_move> moves_;
    std::uint64_t moved_ = 0;  // before the last crash
    std::deque<std::uint64_t> appended_not_synced_;
    std::uint64_t sync_up_to_ = 0;
    std::deque<read_action> reads_;
    std::vector<std::unique_ptr<producer>> producers_;
    std::vector<std::unique_ptr<consumer>> consumers_;
    /// What the caretaker asked for and has no answer to.
    struct errand {
        std::uint64_t session = 0;  // 0 = none
        std::string command;
        std::string group;
        std::vector<protocol::run> dead;
        std::uint64_t end = 0;  // the stream's, when it was asked for
    };
    errand errand_;
    std::deque<std::pair<std::uint64_t, outgoing_message>> late_;  // of sessions that broke
    bool calm_ = false;                                            // nobody nacks any more
    std::set<std::uint64_t> leases_seen_;
    std::map<std::uint64_t, std::uint64_t> sessions_by_lease_;
    std::uint64_t next_session_ = 1;
    std::uint64_t crashes_ = 0;
    std::uint64_t first_call_ = 0, last_call_ = 0, openings_failed_ = 0;
    std::uint64_t ids_ = 0, duplicates_ = 0, refusals_ = 0;
    bool limited_ = false;
    std::uint64_t limited_at_ = 0;  // messages the stream had when its limit was asked for
    /// An output of a commit: of which group's message it was made.
    struct origin {
        std::string group;
        std::uint64_t offset = 0;
    };
    std::map<std::string, origin> origins_;
    model model_;
    model outputs_;  // of the second stream
};

}  // namespace ferry::test
