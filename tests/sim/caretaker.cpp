// The caretaker of a simulated spool: redrives and drops dead letters at random, and in histories with
// upheavals seeks, pauses and purges. Its commands arrive at once; their answers come when they are durable.
#include <algorithm>
#include <stdexcept>

#include "core/offset_list.hpp"
#include "tests/sim/story.hpp"
#include "tests/sim/world.hpp"

namespace ferry::test {
namespace {

const stream* only_stream(const brain& of) {
    for (const auto& [number, each] : of.state().streams())
        if (each.name == "s") return &each;
    return nullptr;
}

}  // namespace

void world::tell_spool(const std::string& command, header_map arguments, const std::string& group,
                       std::vector<protocol::run> dead) {
    const stream* of = only_stream(*brain_);
    if (of == nullptr) return;
    errand_ = {next_session_++, command, group, std::move(dead), of->next};
    arguments.emplace("stream", of->name);
    if (!group.empty()) arguments.emplace("group", group);
    if (!errand_.dead.empty()) arguments.emplace("offsets", write_offsets(errand_.dead));
    if (command == "dead.redrive") model_.redrive_asked(group, errand_.dead);
    if (command == "dead.drop") model_.drop_asked(group, errand_.dead);
    // A place that is looked up by its time is found later, when more may have been stored.
    if (command == "group.seek") model_.loosened(group, of->next + 1000);
    if (command == "stream.purge")
        for (const char* each : {"g0", "g1"}) model_.loosened(each, of->next);
    if (command == "group.resume") model_.paused(group, false);
    if (command == "stream.set") limited_at_ = of->messages();
    say("the caretaker asks for", command, group);
    const bool planted = options_.plant_drop_that_is_a_redrive && command == "dead.drop";
    const std::string sent = planted ? "dead.redrive" : command;
    brain_->frame(errand_.session, "anonymous", protocol::encode(protocol::hello{.client = "caretaker"}), {},
                  now_);
    brain_->frame(errand_.session, "anonymous", protocol::encode(protocol::admin{1, sent, arguments}), {},
                  now_);
}

void world::hear_caretaker(const protocol::result& answer) {
    const errand done = std::exchange(errand_, {});
    say(done.command, done.group, "is answered", answer.code);
    if (!answer.code.empty()) {
        if (done.command == "dead.drop") model_.drop_lost(done.group, done.dead);
        if (answer.code != protocol::code::read_only && answer.code != protocol::code::no_such_group)
            throw std::logic_error{done.command + " was refused: " + answer.code + " " + answer.text};
        return;
    }
    if (done.command == "stream.purge") model_.purged(done.end);
    if (done.command == "stream.set") {
        limited_ = true;
    }
    if (done.command == "group.pause") model_.paused(done.group, true);
}

void world::caretaker_step() {
    const stream* of = only_stream(*brain_);
    if (errand_.session != 0 || of == nullptr || of->groups.empty() || limit_stream()) return;
    const group& whose =
        std::next(of->groups.begin(), static_cast<std::ptrdiff_t>(pick(of->groups.size())))->second;
    if (options_.upheavals && pick(10) == 0) {
        switch (pick(6)) {
            case 0:
                return tell_spool("stream.purge", {}, "", {});
            case 1:
                return tell_spool("group.pause", {}, whose.name, {});
            case 2:
                return tell_spool("group.resume", {}, whose.name, {});
            case 3:
                return tell_spool("group.seek",
                                  {{"from", "@" + std::to_string(now_.wall_ns - pick(1 << 30))}}, whose.name,
                                  {});
            default:
                return tell_spool("group.seek", {{"from", std::to_string(pick(of->next + 1))}}, whose.name,
                                  {});
        }
    }
    std::vector<protocol::run> dead;
    for (const auto& [offset, died] : whose.dead().runs())
        if (pick(2) == 0) dead.push_back({offset, 1 + pick(died.count)});
    if (dead.empty()) return;
    tell_spool(pick(3) == 0 ? "dead.drop" : "dead.redrive", {}, whose.name, std::move(dead));
}

// A DELIVER that the socket did not take is offered again: what counts is when it was made.
void world::see_given(const send_action& sent) {
    protocol::deliver what;
    if (!protocol::decode(sent.head, what) || what.lease == 0 || !leases_seen_.insert(what.lease).second)
        return;
    const auto group = group_at(sent.session);
    if (group.empty()) return;
    sessions_by_lease_[what.lease] = sent.session;
    if (options_.turns) check_turn(group, sent.session);
    for (const protocol::delivered_run& each : what.runs) model_.given(group, each, now_);
    if (!options_.keys || !sent.body) return;
    batch_cursor items{sent.body->view};
    for (const protocol::delivered_run& each : what.runs)
        for (std::uint64_t offset = each.offset; offset < each.end(); ++offset)
            model_.given_in_order(group, std::string{items.next()->payload}, offset);
}

// Of one key never two messages are out in a group.
void world::check_keys() const {
    const stream* of = only_stream(*brain_);
    if (of == nullptr) return;
    for (const auto& [number, whose] : of->groups) {
        std::vector<std::uint64_t> out;
        for (const auto& [id, held] : whose.leases())
            for (const tried_run& each : whose.open_under(id, held.runs))
                for (std::uint64_t offset = each.offset; offset < each.end(); ++offset) out.push_back(offset);
        model_.out_together(whose.name, out);
    }
}

// Each message of a group is in one place: not looked at, open, dead or settled.
void world::check_places() const {
    const stream* of = only_stream(*brain_);
    if (of == nullptr) return;
    for (const auto& [number, whose] : of->groups) {
        offset_set needed;
        whose.add_needed(needed, {0, of->next}, of->lanes);
        const std::uint64_t sum = whose.ready_count(of->next, of->lanes) + whose.waiting_count(of->lanes) +
                                  whose.leased_count() + whose.dead_count();
        if (needed.count() != sum)
            throw std::logic_error{"a message of " + whose.name + " is in two places (seed " +
                                   std::to_string(options_.seed) + ")"};
    }
}

// Every dead letter back to work, every group resumed: true once nothing is left to do.
bool world::calm_down() {
    const stream* of = only_stream(*brain_);
    if (of == nullptr) return true;
    for (const auto& [number, whose] : of->groups) {
        if (whose.settings.paused) {
            tell_spool("group.resume", {}, whose.name, {});
            return false;
        }
        if (whose.dead_count() == 0) continue;
        std::vector<protocol::run> dead;
        for (const auto& [offset, died] : whose.dead().runs()) dead.push_back({offset, died.count});
        tell_spool("dead.redrive", {}, whose.name, std::move(dead));
        return false;
    }
    return true;
}

}  // namespace ferry::test
