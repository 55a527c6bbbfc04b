#include <algorithm>
#include <stdexcept>

#include "tests/sim/world.hpp"

namespace ferry::test {

void model::broken(const std::string& what) const {
    throw std::logic_error{what + " (seed " + std::to_string(seed_) + ")"};
}

// Texts read "producer:number"; numbers of one producer rise.
void model::place(const std::string& text, std::uint64_t offset) {
    if (!put_.contains(text)) broken("phantom: '" + text + "' was never put");
    if (refused_.contains(text)) broken("'" + text + "' was refused and is stored");
    if (const auto [at, fresh] = at_offset_.emplace(offset, text); !fresh && at->second != text)
        broken("offset " + std::to_string(offset) + " held '" + at->second + "' and now holds '" + text +
               "'");
    const auto [known, fresh] = offset_of_.emplace(text, offset);
    if (!fresh && known->second != offset)
        broken("'" + text + "' is stored twice, at " + std::to_string(known->second) + " and " +
               std::to_string(offset));
    if (!fresh) return;
    const std::string producer = text.substr(0, text.find(':'));
    const int number = std::stoi(text.substr(text.find(':') + 1));
    for (const auto& [other, other_offset] : offset_of_) {
        if (other.substr(0, other.find(':')) != producer || other == text) continue;
        const bool before = std::stoi(other.substr(other.find(':') + 1)) < number;
        if (before != (other_offset < offset)) broken("'" + other + "' and '" + text + "' changed order");
    }
}

void model::refused(const std::string& text) {
    if (offset_of_.contains(text)) broken("'" + text + "' is stored and was refused");
    refused_.insert(text);
}

void model::confirmed(const std::string& text, std::uint64_t offset, instant now) {
    place(text, offset);
    confirmed_.emplace(text, offset);
    if (const auto lives = ttls_.find(text); lives != ttls_.end())
        gone_by_.emplace(offset, instant{now.monotonic_ns + lives->second, now.wall_ns + lives->second});
}

void model::shown(const std::string& group, const std::string& text, std::uint64_t offset,
                  std::uint64_t attempt) {
    ++shown_total_;
    place(text, offset);
    if (const auto of = unwanted_.find(group); of != unwanted_.end() && of->second.contains(text))
        broken("'" + text + "' reached " + group + ", which does not want it");
    const bool again = !shown_[group].insert(offset).second;
    if (offset < loose_below_[group]) return;
    if (acked_[group].contains(offset)) broken("'" + text + "' came again although its ack was answered");
    if (dead_[group].contains(offset))
        broken("'" + text + "' came again to " + group + " although it was answered that it is dead");
    if (again && attempt == 1 && redriven_[group][offset]-- <= 0)
        broken("'" + text + "' came again to " + group + " and was not flagged");
}

void model::ack_answered(const std::string& group, std::uint64_t offset) {
    acked_[group].insert(offset);
}

// Between the consumer's word and the answer somebody may have had it redriven.
void model::dead_answered(const std::string& group, std::uint64_t offset) {
    ++given_up_total_;
    if (redrives_[group][offset] == redrives_when_given_up_[group][offset]) dead_[group].insert(offset);
}

void model::given_in_order(const std::string& group, const std::string& text, std::uint64_t offset) {
    const auto key = keys_.find(text);
    if (key == keys_.end()) return;
    key_at_.emplace(offset, key->second);
    if (offset < loose_below_[group] || ever_redriven_[group].contains(offset)) return;
    std::uint64_t& last = last_given_[group][key->second];
    if (offset < last)
        broken("'" + text + "' at " + std::to_string(offset) + " was overtaken by " + std::to_string(last) +
               " of its key in " + group);
    last = offset;
}

void model::out_together(const std::string& group, const std::vector<std::uint64_t>& offsets) const {
    std::map<std::uint64_t, std::uint64_t> of_key;
    for (const std::uint64_t offset : offsets) {
        const auto key = key_at_.find(offset);
        if (key == key_at_.end()) continue;
        const auto [other, first] = of_key.emplace(key->second, offset);
        if (!first)
            broken("two messages of one key are out in " + group + ": " + std::to_string(other->second) +
                   " and " + std::to_string(offset));
    }
}

void model::redrive_asked(const std::string& group, const std::vector<protocol::run>& dead) {
    for (const protocol::run& each : dead) {
        moved_total_ += each.count;
        for (std::uint64_t offset = each.first; offset < each.end(); ++offset) {
            ++redriven_[group][offset];
            ++redrives_[group][offset];
            dead_[group].erase(offset);
            ever_redriven_[group].insert(offset);
        }
    }
}

void model::drop_asked(const std::string& group, const std::vector<protocol::run>& dead) {
    for (const protocol::run& each : dead) {
        moved_total_ += each.count;
        for (std::uint64_t offset = each.first; offset < each.end(); ++offset) {
            perhaps_dropped_[group].insert(offset);
            dropped_[group].insert(offset);
        }
    }
}

void model::drop_lost(const std::string& group, const std::vector<protocol::run>& dead) {
    for (const protocol::run& each : dead)
        for (std::uint64_t offset = each.first; offset < each.end(); ++offset) dropped_[group].erase(offset);
}

void model::loosened(const std::string& group, std::uint64_t end) {
    std::uint64_t& below = loose_below_[group];
    below = std::max(below, end);
}

void model::given(const std::string& group, const protocol::delivered_run& what, instant now) const {
    // Which of the two clocks it goes by depends on restarts. A dead letter that is redriven comes however
    // old it is.
    const auto redriven = ever_redriven_.find(group);
    for (auto gone = gone_by_.lower_bound(what.offset); gone != gone_by_.end() && gone->first < what.end();
         ++gone)
        if (now.monotonic_ns > gone->second.monotonic_ns && now.wall_ns > gone->second.wall_ns &&
            (redriven == ever_redriven_.end() || !redriven->second.contains(gone->first)))
            broken("offset " + std::to_string(gone->first) + " had expired and was given to " + group);
    const auto paused = paused_.find(group);
    if (paused != paused_.end() && paused->second) broken(group + " is paused and was given something");
    if (what.offset < purged_)
        broken("offset " + std::to_string(what.offset) + " was purged and given to " + group);
    const auto dropped = dropped_.find(group);
    const auto loose = loose_below_.find(group);
    const std::uint64_t from = loose == loose_below_.end() ? 0 : loose->second;
    for (std::uint64_t offset = std::max(what.offset, from); offset < what.end(); ++offset)
        if (dropped != dropped_.end() && dropped->second.contains(offset))
            broken("offset " + std::to_string(offset) + " was dropped and given to " + group);
}

// By a seek, a purge, a drop, its age or for want of room, and not because somebody was through with it.
bool model::may_be_gone(const std::string& group, std::uint64_t offset) const {
    const auto dropped = perhaps_dropped_.find(group);
    const auto loose = loose_below_.find(group);
    return may_drop_ || !ttls_.empty() || offset < purged_ ||
           (loose != loose_below_.end() && offset < loose->second) ||
           (dropped != perhaps_dropped_.end() && dropped->second.contains(offset));
}

void model::finished() {
    for (const auto& [group, since] : exists_from_)
        for (const auto& [text, offset] : confirmed_)
            if (!unwanted_[group].contains(text) && put_.at(text) >= since &&
                !shown_[group].contains(offset) && !perhaps_dropped_[group].contains(offset) &&
                offset >= loose_below_[group]) {
                if (!may_drop_ && !ttls_.contains(text))
                    broken("'" + text + "' was confirmed and never reached " + group);
                ++never_seen_;
            }
    for (const auto& [group, settlings] : settlings_)
        for (const auto& [offset, in_time] : settlings)
            if (in_time == 0 && !may_be_gone(group, offset))
                broken("offset " + std::to_string(offset) + " of " + group +
                       " is done, and all who settled it were told that they came too late");
    for (const std::string& text : owed_)
        if (!offset_of_.contains(text)) broken("'" + text + "' was committed and never seen");
}

}  // namespace ferry::test
