// What a stream of a spool is to those who use it, in the plainest form: a list of messages, and for each
// group what each message is to it. Streams know nothing of one another: a spool has one of these for each.
//
// Written from the promises (docs/guarantees.md), not from the product, and shares no code with it: no runs,
// no cursors, no log, and nothing is fast. It is told every command, and every delivery the real spool makes;
// what the promises rule out it refuses by throwing `disagreement`. Where they leave freedom it accepts all
// that is allowed, and says so at the place.
//
//     reference_spool model;
//     model.create_group("g", {}, 0);
//     model.put({{.body = "x"}}, {{0, false}});
//     model.join("somebody", "g", 1);
//     model.delivered("somebody", 0, 1, "x", "");  // throws if this could not be
//     model.end_step();                            // throws if something was left lying
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ferry::test {

/// The real spool did or said what the promises do not allow.
struct disagreement : std::logic_error {
    using std::logic_error::logic_error;
};

class reference_spool {
  public:
    using offset_type = std::uint64_t;
    static constexpr std::uint64_t lease_ms = 10'000;      // of every group here
    static constexpr std::uint64_t claim_wait_ms = 2'000;  // after a restart
    static constexpr std::uint64_t silent_ms = 1'500;      // an active consumer that is gone keeps its turn

    struct message {
        std::string body, topic, id, key;
        std::uint64_t bytes = 0;
        unsigned priority = 0;
        std::uint64_t delay_ms = 0, ttl_ms = 0;  // as asked for, 0 = not
        std::uint64_t stored_ms = 0, due_ms = 0, expires_ms = 0;
        bool kept = true;      // somebody is owed it, or the stream keeps it all the same
        bool removed = false;  // taken away: nobody sees it any more
        std::uint64_t removed_ms = 0;
    };
    struct stream_settings {
        enum class retain { acked, all, age } keeps = retain::acked;
        std::uint64_t age_ms = 0;
        std::uint64_t messages_max = 0, bytes_max = 0;  // 0 = no limit
        enum class full { reject, block, drop_oldest } when_full = full::reject;
        std::uint64_t ttl_ms = 0;
        bool expired_die = false;
        std::uint64_t dead_max = 0;
    };
    struct group_settings {
        std::uint64_t max_attempts = 16;
        std::vector<std::uint64_t> backoff_ms = {0};
        std::uint64_t max_in_flight = 0;
        std::string topic;  // the only one it wants; empty = all
        bool paused = false;
        bool ordered = false;        // by key
        bool single_active = false;  // one consumer at a time
    };
    /// What a message is to a group.
    struct place {
        enum class fate { waiting, ready, delayed, leased, dead, settled } is = fate::ready;
        /// Whether it is held back after a restart, for whoever had it: it may be, or it must be.
        enum class held_back { no, may, must } kept_back = held_back::no;
        /// Whether others of its key must wait for it, in an ordered group: it is out, or was.
        enum class key { free, perhaps, held } has_key = key::free;
        std::uint64_t lowest = 1, highest = 1;  // the attempt it has, or may have
        std::uint64_t failures = 0;
        std::uint64_t due_ms = 0;   // when delayed
        std::string holder;         // when leased
        std::uint64_t ends_ms = 0;  // when leased by somebody who is gone
        bool unclaimed = false;     // leased before the restart, and nobody has come for it
        bool redriven = false;
        std::uint64_t ready_since = 0;  // step
        std::string reason;             // when dead
        bool open() const { return is != fate::dead && is != fate::settled; }
    };
    struct counts {
        std::uint64_t purged = 0, retention = 0, oldest = 0, expired = 0, dropped = 0;
    };
    struct group_view {
        std::uint64_t ready = 0, leased = 0, delayed = 0, dead = 0, floor = 0, consumers = 0;
    };

    stream_settings settings;
    std::uint64_t now_ms = 0;
    /// Deliberately wrong, to show that it matters: restarts count towards max-attempts.
    bool plant_restarts_count = false;

    // --- commands ------------------------------------------------------------------------------------------

    /// The batch was put, and this is what became of the messages that were stored: offset and whether it was
    /// a duplicate.
    void put(std::vector<message> batch, const std::vector<std::pair<offset_type, bool>>& fates);
    /// Whether a message could be stored now, if the stream is one that refuses or blocks.
    bool has_room_for(const message& what) const;
    /// The producer was left waiting with it; what becomes of it, `put` is told as well.
    void wait_for_room(message what);
    void set(const stream_settings& wanted);
    void purge();
    void create_group(const std::string& name, const group_settings& with, offset_type start);
    /// What was a dead letter of this group alone counts towards the stream's limits again.
    void remove_group(const std::string& name);
    void seek(const std::string& name, offset_type start);
    void pause(const std::string& name, bool paused) { groups_.at(name).with.paused = paused; }
    void redrive(const std::string& name, const std::set<offset_type>& which);
    void drop(const std::string& name, const std::set<offset_type>& which);
    void join(const std::string& consumer, const std::string& group, std::uint64_t credit);
    void leave(const std::string& consumer);
    /// It connects again, and claims what it holds.
    void reconnect(const std::string& consumer);
    /// Its connection ends for good, just after it renewed its leases.
    void die(const std::string& consumer);
    void ack(const std::string& consumer, offset_type offset);
    void nack(const std::string& consumer, offset_type offset, std::optional<std::uint64_t> delay_ms);
    void give_up(const std::string& consumer, offset_type offset, const std::string& reason);
    void release(const std::string& consumer, offset_type offset);
    /// Time passes, all at once: with less than a lease those who live renew theirs in time.
    void advance(std::uint64_t ms);
    /// The spool ends and begins again; who is in `staying` claims what it holds.
    void restart(bool clean, std::uint64_t away_ms, const std::set<std::string>& staying);

    // --- what the real spool shows -------------------------------------------------------------------------

    /// A message arrived. False when it is of no worth any more, though it could come.
    bool delivered(const std::string& consumer, offset_type offset, std::uint64_t attempt,
                   const std::string& body, const std::string& topic);
    /// Nothing moves any more: what could have been given out must have been, and in order.
    void end_step();
    /// What a reader without a group was given, from first to last.
    void read(const std::vector<std::pair<offset_type, std::string>>& seen) const;
    /// A dead letter as listed.
    void listed(const std::string& group, offset_type offset, std::uint64_t attempt,
                const std::string& reason) const;

    // --- what it should show -------------------------------------------------------------------------------

    offset_type next() const { return next_; }
    offset_type first() const;
    /// Whether `first` may be told as lower: nothing was ever stored in between.
    bool nothing_between(offset_type low, offset_type high) const;
    std::uint64_t messages() const;
    std::uint64_t bytes() const { return bytes_kept(true); }
    const counts& removed() const { return removed_; }
    group_view view(const std::string& group) const;
    std::set<offset_type> dead(const std::string& group) const;
    bool awaits_claims() const { return now_ms < claims_until_ms_; }
    bool has_group(const std::string& name) const { return groups_.contains(name); }
    bool holds(const std::string& consumer, offset_type offset) const;

  private:
    struct group {
        group_settings with;
        std::map<offset_type, place> places;
        std::string active;            // whose turn it is, where there are turns; empty: it will show
        std::uint64_t crashes = 0;     // since it was made
        std::vector<std::string> row;  // who joined, in that order, as far as it is known
    };
    struct consumer {
        std::string group;
        std::uint64_t credit = 0;
    };
    struct delivery {
        std::string group;
        offset_type offset = 0;
    };

    [[noreturn]] static void disagree(const std::string& what);
    static std::string named(const std::string& group, offset_type offset);
    bool keeps_acked() const { return groups_.empty() || settings.keeps != stream_settings::retain::acked; }
    bool needed(offset_type offset) const;
    bool dead_somewhere(offset_type offset) const;
    std::uint64_t bytes_kept(bool dead_too) const;
    std::optional<offset_type> known(const std::string& id, const std::pair<offset_type, bool>& fate) const;
    bool wanted(const group& by, offset_type offset) const;
    void store(message what);
    void place_new(group& in, offset_type offset);
    void make_ready(place& which);
    void fail(group& in, place& which, const std::string& reason, std::optional<std::uint64_t> delay_ms);
    void bury(place& which, const std::string& reason);
    void remove(offset_type offset, bool dead_too);
    void drop_oldest(std::uint64_t messages_more, std::uint64_t bytes_more);
    void expire();
    void expire(offset_type offset);
    void grow_old();
    void keep_limits();
    void let_go();
    void time_has_come(bool leases_over);
    void end_leases(group& in, bool leases_over);
    void skip_unwanted(group& in);
    std::uint64_t held_by(const std::string& consumer) const;
    static bool in_flight(const place& which);
    bool room_at(const std::string& name, const group& in) const;
    bool key_waits(const group& in, offset_type offset) const;
    void check_turn(const group& in, const std::string& consumer) const;
    void check_key(const group& in, offset_type offset) const;
    void check_waiting() const;
    void forget_turn(const std::string& consumer);
    static void forget_turns(group& in);
    void check_nothing_left(const std::string& name, const group& in) const;
    void check_order(const delivery& given) const;

    std::map<offset_type, message> messages_;
    std::map<std::string, group> groups_;
    std::map<std::string, consumer> consumers_;
    std::map<std::string, std::pair<offset_type, std::uint64_t>> ids_;  // id -> offset, when it was stored
    std::vector<delivery> deliveries_;                                  // of this step
    std::optional<message> waiting_;                                    // for room
    counts removed_;
    offset_type next_ = 0;
    std::uint64_t step_ = 1;
    std::uint64_t claims_until_ms_ = 0;
};

}  // namespace ferry::test
