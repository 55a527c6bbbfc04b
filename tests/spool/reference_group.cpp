// What a message is to each of the groups of the reference: leases, attempts, turns, keys, order.
#include <algorithm>

#include "tests/spool/reference_spool.hpp"

namespace ferry::test {
namespace {

using fate = reference_spool::place::fate;
using held_back = reference_spool::place::held_back;
using key_is = reference_spool::place::key;

}  // namespace

// --- groups ------------------------------------------------------------------------------------------------

void reference_spool::make_ready(place& which) {
    if (which.is != fate::ready) which.ready_since = step_;
    which.is = fate::ready;
    which.holder.clear();
    which.unclaimed = false;
}

void reference_spool::place_new(group& in, offset_type offset) {
    place fresh;
    fresh.ready_since = step_;
    fresh.is = messages_.at(offset).due_ms > now_ms ? fate::waiting : fate::ready;
    in.places[offset] = fresh;
}

void reference_spool::create_group(const std::string& name, const group_settings& with, offset_type start) {
    group& made = groups_[name];
    made.with = with;
    for (const auto& [offset, each] : messages_) {
        if (each.kept && offset >= start)
            place_new(made, offset);
        else
            made.places[offset] = {.is = fate::settled};
    }
}

void reference_spool::remove_group(const std::string& name) {
    std::erase_if(consumers_, [&](const auto& entry) { return entry.second.group == name; });
    groups_.erase(name);
    keep_limits();
}

// Dead letters stay dead; all else that is kept is new from there on, and done below.
void reference_spool::seek(const std::string& name, offset_type start) {
    group& sent = groups_.at(name);
    for (auto& [offset, each] : sent.places) {
        if (each.is == fate::dead) continue;
        if (messages_.at(offset).kept && offset >= start)
            place_new(sent, offset);
        else
            each = {.is = fate::settled};
    }
}

void reference_spool::redrive(const std::string& name, const std::set<offset_type>& which) {
    group& of = groups_.at(name);
    for (auto& [offset, each] : of.places) {
        if (!which.contains(offset) || each.is != fate::dead) continue;
        each = {.is = fate::ready, .redriven = true, .ready_since = step_};  // and without its key
        // While others are held back for those who had them, it may be among them.
        if (now_ms < claims_until_ms_) each.kept_back = held_back::may;
    }
    keep_limits();
}

void reference_spool::drop(const std::string& name, const std::set<offset_type>& which) {
    for (auto& [offset, each] : groups_.at(name).places) {
        if (!which.contains(offset) || each.is != fate::dead) continue;
        each = {.is = fate::settled};
        ++removed_.dropped;
    }
    keep_limits();
}

void reference_spool::bury(place& which, const std::string& reason) {
    which.is = fate::dead;
    which.reason = reason;
    which.holder.clear();
    which.unclaimed = false;
}

void reference_spool::fail(group& in, place& which, const std::string& reason,
                           std::optional<std::uint64_t> delay_ms) {
    ++which.failures;
    if (which.failures >= in.with.max_attempts) return bury(which, reason);
    ++which.lowest;
    ++which.highest;
    const std::size_t last = in.with.backoff_ms.size();
    const std::uint64_t waits =
        delay_ms.value_or(in.with.backoff_ms.at(std::min<std::size_t>(which.failures, last) - 1));
    make_ready(which);
    if (waits == 0) return;
    which.is = fate::delayed;
    which.due_ms = now_ms + waits;
}

// --- consumers ---------------------------------------------------------------------------------------------

void reference_spool::join(const std::string& name, const std::string& of, std::uint64_t credit) {
    consumers_[name] = {of, credit};
    groups_.at(of).row.push_back(name);
    end_leases(groups_.at(of), false);
}

// Who holds something keeps its turn; who does not is behind the others then.
void reference_spool::reconnect(const std::string& name) {
    if (held_by(name) > 0) return;
    group& of = groups_.at(consumers_.at(name).group);
    if (std::erase(of.row, name) > 0) of.row.push_back(name);
    if (of.active == name) of.active.clear();
}

void reference_spool::forget_turn(const std::string& name) {
    group& of = groups_.at(consumers_.at(name).group);
    std::erase(of.row, name);
    if (of.active == name) of.active.clear();
    consumers_.erase(name);
}

void reference_spool::leave(const std::string& name) {
    group& of = groups_.at(consumers_.at(name).group);
    for (auto& [offset, each] : of.places)
        if (each.is == fate::leased && each.holder == name) {
            make_ready(each);  // nothing failed, but it is told
            ++each.lowest;
            ++each.highest;
        }
    forget_turn(name);
}

void reference_spool::die(const std::string& name) {
    for (auto& [offset, each] : groups_.at(consumers_.at(name).group).places)
        if (each.is == fate::leased && each.holder == name) each.ends_ms = now_ms + lease_ms;
    forget_turn(name);
}

bool reference_spool::holds(const std::string& name, offset_type offset) const {
    const auto who = consumers_.find(name);
    if (who == consumers_.end()) return false;
    const place& which = groups_.at(who->second.group).places.at(offset);
    return which.is == fate::leased && which.holder == name;
}

void reference_spool::ack(const std::string& name, offset_type offset) {
    if (holds(name, offset)) groups_.at(consumers_.at(name).group).places.at(offset) = {.is = fate::settled};
}

void reference_spool::nack(const std::string& name, offset_type offset,
                           std::optional<std::uint64_t> delay_ms) {
    group& of = groups_.at(consumers_.at(name).group);
    fail(of, of.places.at(offset), "no", delay_ms);
}

void reference_spool::give_up(const std::string& name, offset_type offset, const std::string& reason) {
    bury(groups_.at(consumers_.at(name).group).places.at(offset), reason);
}

void reference_spool::release(const std::string& name, offset_type offset) {
    make_ready(groups_.at(consumers_.at(name).group).places.at(offset));
}

// Where one is active at a time, what one that is gone had comes to the next, as soon as there is one.
void reference_spool::end_leases(group& in, bool leases_over) {
    const bool handed_over = in.with.single_active && std::ranges::any_of(consumers_, [&](const auto& entry) {
                                 return &groups_.at(entry.second.group) == &in;
                             });
    for (auto& [offset, each] : in.places) {
        if (each.is != fate::leased) continue;
        if (each.unclaimed) {
            if (now_ms < claims_until_ms_) continue;
            make_ready(each);  // a restart is no failure, but it is told
            ++each.lowest;
            ++each.highest;
        } else if (consumers_.contains(each.holder) ? leases_over : each.ends_ms <= now_ms) {
            fail(in, each, "the lease expired", {});
        } else if (handed_over && !consumers_.contains(each.holder) &&
                   each.ends_ms - lease_ms + silent_ms <= now_ms) {
            fail(in, each, "another consumer is active now", 0);
        }
    }
}

// --- what is given out -----------------------------------------------------------------------------------

bool reference_spool::delivered(const std::string& name, offset_type offset, std::uint64_t attempt,
                                const std::string& body, const std::string& topic) {
    const consumer& to = consumers_.at(name);
    group& of = groups_.at(to.group);
    const auto found = messages_.find(offset);
    const std::string where = named(to.group, offset);
    if (found == messages_.end()) disagree(where + " was delivered and never stored");
    if (found->second.body != body || found->second.topic != topic)
        disagree(where + " was delivered as '" + body + "', stored as '" + found->second.body + "'");
    place& which = of.places.at(offset);
    // What is removed at the same time as it is given out may have been given out first.
    if (found->second.removed && found->second.removed_ms == now_ms) return false;
    if (which.is != fate::ready) disagree(where + " was delivered and is not ready");
    if (of.with.paused) disagree(where + " was delivered, and the group is paused");
    if (!wanted(of, offset)) disagree(where + " was delivered, and the group does not want it");
    if (which.kept_back == held_back::must) disagree(where + " was delivered before the wait for claims");
    if (of.with.single_active) check_turn(of, name);
    if (of.with.ordered) check_key(of, offset);
    if (attempt < which.lowest || attempt > which.highest)
        disagree(where + " came as attempt " + std::to_string(attempt) + ", not " +
                 std::to_string(which.lowest) + ".." + std::to_string(which.highest));
    which.is = fate::leased;
    which.holder = name;
    which.lowest = which.highest = attempt;
    which.has_key = key_is::held;
    of.active = name;
    deliveries_.push_back({to.group, offset});
    return true;
}

std::uint64_t reference_spool::held_by(const std::string& name) const {
    const auto& places = groups_.at(consumers_.at(name).group).places;
    return static_cast<std::uint64_t>(std::ranges::count_if(places, [&](const auto& entry) {
        return entry.second.is == fate::leased && entry.second.holder == name && !entry.second.unclaimed;
    }));
}

// Others may be given something only while it is nobody's turn: then the first of the row is next.
void reference_spool::check_turn(const group& in, const std::string& name) const {
    const auto here = static_cast<std::size_t>(std::ranges::count_if(
        consumers_, [&](const auto& entry) { return &groups_.at(entry.second.group) == &in; }));
    const std::string next = in.active.empty() && in.row.size() == here ? in.row.front() : in.active;
    if (!next.empty() && next != name) disagree(name + " was given a message, and it is the turn of " + next);
}

bool reference_spool::in_flight(const place& which) {
    return which.is == fate::leased || which.is == fate::delayed;
}

// A message waits while another of its key is out, or was and will come again; and those that were there from
// the beginning come by offset. When one that joins its key late has its turn is free.
void reference_spool::check_key(const group& in, offset_type offset) const {
    const message& what = messages_.at(offset);
    const place& self = in.places.at(offset);
    const bool late = what.delay_ms > 0 || self.redriven || self.has_key != key_is::free;
    if (what.key.empty()) return;
    for (const auto& [other, each] : in.places) {
        if (other == offset || !each.open() || messages_.at(other).key != what.key) continue;
        if (each.has_key == key_is::held)
            disagree("offset " + std::to_string(offset) + " was delivered while " + std::to_string(other) +
                     " has its key");
        const bool early = each.is == fate::ready && !each.redriven && messages_.at(other).delay_ms == 0;
        if (other < offset && early && !late)
            disagree("offset " + std::to_string(offset) + " overtook " + std::to_string(other));
    }
}

bool reference_spool::key_waits(const group& in, offset_type offset) const {
    const std::string& key = messages_.at(offset).key;
    return in.with.ordered && !key.empty() && std::ranges::any_of(in.places, [&](const auto& entry) {
               return in_flight(entry.second) && messages_.at(entry.first).key == key;
           });
}

// Whether somebody could be given more. Where there are turns: whoever has it, if that is known, else all.
bool reference_spool::room_at(const std::string& name, const group& in) const {
    const auto has_room = [&](const auto& entry) { return held_by(entry.first) < entry.second.credit; };
    const auto elsewhere_or_room = [&](const auto& entry) {
        return entry.second.group != name || has_room(entry);
    };
    if (!in.with.single_active)
        return std::ranges::any_of(
            consumers_, [&](const auto& entry) { return entry.second.group == name && has_room(entry); });
    if (!in.active.empty()) return has_room(*consumers_.find(in.active));
    const bool turn_is_kept = std::ranges::any_of(in.places, [&](const auto& entry) {
        return entry.second.is == fate::leased && !consumers_.contains(entry.second.holder);
    });
    return !turn_is_kept && view(name).consumers > 0 && std::ranges::all_of(consumers_, elsewhere_or_room);
}

void reference_spool::check_nothing_left(const std::string& name, const group& in) const {
    if (in.with.paused) return;
    if (in.with.max_in_flight > 0 && view(name).leased >= in.with.max_in_flight) return;
    // What is held may be anywhere in the order: these wait for all claims, or need not.
    if ((in.with.single_active || in.with.ordered) && now_ms < claims_until_ms_) return;
    if (!room_at(name, in)) return;
    for (const auto& [offset, each] : in.places)
        if (each.is == fate::ready && each.kept_back == held_back::no && wanted(in, offset) &&
            !key_waits(in, offset))
            disagree(named(name, offset) + " is ready, somebody has room, and it is not delivered");
}

// Whatever was ready before this step began, and still is, must come after what was delivered: by priority,
// then by offset. When messages with a delay come among those of the same priority is free.
void reference_spool::check_order(const delivery& given) const {
    const group& in = groups_.at(given.group);
    if (in.with.ordered) return;  // by key, and that was looked at already
    const message& what = messages_.at(given.offset);
    for (const auto& [offset, each] : in.places) {
        if (each.is != fate::ready || each.ready_since >= step_ || each.kept_back != held_back::no) continue;
        const message& left = messages_.at(offset);
        if (!wanted(in, offset) || (left.delay_ms > 0 && each.redriven)) continue;
        const bool late = left.delay_ms > 0 || what.delay_ms > 0;
        const bool before =
            left.priority != what.priority ? left.priority > what.priority : !late && offset < given.offset;
        if (before)
            disagree(named(given.group, given.offset) + " was delivered before " + std::to_string(offset));
    }
}

// A group goes over what it does not want, in its order, as far as nothing it wants stands in the way.
void reference_spool::skip_unwanted(group& in) {
    if (in.with.paused || in.with.topic.empty()) return;
    std::set<std::pair<unsigned, offset_type>> order;
    for (const auto& [offset, each] : in.places)
        if (each.is == fate::ready && each.kept_back == held_back::no)
            order.emplace(9 - messages_.at(offset).priority, offset);
    for (const auto& [rank, offset] : order) {
        if (wanted(in, offset)) return;
        in.places.at(offset) = {.is = fate::settled};
    }
}

}  // namespace ferry::test
