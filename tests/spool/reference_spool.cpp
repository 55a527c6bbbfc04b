#include "tests/spool/reference_spool.hpp"

#include <algorithm>

namespace ferry::test {
namespace {

constexpr std::uint64_t dedup_window_ms = 600'000;
constexpr std::uint64_t dedup_blur_ms = 1'500;  // ids are kept by the second

using fate = reference_spool::place::fate;
using held_back = reference_spool::place::held_back;
using key_is = reference_spool::place::key;
using retain = reference_spool::stream_settings::retain;
using full = reference_spool::stream_settings::full;

}  // namespace

void reference_spool::disagree(const std::string& what) {
    throw disagreement{what};
}

std::string reference_spool::named(const std::string& group, offset_type offset) {
    return "offset " + std::to_string(offset) + " of group " + group;
}

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

std::uint64_t reference_spool::bytes_kept(bool dead_too) const {
    std::uint64_t sum = 0;
    for (const auto& [offset, each] : messages_)
        if (each.kept && (dead_too || !dead_somewhere(offset))) sum += each.bytes;
    return sum;
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

bool reference_spool::has_room_for(const message& what) const {
    if (settings.when_full == full::drop_oldest) return true;
    return (settings.messages_max == 0 || messages() < settings.messages_max) &&
           (settings.bytes_max == 0 || bytes() + what.bytes <= settings.bytes_max);
}

void reference_spool::wait_for_room(message what) {
    waiting_ = std::move(what);
    check_waiting();
}

// A message with an id that is known needs no room.
void reference_spool::check_waiting() const {
    if (!waiting_) return;
    if (settings.when_full != full::block || has_room_for(*waiting_) || known(waiting_->id, {0, false}))
        disagree("message '" + waiting_->body + "' waits, and should not");
}

void reference_spool::put(std::vector<message> batch,
                          const std::vector<std::pair<offset_type, bool>>& fates) {
    if (waiting_ && !batch.empty() && batch.front().body == waiting_->body) waiting_.reset();
    keep_limits();  // dead letters beyond theirs go first, and make room
    std::size_t told = 0;
    for (message& each : batch) {
        const auto at = told < fates.size() ? fates[told] : std::pair<offset_type, bool>{~0ULL, false};
        const auto before = known(each.id, at);
        if (!before && !has_room_for(each)) {
            if (settings.when_full == full::block)
                disagree("'" + each.body + "' was refused and should wait");
            break;  // what follows does not fit either
        }
        ++told;
        if (at != std::pair{before.value_or(next_), before.has_value()})
            disagree("message '" + each.body + "' should be stored at " +
                     std::to_string(before.value_or(next_)) + (before ? " as a duplicate" : "") +
                     ", the spool says " + (at.first == ~0ULL ? "refused" : std::to_string(at.first)) +
                     (at.second ? " as a duplicate" : ""));
        if (!before) {
            drop_oldest(1, each.bytes);
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

// Dead letters neither go nor count.
void reference_spool::drop_oldest(std::uint64_t messages_more, std::uint64_t bytes_more) {
    if (settings.when_full != full::drop_oldest) return;
    std::uint64_t bytes_left = bytes_kept(false) + bytes_more;
    std::uint64_t left = messages_more;
    for (const auto& [offset, each] : messages_) left += each.kept && !dead_somewhere(offset) ? 1 : 0;
    for (auto& [offset, each] : messages_) {
        if ((settings.messages_max == 0 || left <= settings.messages_max) &&
            (settings.bytes_max == 0 || bytes_left <= settings.bytes_max))
            return;
        if (!each.kept || dead_somewhere(offset)) continue;
        remove(offset, false);
        ++removed_.oldest;
        --left;
        bytes_left -= each.bytes;
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
    drop_oldest(0, 0);
    let_go();
}

void reference_spool::set(const stream_settings& wanted) {
    let_go();
    settings = wanted;
    keep_limits();
    grow_old();
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
    grow_old();
}

void reference_spool::grow_old() {
    if (settings.keeps != retain::age) return;
    for (const auto& [offset, each] : messages_)
        if (each.kept && each.stored_ms + settings.age_ms < now_ms && !dead_somewhere(offset)) {
            ++removed_.retention;
            remove(offset, false);
        }
}

// --- time --------------------------------------------------------------------------------------------------

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
    if (ms >= lease_ms)
        for (auto& [name, each] : groups_) forget_turns(each);
}

// All were silent, or gone: whose turn it is now will show.
void reference_spool::forget_turns(group& in) {
    in.row.clear();
    in.active.clear();
}

// After a crash whatever is open may have been seen, so it may come flagged; what was seen must. All that was
// stored waits for those who may have had it. What was not due, and what is given back meanwhile, may wait or
// not.
void reference_spool::restart(bool clean, std::uint64_t away_ms, const std::set<std::string>& staying) {
    now_ms += away_ms;
    claims_until_ms_ = now_ms + claim_wait_ms;
    std::erase_if(consumers_, [&](const auto& entry) { return !staying.contains(entry.first); });
    for (auto& [name, in] : groups_) {
        in.crashes += clean ? 0 : 1;
        const std::string active = in.active;
        forget_turns(in);
        if (consumers_.contains(active) && held_by(active) > 0) in.active = active;
        for (auto& [offset, each] : in.places) {
            each.kept_back = held_back::no;
            if (!each.open()) continue;
            const bool leased = each.is == fate::leased;
            const bool claimed = leased && !each.unclaimed && staying.contains(each.holder);
            if (clean) {
                each.unclaimed = leased && !claimed;
                continue;
            }
            // An ordered group says of all alike how often they may have been seen.
            each.highest = std::max(each.highest, in.with.ordered ? in.crashes : 0) + 1;
            if (plant_restarts_count) ++each.failures;
            if (each.has_key == key_is::held && !claimed && each.is != fate::delayed)
                each.has_key = key_is::perhaps;
            each.kept_back =
                each.is == fate::ready || (leased && !claimed) ? held_back::must : held_back::may;
            if (leased && !claimed) {
                ++each.lowest;
                make_ready(each);
            }
        }
    }
    time_has_come(false);
}

void reference_spool::end_step() {
    keep_limits();
    for (const delivery& each : deliveries_) check_order(each);
    for (auto& [name, each] : groups_) {
        check_nothing_left(name, each);
        skip_unwanted(each);
    }
    keep_limits();
    check_waiting();
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
