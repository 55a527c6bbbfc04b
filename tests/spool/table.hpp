// A spool on a table: brain, log and sessions on a perfect disk, without sockets, threads or a clock that
// runs by itself.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/consumer_session.hpp"
#include "core/log/log.hpp"
#include "core/producer_session.hpp"
#include "devices/spool/brain.hpp"
#include "tests/support/fault_disk.hpp"

namespace ferry::test {

constexpr std::uint64_t second_ns = 1'000'000'000;

// A brain whose disk is perfect and whose network delivers at once, unless a client is cut off.
class table {
  public:
    /// `with`: what the brain is told, beside what the table sets itself.
    explicit table(brain_options with = {}) : with_{std::move(with)} { open(); }

    /// The spool ends, and begins again after `away_ns`.
    void restart(bool clean, std::uint64_t away_ns = 0) {
        settle();
        if (clean) {
            const auto last = brain_->stop(now_);
            REQUIRE(last);
            append(*last);
        }
        brain_.reset();
        log_.reset();
        disk_.kill();
        now_.monotonic_ns += away_ns;
        now_.wall_ns += away_ns;
        open();
        for (auto& [name, who] : producers_) {
            who.number = next_session_++;
            who.session->reconnected();
        }
    }

    /// The spool dies where it is, in the middle of a turn as well.
    void die(bool power_cut) {
        brain_.reset();
        log_.reset();
        disk_.heal();
        power_cut ? disk_.power_cut() : disk_.kill();
    }
    /// The same, and it begins again on a sound disk.
    void crash(bool power_cut) {
        die(power_cut);
        open();
    }
    /// Begins with what another spool left, some minutes later.
    void begin_with(const std::map<std::string, std::string>& files) {
        die(false);
        for (const std::string& name : disk_.names_with("")) disk_.drop_file(name);
        for (const auto& [name, bytes] : files) disk_.put_file(name, bytes);
        now_.monotonic_ns += 600 * second_ns;
        now_.wall_ns += 600 * second_ns;
        open();
    }

    /// From now on nothing is synced that need not be.
    void sync_when_asked() { syncs_always_ = false; }
    /// From now on no sync comes to its end, until the power goes.
    void hold_syncs() { holds_syncs_ = true; }
    /// The next sync comes to its end, which is told later; what is written behind it is not synced before.
    void hold_news() { holds_news_ = true; }
    void tell_news() { brain_->durable(*std::exchange(news_, std::nullopt), now_); }
    void sync_again() {
        holds_syncs_ = false;
        log_->sync();
        brain_->durable(written_, now_);
    }
    /// The power goes, and comes again: what was not synced is lost.
    void cut_power() {
        settle();
        holds_syncs_ = false;
        brain_.reset();
        log_.reset();
        disk_.power_cut_losing_all();
        open();
    }

    consumer_session& consumer(const std::string& name, consumer_session_options of = {}) {
        if (of.stream.empty()) of = {.stream = "s", .group = "g", .credit_messages = 100};
        return *clients_.emplace(name, client{next_session_++, std::make_unique<consumer_session>(of)})
                    .first->second.session;
    }

    /// The connection ends and is made again; frames under way are lost.
    void reconnect(const std::string& name) {
        client& who = clients_.at(name);
        if (who.number != 0) brain_->detached(who.number, now_);
        who.number = next_session_++;
        who.session->reconnected();
    }
    /// Its frames get lost, both ways, until it is plugged in again.
    void cut_off(const std::string& name) {
        client& who = clients_.at(name);
        who.was = std::exchange(who.number, 0);
    }
    void plug_in(const std::string& name) { clients_.at(name).number = clients_.at(name).was; }
    /// The connection ends, and the spool sees it.
    void disconnect(const std::string& name) {
        brain_->detached(clients_.at(name).number, now_);
        cut_off(name);
    }
    /// The spool hears what it says now, and it hears nothing of the answers.
    void deaf(const std::string& name) {
        client& who = clients_.at(name);
        who.session->tick(now_);
        for (auto& each : who.session->take_output())
            if (who.number != 0) brain_->frame(who.number, "somebody", each.head, std::move(each.body), now_);
        const std::uint64_t number = std::exchange(who.number, 0);
        for (int round = 0; round < 3; ++round)
            for (send_action& each : turn()) deliver(each);
        brain_->detached(number, now_);
    }

    /// A producer that is there for good: whatever it waits for reaches it when the table settles.
    producer_session& producer(const std::string& name, const producer_session_options& of) {
        permanent_producer& who = producers_[name];
        if (who.session == nullptr) who = {next_session_++, std::make_unique<producer_session>(of)};
        return *who.session;
    }

    void producer_reconnects(const std::string& name) {
        permanent_producer& who = producers_.at(name);
        brain_->detached(who.number, now_);
        who.number = next_session_++;
        who.session->reconnected();
    }
    /// What a session has in pieces that are not finished.
    std::size_t part_bytes(std::uint64_t session) const { return brain_->part_bytes(session); }

    void put(int count) { put(std::vector<message>(static_cast<std::size_t>(count), message{"x"})); }
    /// Gives the code of the refusal of the last one, empty when it was stored.
    std::string put(const std::vector<message>& messages) {
        producer_session_options with{.stream = "s"};
        if (segment_bytes_ < 1 << 20) with.batch_bytes_max = segment_bytes_ / 16;
        producer_session session{with};
        const std::uint64_t number = next_session_++;
        std::vector<put_place> places;
        for (const message& each : messages) places.push_back(session.put(each, now_));
        session.flush();
        const auto decided = [&] { return !places.back().fate->pending(places.back().index); };
        // A batch that is refused takes those behind it back to the start.
        for (int round = 0; round < 10 || (!decided() && round < 10'000); ++round) {
            session.tick(now_);
            for (auto& each : session.take_output())
                brain_->frame(number, "somebody", each.head, std::move(each.body), now_);
            for (send_action& each : turn())
                if (each.session == number)
                    session.frame(each.head, now_);
                else
                    deliver(each);
        }
        REQUIRE(decided());
        return places.back().fate->code();
    }

    /// What became of each message: its offset, and whether it was a duplicate. Those that were refused are
    /// left out. A producer that is named goes on where it was.
    std::vector<std::pair<std::uint64_t, bool>> fates_of(const std::vector<message>& messages,
                                                         const std::string& name = "") {
        if (name.empty()) makers_.erase(name);
        maker& by = makers_.try_emplace(name).first->second;
        if (by.session == nullptr)
            by.session = std::make_unique<producer_session>(producer_session_options{.stream = "s"});
        by.number = next_session_++;
        by.session->reconnected();
        for (const message& each : messages) by.places.push_back(by.session->put(each, now_));
        by.session->flush();
        for (int round = 0; round < 40; ++round) {
            by.session->tick(now_);
            for (auto& each : by.session->take_output())
                brain_->frame(by.number, "somebody", each.head, std::move(each.body), now_);
            for (send_action& each : turn()) {
                const bool stored = protocol::kind_of(each.head) == protocol::kind::stored;
                if (each.session != by.number)
                    deliver(each);
                else if (!lose_confirms || !stored)
                    by.session->frame(each.head, now_);
            }
        }
        std::vector<std::pair<std::uint64_t, bool>> fates;
        for (const put_place& each : by.places)
            if (const message_fate fate = each.now(); fate.is == message_fate::state::stored)
                fates.emplace_back(fate.offset, fate.duplicate);
        by.waiting = by.session->counts().put - by.session->counts().confirmed - by.session->counts().refused;
        if (!lose_confirms && by.waiting == 0) by.places.clear();
        return fates;
    }
    /// Messages of a named producer that are neither confirmed nor refused.
    std::uint64_t waiting(const std::string& name) const { return makers_.at(name).waiting; }
    bool lose_confirms = false;

    /// A command of administration, and its answer.
    protocol::result admin(const std::string& command, header_map arguments) {
        arguments.emplace("stream", "s");
        const std::uint64_t number = next_session_++;
        brain_->frame(number, "somebody", protocol::encode(protocol::hello{}), {}, now_);
        brain_->frame(number, "somebody", protocol::encode(protocol::admin{1, command, arguments}), {}, now_);
        protocol::result answer{0, "no answer", {}, {}};
        for (int round = 0; round < 5; ++round)
            for (send_action& each : turn())
                if (each.session == number)
                    protocol::decode(each.head, answer);
                else
                    deliver(each);
        brain_->detached(number, now_);
        return answer;
    }

    /// What somebody says who is none of the table's clients, and all that is answered.
    std::vector<send_action> said_by(std::uint64_t session, std::string_view user, const std::string& head,
                                     std::optional<shared_bytes> body = std::nullopt) {
        brain_->frame(session, user, head, std::move(body), now_);
        std::vector<send_action> answers;
        for (send_action& each : turn())
            if (each.session == session)
                answers.push_back(std::move(each));
            else
                deliver(each);
        return answers;
    }
    /// The sockets take nothing for this session until it is 0 again.
    std::uint64_t stuffed = 0;
    /// This one's peer is gone: what is said to it reaches nobody.
    std::uint64_t gone = 0;
    std::uint64_t session_of(const std::string& name) const { return clients_.at(name).number; }
    /// Sees, and may change, what is under way to the consumers; what it leaves without a head is lost.
    std::function<void(send_action&)> on_the_way{};

    /// Everything that can be said is said.
    void settle() {
        for (int round = 0; round < 20; ++round) {
            brain_->tick(now_);
            for (auto& [name, who] : clients_) {
                who.session->tick(now_);
                for (auto& each : who.session->take_output())
                    if (who.number != 0)
                        brain_->frame(who.number, "somebody", each.head, std::move(each.body), now_);
            }
            for (auto& [name, who] : producers_) {
                who.session->tick(now_);
                for (auto& each : who.session->take_output())
                    brain_->frame(who.number, "somebody", each.head, std::move(each.body), now_);
            }
            for (send_action& each : turn()) deliver(each);
        }
        check_agenda();
    }

    /// Nobody looks for so long, then everybody.
    void leap(std::uint64_t ns) {
        now_.monotonic_ns += ns;
        now_.wall_ns += ns;
        settle();
    }

    void pass(std::uint64_t ns) {
        for (; ns > 0; ns -= std::min(ns, second_ns / 4)) {
            now_.monotonic_ns += std::min(ns, second_ns / 4);
            now_.wall_ns += std::min(ns, second_ns / 4);
            settle();
        }
    }

    /// The offsets a consumer is handed out now, as they come; each is acked.
    std::vector<std::uint64_t> work(const std::string& name) {
        std::vector<std::uint64_t> got;
        settle();
        consumer_session& who = *clients_.at(name).session;
        while (const auto item = who.next(now_.monotonic_ns)) {
            got.push_back(item->offset);
            who.ack(item->lease, item->offset);
            settle();
        }
        return got;
    }

    /// All a consumer is handed out now: offset -> attempt.
    std::map<std::uint64_t, std::uint64_t> take(const std::string& name) {
        std::map<std::uint64_t, std::uint64_t> got;
        while (const auto item = clients_.at(name).session->next(now_.monotonic_ns)) {
            CHECK(!got.contains(item->offset));
            got[item->offset] = item->attempt;
            leases[item->offset] = item->lease;
        }
        return got;
    }
    void ack(const std::string& name, std::uint64_t offset) {
        clients_.at(name).session->ack(leases.at(offset), offset);
    }

    void nack(const std::string& name, std::uint64_t offset) {
        clients_.at(name).session->nack(leases.at(offset), offset, std::nullopt, "no");
    }

    /// An administrator's command; gives the code of its refusal, empty when it was done.
    std::string tell(const std::string& command, const header_map& arguments) {
        const std::uint64_t number = next_session_++;
        brain_->frame(number, "somebody", protocol::encode(protocol::hello{.client = "table"}), {}, now_);
        brain_->frame(number, "somebody", protocol::encode(protocol::admin{1, command, arguments}), {}, now_);
        std::string code = "no answer";
        for (send_action& each : turn()) {
            protocol::result answer;
            if (each.session != number)
                deliver(each);
            else if (protocol::decode(each.head, answer)) {
                code = answer.code;
                rows = std::move(answer.rows);
            }
        }
        brain_->detached(number, now_);
        return code;
    }

    const stream* find(const std::string& name) {
        return const_cast<spool_state&>(brain_->state()).find(name);
    }
    const stream& the_stream() { return *const_cast<spool_state&>(brain_->state()).find("s"); }
    const brain_counters& counters() const { return brain_->counters(); }
    bool read_only() const { return brain_->read_only(); }
    void want_snapshot() { brain_->want_snapshot(); }
    std::uint64_t reads() const { return reads_; }
    std::size_t largest_snapshot() const { return largest_snapshot_; }
    /// The wall clock is set; the monotonic one goes on.
    void set_clock(std::int64_t ns) { now_.wall_ns += static_cast<std::uint64_t>(ns); }

    std::uint64_t the_stream_next() const {
        const auto& streams = brain_->state().streams();
        return streams.empty() ? 0 : streams.begin()->second.next;
    }
    consumer_session& session(const std::string& name) { return *clients_.at(name).session; }
    const group& group_named(const std::string& name) {
        return *const_cast<spool_state&>(brain_->state()).find("s")->find_group(name);
    }
    /// Where the cleaner left the log.
    const log_figures& found() const { return brain_->found(); }
    log::segmented_log& log() { return *log_; }
    fault_disk& disk() { return disk_; }

    const group& the_group() { return *const_cast<spool_state&>(brain_->state()).find("s")->find_group("g"); }
    instant now() const { return now_; }

    std::map<std::uint64_t, std::uint64_t> leases;
    std::vector<header_map> rows;  ///< of the last command's answer

  private:
    void deliver(send_action& what) {
        if (on_the_way) on_the_way(what);
        if (what.head.empty()) return;
        for (auto& [name, who] : producers_)
            if (who.number == what.session) who.session->frame(what.head, now_);
        for (auto& [name, who] : clients_)
            if (who.number == what.session) who.session->frame(what.head, std::move(what.body), now_);
    }

    struct client {
        std::uint64_t number;
        std::unique_ptr<consumer_session> session;
        std::uint64_t was = 0;
    };

    struct permanent_producer {
        std::uint64_t number = 0;
        std::unique_ptr<producer_session> session;
    };

    struct maker {
        std::uint64_t number = 0;
        std::unique_ptr<producer_session> session;
        std::vector<put_place> places;
        std::uint64_t waiting = 0;
    };

    void open() {
        spool_state state;
        log_ = std::make_unique<log::segmented_log>(
            disk_, log::log_options{.segment_bytes = segment_bytes_, .random = next_session_},
            [&](const log::stored_record& each) { REQUIRE(state.apply(each.header, each.payload, now_)); },
            [&](std::string_view saved) { REQUIRE(state.load(saved, now_)); });
        brain_options of = with_;
        of.incarnation = log_->opened().owner_epoch;
        of.damages = log_->opened().damages;
        of.spool_id = log_->opened().spool_id;
        of.seed = of.incarnation;  // of lease ids, which never repeat
        of.record_bytes_max = log_->record_bytes_max();
        of.segment_bytes = segment_bytes_;
        brain_ = std::make_unique<brain>(of, std::move(state), now_);
    }

    // What is due next is never later than what the streams and groups have to do.
    void check_agenda() {
        if (brain_->read_only()) return;
        std::uint64_t soonest = ~std::uint64_t{0};
        for (const auto& [number, each] : brain_->state().streams())
            for (const auto& [group_number, whose] : each.groups)
                soonest = std::min({soonest, whose.next_deadline_ns(), whose.next_due_ns()});
        CHECK(brain_->next_due_ns() <= soonest);
        for (const auto& [number, each] : brain_->state().streams())
            for (const std::uint64_t ms : {each.lanes.waiting().next_ms(), each.lanes.expiring().next_ms(),
                                           each.lanes.waiting().next_opening_ms(), each.lanes.next_soon_ms()})
                if (ms >> 44 == 0) CHECK(brain_->next_due_ns() <= brain_->monotonic_ns_at(ms));
    }

    // Whether it is synced now.
    bool append(const append_action& what) {
        const std::vector<log::record> records = as_records(what.records);
        std::vector<log::position> positions(records.size());
        if (!records.empty()) log_->append(records, positions);
        if (what.snapshot && !log_->save_snapshot(*what.snapshot)) brain_->snapshot_refused(now_);
        if (what.snapshot) largest_snapshot_ = std::max(largest_snapshot_, what.snapshot->size());
        if (holds_syncs_ || (!syncs_always_ && !what.sync)) return false;
        log_->sync();
        return true;
    }

    void move(const move_action& step) {
        if (step.what == move_action::step::abandon) return log_->abandon_move();
        std::string problem;
        try {
            if (step.what == move_action::step::copy)
                log_->move(as_records(step.records), step.sources);
            else
                log_->adopt(step.sources);
        } catch (const std::system_error& failure) {
            if (log_->broken()) throw;
            problem = failure.what();
        }
        brain_->moved(problem, now_);
    }

    void read(const read_action& what) {
        try {
            brain_->read_done(what.cookie, log_->read(what.stream, what.offset, what.bytes_max), now_);
        } catch (const std::system_error& failure) {
            brain_->read_failed(what.cookie, failure.what(), now_);
        }
    }

    std::vector<send_action> turn() {
        std::vector<send_action> sends;
        for (int again = 0; again < 3; ++again) {
            actions out = brain_->take_actions(now_);
            for (const append_action& each : out.appends) {
                const bool synced = append(each);
                brain_->appended(each.ticket, now_);
                written_ = each.ticket;
                if (synced && holds_news_) {
                    news_ = each.ticket;
                    holds_news_ = false;
                    holds_syncs_ = true;
                } else if (synced) {
                    brain_->durable(each.ticket, now_);
                }
                brain_->space(log_->space_now().left);
            }
            for (const release_action& each : out.releases) log_->release(each.stream, each.offset);
            for (const move_action& each : out.moves) move(each);
            if (out.look) brain_->held(log_->held(), now_);
            for (const read_action& each : out.reads) read(each);
            reads_ += out.reads.size();
            for (send_action& each : out.sends)
                if (stuffed != 0 && each.session == stuffed)
                    brain_->unsent(std::move(each));
                else if (gone != 0 && each.session == gone)
                    brain_->unreachable(each, now_);
                else
                    sends.push_back(std::move(each));
        }
        return sends;
    }

    const brain_options with_;
    const std::uint64_t segment_bytes_ = std::min<std::uint64_t>(with_.segment_bytes, 1 << 20);
    instant now_{100 * second_ns, 1'700'000'000 * second_ns};
    std::uint64_t next_session_ = 1;
    std::uint64_t reads_ = 0;
    bool syncs_always_ = true;
    bool holds_syncs_ = false;
    bool holds_news_ = false;
    std::optional<std::uint64_t> news_;  // the ticket whose sync has ended, and nobody was told
    std::uint64_t written_ = 0;
    std::size_t largest_snapshot_ = 0;
    fault_disk disk_{7};
    std::unique_ptr<log::segmented_log> log_;
    std::unique_ptr<brain> brain_;
    std::map<std::string, client> clients_;
    std::map<std::string, maker> makers_;
    std::map<std::string, permanent_producer> producers_;
};

}  // namespace ferry::test
