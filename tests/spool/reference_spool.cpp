#include "tests/spool/reference_spool.hpp"

#include <algorithm>

namespace ferry::test {
namespace {

constexpr std::uint64_t dedup_window_ms = 600'000;
constexpr std::uint64_t dedup_blur_ms = 1'500;  // ids are kept by the second

using fate = reference_spool::place::fate;
using held_back = reference_spool::place::held_back;
using retain = reference_spool::stream_settings::retain;

[[noreturn]] void disagree(const std::string& what) {
    throw disagreement{what};
}

std::string named(const std::string& group, std::uint64_t offset) {
    return "offset " + std::to_string(offset) + " of group " + group;
}

}  // namespace

// --- messages ----------------------------------------------------------------------------------------------

bool reference_spool::needed(offset_type offset) const {
    return std::ranges::any_of(groups_, [&](const auto& entry) {
        const auto found = entry.second.places.find(offset);
        return found != entry.second.places.end() && found->second.is != fate::settled;
    });
}

bool reference_spool::dead_somewhere(offset_type offset) const {
    return std::ranges::any_of(groups_, [&](const auto& entry) {
        const auto found = entry.second.places.find(offset);
        return found != entry.second.places.end() && found->second.is == fate::dead;
    });
}

// Retention leaves dead letters alone: they neither go nor count.
std::uint64_t reference_spool::removable() const {
    std::uint64_t count = 0;
    for (const auto& [offset, each] : messages_) count += each.kept && !dead_somewhere(offset) ? 1 : 0;
    return count;
}

// An id is known for ten minutes. It is kept by the second, so near the end of its time both is right.
std::optional<reference_spool::offset_type> reference_spool::known(
    const std::string& id, const std::pair<offset_type, bool>& told) const {
    const auto found = ids_.find(id);
    if (id.empty() || found == ids_.end()) return std::nullopt;
    const std::uint64_t age_ms = now_ms - found->second.second;
    const bool blurred = age_ms + dedup_blur_ms > dedup_window_ms && age_ms < dedup_window_ms + dedup_blur_ms;
    const bool is = blurred ? told.second : age_ms < dedup_window_ms;
    return is ? std::optional{found->second.first} : std::nullopt;
}

bool reference_spool::wanted(const group& by, offset_type offset) const {
    return by.with.topic.empty() || messages_.at(offset).topic == by.with.topic;
}

void reference_spool::store(message what) {
    what.stored_ms = now_ms;
    what.due_ms = what.delay_ms == 0 ? 0 : now_ms + what.delay_ms;
    const std::uint64_t ttl_ms = what.ttl_ms != 0 ? what.ttl_ms : settings.ttl_ms;
    what.expires_ms = ttl_ms == 0 ? 0 : now_ms + ttl_ms;
    if (!what.id.empty()) ids_[what.id] = {next_, now_ms};
    messages_[next_] = std::move(what);
    for (auto& [name, each] : groups_) place_new(each, next_);
}

void reference_spool::put(std::vector<message> batch,
                          const std::vector<std::pair<offset_type, bool>>& fates) {
    std::size_t told = 0;
    for (message& each : batch) {
        const auto at = told < fates.size() ? fates[told] : std::pair<offset_type, bool>{~0ULL, false};
        const auto before = known(each.id, at);
        const bool full = settings.messages_max > 0 && !settings.drop_oldest && !before &&
                          messages() >= settings.messages_max;
        if (full) break;  // what follows does not fit either
        ++told;
        if (at != std::pair{before.value_or(next_), before.has_value()})
            disagree("message '" + each.body + "' should be stored at " +
                     std::to_string(before.value_or(next_)) + (before ? " as a duplicate" : "") +
                     ", the spool says " + (at.first == ~0ULL ? "refused" : std::to_string(at.first)) +
                     (at.second ? " as a duplicate" : ""));
        if (!before) {
            drop_oldest(1);
            store(std::move(each));
        }
        ++next_;  // a duplicate leaves a gap
    }
    if (told != fates.size()) disagree("more messages were stored than there is room for");
}

void reference_spool::remove(offset_type offset, bool dead_too) {
    for (auto& [name, each] : groups_) {
        const auto found = each.places.find(offset);
        if (found != each.places.end() && (dead_too || found->second.is != fate::dead))
            found->second = {.is = fate::settled};
    }
    if (dead_somewhere(offset)) return;
    message& gone = messages_.at(offset);
    gone.kept = false;
    gone.removed = true;
    gone.removed_ms = now_ms;
}

void reference_spool::drop_oldest(std::uint64_t room) {
    if (settings.messages_max == 0 || !settings.drop_oldest) return;
    std::uint64_t left = removable();
    for (auto& [offset, each] : messages_) {
        if (left + room <= settings.messages_max) return;
        if (!each.kept || dead_somewhere(offset)) continue;  // a dead letter stays, for all groups
        remove(offset, false);
        ++removed_.oldest;
        --left;
    }
}

// What all are through with is let go for good, unless the stream keeps it.
void reference_spool::let_go() {
    if (keeps_acked()) return;
    for (auto& [offset, each] : messages_)
        if (!needed(offset)) each.kept = false;
}

void reference_spool::keep_limits() {
    let_go();
    for (auto& [name, each] : groups_)
        while (settings.dead_max > 0 && dead(name).size() > settings.dead_max) {
            each.places.at(*dead(name).begin()) = {.is = fate::settled};
            ++removed_.retention;
        }
    let_go();
    drop_oldest(0);
    let_go();
}

void reference_spool::set(const stream_settings& wanted) {
    let_go();
    settings = wanted;
    keep_limits();
}

void reference_spool::purge() {
    for (const auto& [offset, each] : messages_)
        if (each.kept) {
            ++removed_.purged;
            remove(offset, true);
        }
}

// A message expires once; what is dead by then, or done with, is not concerned.
void reference_spool::expire(offset_type offset) {
    message& over = messages_.at(offset);
    over.expires_ms = 0;
    const bool owed = std::ranges::any_of(groups_, [&](const auto& entry) {
        const auto found = entry.second.places.find(offset);
        return found != entry.second.places.end() && found->second.open();
    });
    if (!over.kept || (!keeps_acked() && !owed)) return;
    if (settings.expired_die) {
        for (auto& [name, each] : groups_) {
            const auto found = each.places.find(offset);
            if (found == each.places.end() || !found->second.open()) continue;
            if (found->second.is != fate::leased) --found->second.lowest, --found->second.highest;
            bury(found->second, "expired");
        }
        if (!keeps_acked()) return;
    }
    // A dead letter stays one, but another group may lose it.
    const bool lost = !dead_somewhere(offset) || (owed && !settings.expired_die);
    removed_.expired += lost ? 1 : 0;
    remove(offset, false);
}

void reference_spool::expire() {
    std::vector<offset_type> over;
    for (const auto& [offset, each] : messages_)
        if (each.expires_ms != 0 && each.expires_ms <= now_ms) over.push_back(offset);
    for (const offset_type each : over) expire(each);
    if (settings.keeps != retain::age) return;
    for (const auto& [offset, each] : messages_)
        if (each.kept && each.stored_ms + settings.age_ms < now_ms && !dead_somewhere(offset)) {
            ++removed_.retention;
            remove(offset, false);
        }
}

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
    for (auto& [offset, each] : groups_.at(name).places) {
        if (!which.contains(offset) || each.is != fate::dead) continue;
        each = {.is = fate::ready, .redriven = true, .ready_since = step_};
        // While others are held back for those who had them, it may be among them.
        if (now_ms < claims_until_ms_) each.kept_back = held_back::may;
    }
}

void reference_spool::drop(const std::string& name, const std::set<offset_type>& which) {
    for (auto& [offset, each] : groups_.at(name).places) {
        if (!which.contains(offset) || each.is != fate::dead) continue;
        each = {.is = fate::settled};
        ++removed_.dropped;
    }
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
}

void reference_spool::leave(const std::string& name) {
    group& of = groups_.at(consumers_.at(name).group);
    for (auto& [offset, each] : of.places)
        if (each.is == fate::leased && each.holder == name) {
            make_ready(each);  // nothing failed, but it is told
            ++each.lowest;
            ++each.highest;
        }
    consumers_.erase(name);
}

void reference_spool::die(const std::string& name) {
    for (auto& [offset, each] : groups_.at(consumers_.at(name).group).places)
        if (each.is == fate::leased && each.holder == name) each.ends_ms = now_ms + lease_ms;
    consumers_.erase(name);
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

void reference_spool::release(const std::string& name, offset_type offset) {
    make_ready(groups_.at(consumers_.at(name).group).places.at(offset));
}

// --- time --------------------------------------------------------------------------------------------------

void reference_spool::end_leases(group& in, bool leases_over) {
    for (auto& [offset, each] : in.places) {
        if (each.is != fate::leased) continue;
        if (each.unclaimed) {
            if (now_ms < claims_until_ms_) continue;
            make_ready(each);  // a restart is no failure, but it is told
            ++each.lowest;
            ++each.highest;
        } else if (consumers_.contains(each.holder) ? leases_over : each.ends_ms <= now_ms) {
            fail(in, each, "the lease expired", {});
        }
    }
}

void reference_spool::time_has_come(bool leases_over) {
    expire();
    for (auto& [name, each] : groups_) {
        end_leases(each, leases_over);
        for (auto& [offset, which] : each.places) {
            const bool due = which.is == fate::waiting ? messages_.at(offset).due_ms <= now_ms
                                                       : which.is == fate::delayed && which.due_ms <= now_ms;
            if (due) make_ready(which);
            if (now_ms >= claims_until_ms_) which.kept_back = held_back::no;
        }
    }
}

void reference_spool::advance(std::uint64_t ms) {
    now_ms += ms;
    time_has_come(ms >= lease_ms);
}

// After a crash whatever is open may have been seen, so it may come flagged; what was seen must. All that was
// stored waits for those who may have had it. What was not due, and what is given back meanwhile, may wait or
// not.
void reference_spool::restart(bool clean, std::uint64_t away_ms, const std::set<std::string>& staying) {
    now_ms += away_ms;
    claims_until_ms_ = now_ms + claim_wait_ms;
    std::erase_if(consumers_, [&](const auto& entry) { return !staying.contains(entry.first); });
    for (auto& [name, in] : groups_)
        for (auto& [offset, each] : in.places) {
            each.kept_back = held_back::no;
            if (!each.open()) continue;
            const bool leased = each.is == fate::leased;
            const bool claimed = leased && !each.unclaimed && staying.contains(each.holder);
            if (clean) {
                each.unclaimed = leased && !claimed;
                continue;
            }
            ++each.highest;
            if (plant_restarts_count) ++each.failures;
            each.kept_back =
                each.is == fate::ready || (leased && !claimed) ? held_back::must : held_back::may;
            if (leased && !claimed) {
                ++each.lowest;
                make_ready(each);
            }
        }
    time_has_come(false);
}

// --- what the real spool shows -----------------------------------------------------------------------------

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
    if (attempt < which.lowest || attempt > which.highest)
        disagree(where + " came as attempt " + std::to_string(attempt) + ", not " +
                 std::to_string(which.lowest) + ".." + std::to_string(which.highest));
    which.is = fate::leased;
    which.holder = name;
    which.lowest = which.highest = attempt;
    deliveries_.push_back({to.group, offset});
    return true;
}

std::uint64_t reference_spool::held_by(const std::string& name) const {
    const auto& places = groups_.at(consumers_.at(name).group).places;
    return static_cast<std::uint64_t>(std::ranges::count_if(places, [&](const auto& entry) {
        return entry.second.is == fate::leased && entry.second.holder == name && !entry.second.unclaimed;
    }));
}

void reference_spool::check_nothing_left(const std::string& name, const group& in) const {
    if (in.with.paused) return;
    if (in.with.max_in_flight > 0 && view(name).leased >= in.with.max_in_flight) return;
    const bool room = std::ranges::any_of(consumers_, [&](const auto& entry) {
        return entry.second.group == name && held_by(entry.first) < entry.second.credit;
    });
    if (!room) return;
    for (const auto& [offset, each] : in.places)
        if (each.is == fate::ready && each.kept_back == held_back::no && wanted(in, offset))
            disagree(named(name, offset) + " is ready, somebody has room, and it is not delivered");
}

// Whatever was ready before this step began, and still is, must come after what was delivered: by priority,
// then by offset. When messages with a delay come among those of the same priority is free.
void reference_spool::check_order(const delivery& given) const {
    const group& in = groups_.at(given.group);
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

void reference_spool::end_step() {
    keep_limits();
    for (const delivery& each : deliveries_) check_order(each);
    for (auto& [name, each] : groups_) {
        check_nothing_left(name, each);
        skip_unwanted(each);
    }
    keep_limits();
    deliveries_.clear();
    ++step_;
}

// What all groups are through with may still be there to read; what was taken away may not.
void reference_spool::read(const std::vector<std::pair<offset_type, std::string>>& seen) const {
    std::set<offset_type> offsets;
    for (const auto& [offset, body] : seen) {
        const auto found = messages_.find(offset);
        if (found == messages_.end() || found->second.removed || found->second.body != body)
            disagree("a reader was given '" + body + "' at offset " + std::to_string(offset));
        if (!offsets.empty() && *offsets.rbegin() >= offset)
            disagree("a reader was given offsets out of order");
        offsets.insert(offset);
    }
    for (const auto& [offset, each] : messages_)
        if (each.kept && !offsets.contains(offset))
            disagree("a reader was not given offset " + std::to_string(offset));
}

void reference_spool::listed(const std::string& name, offset_type offset, std::uint64_t attempt,
                             const std::string& reason) const {
    const place& died = groups_.at(name).places.at(offset);
    if (died.is != fate::dead) disagree(named(name, offset) + " is listed as dead");
    if (died.reason != reason)
        disagree(named(name, offset) + " died of '" + died.reason + "', not " + reason);
    if (attempt < died.lowest || attempt > died.highest)
        disagree(named(name, offset) + " is listed with attempt " + std::to_string(attempt));
}

// --- what it should show -----------------------------------------------------------------------------------

reference_spool::offset_type reference_spool::first() const {
    for (const auto& [offset, each] : messages_)
        if (each.kept) return offset;
    return next_;
}

bool reference_spool::nothing_between(offset_type low, offset_type high) const {
    const auto between = messages_.lower_bound(low);
    return between == messages_.end() || between->first >= high;
}

std::uint64_t reference_spool::messages() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(messages_, [](const auto& entry) { return entry.second.kept; }));
}

std::set<reference_spool::offset_type> reference_spool::dead(const std::string& name) const {
    std::set<offset_type> found;
    for (const auto& [offset, each] : groups_.at(name).places)
        if (each.is == fate::dead) found.insert(offset);
    return found;
}

reference_spool::group_view reference_spool::view(const std::string& name) const {
    group_view seen;
    seen.floor = next_;
    for (const auto& [offset, each] : groups_.at(name).places) {
        seen.ready += each.is == fate::ready ? 1 : 0;
        seen.leased += each.is == fate::leased ? 1 : 0;
        seen.delayed += each.is == fate::waiting || each.is == fate::delayed ? 1 : 0;
        seen.dead += each.is == fate::dead ? 1 : 0;
        if (each.open()) seen.floor = std::min(seen.floor, offset);
    }
    for (const auto& [consumer_name, each] : consumers_) seen.consumers += each.group == name ? 1 : 0;
    return seen;
}

}  // namespace ferry::test
