#include "tests/sim/world.hpp"

#include <algorithm>
#include <stdexcept>

#include "tests/sim/clients.hpp"
#include "tests/sim/story.hpp"

namespace ferry::test {

world::world(const world_options& options)
    : options_{options},
      random_{options.seed},
      disk_{options.seed * 7919 + 1},
      model_{options.seed},
      outputs_{options.seed} {
    if (options.seed % 2 == 0) options_.segment_bytes = 4 << 10;
    const std::uint64_t producers = 1 + pick(3);
    for (std::uint64_t i = 0; i < producers; ++i) {
        const std::string name = "p" + std::to_string(i);
        producer_session_options of{.stream = "s"};
        if (pick(2) == 0) of.name = name;
        if (options.grade != protocol::grade::synced) of.grade = options.grade;
        of.batch_bytes_max = 64;
        producers_.push_back(std::make_unique<producer>(producer{name, producer_session{of}, {}, 1, {}}));
    }
    const std::uint64_t consumers = 1 + pick(3);
    for (std::uint64_t i = 0; i < consumers; ++i) {
        const std::string group = "g" + std::to_string(pick(2));
        consumer_session_options of = consumer_of(group, 1 + pick(20));
        consumers_.push_back(std::make_unique<consumer>(consumer{group, consumer_session{of}}));
    }
    if (options.commits)
        consumers_.push_back(std::make_unique<consumer>(
            consumer{outputs_group, consumer_session{consumer_of(outputs_group, 1 + pick(20))}}));
    open_spool();
}

world::~world() = default;

consumer_session_options world::consumer_of(const std::string& group, std::uint64_t credit) const {
    const char* const stream = group == outputs_group ? outputs_stream : "s";
    consumer_session_options of{.stream = stream, .group = group, .credit_messages = credit};
    of.max_attempts = group == "g1" ? 1 + options_.seed % 2 : 1000;
    if (options_.filters && group == "g1") of.filter = "topic";
    of.single_active = options_.turns && !options_.plant_all_at_once;
    if (options_.keys && group != outputs_group && !options_.plant_forgotten_order) of.ordered = true;
    return of;
}

void world::open_spool() {
    appends_.clear();
    moves_.clear();
    appended_not_synced_.clear();
    sync_up_to_ = 0;
    reads_.clear();
    late_.clear();
    spool_state state;
    const auto replay = [&](const log::stored_record& each) {
        if (!state.apply(each.header, each.payload, now_))
            throw std::logic_error{"a record could not be applied"};
    };
    const auto restore = [&](std::string_view saved) {
        if (!state.load(saved, now_)) throw std::logic_error{"a snapshot could not be loaded"};
    };
    log_ = std::make_unique<log::segmented_log>(
        disk_, log::log_options{.segment_bytes = options_.segment_bytes, .random = random_()}, replay,
        restore);
    if (!log_->opened().damages.empty())
        for (const log::damage& each : log_->opened().damages)
            if (!each.torn_tail) throw std::logic_error{"damage after a crash: " + each.reason};
    brain_options of;
    of.incarnation = log_->opened().owner_epoch;
    of.spool_id = log_->opened().spool_id;
    of.seed = random_();
    of.record_bytes_max = log_->record_bytes_max();
    of.pool_bytes = 4096;
    of.near_ms = options_.near_ms;
    if (options_.seed % 2 == 0) of.appointments_near = 3;
    of.segment_bytes =
        options_.segment_bytes / 16;  // the cleaner's: so that a short history is worth cleaning
    of.clean_every_ns = 5'000'000;
    brain_ = std::make_unique<brain>(of, std::move(state), now_);
    for (const auto& [number, each] : brain_->state().streams()) {
        say("opened as run", of.incarnation, ": stream", each.name, "has offsets", each.first, "to",
            each.next);
        for (const auto& [group_number, whose] : each.groups)
            say(whose.name, "is through with all below", whose.floor(each.lanes), ", is owed",
                whose.ready_count(each.next, each.lanes), "and has", whose.dead_count(), "dead");
    }
    for (auto& each : producers_) each->on = {next_session_++, {}, {}};
    for (auto& each : consumers_) each->on = {next_session_++, {}, {}};
    if (errand_.command == "dead.drop") model_.drop_lost(errand_.group, errand_.dead);
    errand_ = {};
    check_places();
}

std::string world::group_at(std::uint64_t session) const {
    for (const auto& who : consumers_)
        if (who->on.session == session) return who->group;
    return {};
}

void world::crash(bool stop_cleanly) {
    ++crashes_;
    say(stop_cleanly ? "the spool stops in order" : "the spool dies");
    if (stop_cleanly) {
        disk_.heal();
        plan_failure();
        while (!appends_.empty() && !brain_->read_only()) writer_step();
        spool_turn();
        while (!appends_.empty() && !brain_->read_only()) writer_step();
        if (!brain_->read_only()) try {
                if (const auto last = brain_->stop(now_)) run_appends(*last);
            } catch (const std::system_error& failure) {
                say("the disk fails:", failure.what());
            }
    }
    moved_ += brain_->counters().messages_moved;
    brain_.reset();
    log_.reset();
    open_after_crash();
}

void world::open_after_crash() {
    const bool cut = options_.power_cuts && pick(2) == 0;
    if (cut) say("the power goes");
    cut ? disk_.power_cut() : disk_.kill();
    disk_.heal();
    plan_failure();
    try {
        open_spool();
    } catch (const std::system_error& failure) {
        if (!disk_.failed()) throw;
        say("it does not come up:", failure.what());
        ++openings_failed_;
        brain_.reset();
        log_.reset();
        open_after_crash();  // nothing more is planned
    }
}

void world::plan_failure() {
    if (options_.fail_at > disk_.calls())
        disk_.fail_call(options_.fail_at - disk_.calls(), options_.fail_kind);
}

void world::die_if_due() {
    if (!options_.fail_deadly || !disk_.failed()) return;
    disk_.heal();
    crash(false);
}

void world::run_appends(const append_action& what) {
    const std::vector<log::record> records = as_records(what.records);
    say("the log takes turn", what.ticket, "of", records.size(), "records",
        what.snapshot ? "and a snapshot" : "");
    std::vector<log::position> positions(records.size());
    if (!records.empty()) log_->append(records, positions);
    if (what.snapshot && !log_->save_snapshot(*what.snapshot)) brain_->snapshot_refused(now_);
}

// After every append that was handed out before it.
void world::run_move() {
    const waiting_move next = std::move(moves_.front());
    moves_.pop_front();
    if (next.what.what == move_action::step::abandon) return log_->abandon_move();
    std::string problem;
    say(next.what.what == move_action::step::copy ? "messages are copied" : "the copy is adopted");
    try {
        if (next.what.what == move_action::step::copy) {
            std::vector<log::record> records = as_records(next.what.records);
            if (options_.plant_forgotten_copy) records.pop_back();
            log_->move(records, next.what.sources);
        } else {
            log_->adopt(next.what.sources);
        }
    } catch (const std::system_error& failure) {
        if (log_->broken()) throw;
        problem = failure.what();
    }
    brain_->moved(problem, now_);
}

void world::spool_turn() {
    actions next = brain_->take_actions(now_);
    for (append_action& each : next.appends) appends_.push_back(std::move(each));
    for (move_action& each : next.moves)
        moves_.push_back({std::move(each), appends_.empty() ? 0 : appends_.back().ticket});
    if (next.look) brain_->held(log_->held(), now_);
    for (const read_action& each : next.reads) reads_.push_back(each);
    for (const release_action& each : next.releases) log_->release(each.stream, each.offset);
    if (options_.keys) check_keys();
    check_limit();
    std::set<std::uint64_t> full;  // their sockets take nothing in this turn
    for (send_action& each : next.sends) {
        see_given(each);
        protocol::result answer;
        if (errand_.session == each.session && protocol::decode(each.head, answer)) hear_caretaker(answer);
        wire* to = nullptr;
        for (auto& who : producers_)
            if (who->on.session == each.session) to = &who->on;
        for (auto& who : consumers_)
            if (who->on.session == each.session) to = &who->on;
        if (to != nullptr && (full.contains(each.session) || pick(50) == 0)) {
            full.insert(each.session);
            brain_->unsent(std::move(each));
        } else if (to != nullptr)
            to->down.push_back({std::move(each.head), std::move(each.body)});
    }
    check_agenda();
}

// What is due next is never later than what a group has to do.
void world::check_agenda() const {
    if (brain_->read_only()) return;
    const std::uint64_t next = brain_->next_due_ns();
    for (const auto& [number, each] : brain_->state().streams())
        for (const auto& [group_number, whose] : each.groups)
            if (next > std::max(now_.monotonic_ns, std::min(whose.next_deadline_ns(), whose.next_due_ns())))
                throw std::logic_error{"a lease or a delay is forgotten (seed " +
                                       std::to_string(options_.seed) + ")"};
}

// One thing on the writer's list ends: an append, a sync of all appended, or a read.
void world::writer_step() {
    try {
        if (!reads_.empty() && pick(2) == 0) {
            const read_action read = reads_.front();
            reads_.pop_front();
            say("the log is read at offset", read.offset);
            brain_->read_done(read.cookie, log_->read(read.stream, read.offset, read.bytes_max), now_);
        } else if (!moves_.empty() && pick(2) == 0 &&
                   (appends_.empty() || appends_.front().ticket > moves_.front().after)) {
            run_move();
        } else if (!appends_.empty() && (sync_up_to_ == 0 || pick(2) == 0)) {
            const append_action next = std::move(appends_.front());
            appends_.pop_front();
            run_appends(next);
            appended_not_synced_.push_back(next.ticket);
            if (next.sync) sync_up_to_ = next.ticket;
            brain_->appended(next.ticket, now_);
            if (options_.plant_confirm_before_sync) brain_->durable(next.ticket, now_);
        } else if (sync_up_to_ != 0) {
            log_->sync();
            say("synced up to turn", appended_not_synced_.back());
            sync_up_to_ = 0;
            const std::uint64_t last = appended_not_synced_.back();
            appended_not_synced_.clear();
            if (!options_.plant_confirm_before_sync) brain_->durable(last, now_);
        }
    } catch (const std::system_error& failure) {
        say("the disk fails:", failure.what());
        if (options_.fail_deadly) return die_if_due();
        brain_->failed(failure.what(), now_);
        appends_.clear();
        moves_.clear();
        sync_up_to_ = 0;
        appended_not_synced_.clear();
    }
}

// A greeting, or an opening, is waited for: nothing is sent behind it that could overtake it.
template <typename Frames>
void world::disturb(Frames& queue) {
    if (queue.size() < 2 || !options_.reordered_frames || calm_ || pick(20) != 0) return;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto what = protocol::kind_of(queue[i].head);
        if (what == protocol::kind::hello || what == protocol::kind::welcome ||
            what == protocol::kind::open || what == protocol::kind::opened)
            return;
    }
    std::swap(queue[0], queue[1]);
    say("a frame is overtaken:", frame_in_words(queue[1].head));
}

// Frames in flight are lost, or the spool hears them late.
void world::break_connection(wire& on) {
    say("session", on.session, "breaks");
    if (options_.reordered_frames)
        for (outgoing_message& each : on.up) late_.emplace_back(on.session, std::move(each));
    on = {next_session_++, {}, {}};
}

void world::hear_late() {
    if (late_.empty() || pick(4) != 0) return;
    auto [session, frame] = std::move(late_.front());
    late_.pop_front();
    say("session", session, "that broke said", frame_in_words(frame.head));
    brain_->frame(session, "anonymous", frame.head, std::move(frame.body), now_);
}

void world::deliver_to_spool(wire& on) {
    if (on.up.empty()) return;
    disturb(on.up);
    outgoing_message next = std::move(on.up.front());
    on.up.pop_front();
    if (is_lost()) return say("session", on.session, "loses", frame_in_words(next.head));
    say("session", on.session, "says", frame_in_words(next.head));
    if (comes_twice()) brain_->frame(on.session, "anonymous", next.head, next.body, now_);
    brain_->frame(on.session, "anonymous", next.head, std::move(next.body), now_);
}

void world::deliver_to_client(wire& on) {
    if (on.down.empty()) return;
    disturb(on.down);
    outgoing_message next = std::move(on.down.front());
    on.down.pop_front();
    if (is_lost()) return say("session", on.session, "does not hear", frame_in_words(next.head));
    say("session", on.session, "hears", frame_in_words(next.head));
    if (comes_twice()) on.down.push_front(next);
    for (auto& who : producers_)
        if (&who->on == &on) who->session.frame(next.head, now_);
    for (auto& who : consumers_)
        if (&who->on == &on) {
            who->session.frame(next.head, std::move(next.body), now_);
            if (who->session.joined()) (who->reads_outputs() ? outputs_ : model_).joined(who->group);
        }
}

void world::tick_all() {
    brain_->tick(now_);
    for (auto& who : producers_) who->session.tick(now_);
    for (auto& who : consumers_) who->session.tick(now_);
}

// The wall clock is not quite as steady as the other, but where messages' lives are counted.
void world::pass(std::uint64_t ns) {
    now_.monotonic_ns += ns;
    now_.wall_ns += options_.ttls ? ns : 1'000'000 * pick(20);
}

void world::act() {
    producer& puts = *producers_[pick(producers_.size())];
    consumer& takes = *consumers_[pick(consumers_.size())];
    wire& on = pick(2) == 0 ? puts.on : takes.on;
    const std::uint64_t roll = pick(1000);
    if (roll < 180)
        producer_step(puts);
    else if (roll < 400)
        consumer_step(takes);
    else if (roll < 600)
        deliver_to_spool(on);
    else if (roll < 780)
        deliver_to_client(on);
    else if (roll < 900)
        writer_step();
    else if (roll < 960)
        pass(1'000'000 * (1 + pick(20)));
    else if (roll < 980)
        now_.monotonic_ns += 300'000'000, now_.wall_ns += 300'000'000;
    else if (roll < 984 && !options_.ttls)
        now_.monotonic_ns += 8'000'000'000, say("all stand still for 8 s");
    else if (roll < 986 && !options_.ids && !options_.ttls)  // ids are known for ten minutes
        now_.wall_ns += pick(2) == 0 ? 3'600'000'000'000 : 0, say("the clock is set");
    else if (roll < 990)
        break_connection(on);
    else if (roll < 994 && options_.disk_errors)
        say("a call of the disk will fail"), disk_.fail_call(1 + pick(5), static_cast<fault>(pick(3)));
    else if (roll < 997)
        crash(pick(4) == 0);
    hear_late();
    if (pick(10) == 0) caretaker_step();
    if (pick(3) != 0) tick_all();
    if (pick(3) != 0) spool_turn();
    die_if_due();
    for (auto& who : producers_) {
        for (auto& each : who->session.take_output()) who->on.up.push_back(std::move(each));
        check_fates(*who);
    }
    for (auto& who : consumers_) {
        for (auto& each : who->session.take_output()) who->on.up.push_back(std::move(each));
        check_commits(*who);
    }
}

// No more faults: everything in flight arrives, everything put is confirmed, everything confirmed is acked.
void world::settle_down() {
    say("from here on nothing fails");
    disk_.heal();
    if (brain_->read_only()) crash(false);
    calm_ = true;
    for (int round = 0; round < 4000; ++round) {
        bool resting = calm_down();
        for (auto& who : producers_) {
            if (!who->session.failed_code().empty()) producer_step(*who);
            who->session.flush();
            who->session.tick(now_);
            for (auto& each : who->session.take_output()) who->on.up.push_back(std::move(each));
            while (!who->on.up.empty()) deliver_to_spool(who->on);
        }
        for (auto& who : consumers_) {
            while (who->session.has_next() || !who->held.empty() || !who->session.failed_code().empty())
                consumer_step(*who);
            consumer_step(*who);
            check_commits(*who);
            who->session.tick(now_);
            for (auto& each : who->session.take_output()) who->on.up.push_back(std::move(each));
            while (!who->on.up.empty()) deliver_to_spool(who->on);
        }
        brain_->tick(now_);
        spool_turn();
        while (!appends_.empty() || sync_up_to_ != 0 || !reads_.empty() || !moves_.empty()) writer_step();
        spool_turn();
        for (auto& who : producers_) {
            while (!who->on.down.empty()) deliver_to_client(who->on);
            check_fates(*who);
            resting = resting && who->waiting.empty();
        }
        for (auto& who : consumers_) {
            while (!who->on.down.empty()) deliver_to_client(who->on);
            check_commits(*who);
            resting = resting && !who->session.has_next() && who->held.empty() &&
                      who->session.all_answered() && who->commits.empty();
        }
        for (const auto& [number, each] : brain_->state().streams())
            for (const auto& [group_number, whose] : each.groups)
                resting = resting && whose.floor(each.lanes) >= each.next && whose.dead_count() == 0;
        check_places();
        check_limit();
        if (brain_->counters().messages_damaged > 0)
            throw std::logic_error{"a message is gone from the log (seed " + std::to_string(options_.seed) +
                                   ")"};
        if (resting && round > 3) return;
        now_.monotonic_ns += 100'000'000;
        now_.wall_ns += 100'000'000;
    }
    std::string why;
    for (const auto& who : producers_)
        if (!who->waiting.empty())
            why += ", " + who->name + " waits for " + std::to_string(who->waiting.size()) + " confirms";
    for (const auto& who : consumers_) {
        if (!who->session.all_answered()) why += ", a consumer waits for answers";
        if (!who->session.joined()) why += ", a consumer is not joined";
    }
    for (const auto& [number, each] : brain_->state().streams())
        for (const auto& [group_number, whose] : each.groups)
            why += ", " + whose.name + " stands at " + std::to_string(whose.floor(each.lanes)) + " of " +
                   std::to_string(each.next) + " (" + std::to_string(whose.leased_count()) + " leased, " +
                   std::to_string(whose.delayed_count()) + " delayed, " +
                   std::to_string(whose.returned_count()) + " returned, mark " +
                   std::to_string(whose.delivered_mark()) + ")";
    throw std::logic_error{"the history does not come to rest (seed " + std::to_string(options_.seed) + ")" +
                           why};
}

void world::run() {
    first_call_ = disk_.calls();
    plan_failure();
    for (int i = 0; i < options_.steps; ++i) act();
    last_call_ = disk_.calls();
    settle_down();
    model_.finished();
    outputs_.finished();
}

}  // namespace ferry::test
