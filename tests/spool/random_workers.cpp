// What consumers do in a random history, and what time and restarts do to them.
#include "tests/spool/random_history.hpp"

namespace ferry::test {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr std::uint64_t renewed_by_ms = 4'000;  // more than a third of a lease, less than half

}  // namespace

// --- consumers ---------------------------------------------------------------------------------------------

// With so little credit a session asks for more with each message it is done with.
void random_history::join() {
    if (here().groups.empty() || workers_.size() >= 3 + streams_.size()) return;
    const std::string group = any_of(here().groups).first;
    const std::string name = "w" + std::to_string(names_++);
    const std::uint64_t credit = 1 + below(4);
    say(name + " joins " + group + " of " + at_ + " with room for " + std::to_string(credit));
    table_.consumer(name, {.stream = at_, .group = group, .credit_messages = credit});
    workers_[name] = {at_, group, {}};
    model().join(name, group, credit);
}

void random_history::leave() {
    if (workers_.empty()) return;
    const std::string name = any_worker();
    say(name + " leaves");
    table_.session(name).leave(table_.now());
    table_.settle();
    if (!table_.session(name).left()) throw disagreement{name + " cannot leave"};
    table_.disconnect(name);
    workers_.erase(name);
    model().leave(name);
}

// Within a wait of more than a third of a lease it renews what it holds, so it is known when that ends.
void random_history::die() {
    if (workers_.empty()) return;
    const std::string name = any_worker();
    say("after " + std::to_string(renewed_by_ms) + " ms " + name + " dies");
    leap(renewed_by_ms);
    settle();
    table_.disconnect(name);
    workers_.erase(name);
    model().die(name);
}

void random_history::reconnect() {
    if (workers_.empty()) return;
    const std::string name = any_worker();
    say(name + " connects again");
    table_.reconnect(name);
    model().reconnect(name);
}

std::string random_history::any_worker() {
    const auto& [name, each] = any_of(workers_);
    at_ = each.stream;
    return name;
}

std::pair<std::string, std::uint64_t> random_history::any_held() {
    std::vector<std::pair<std::string, std::uint64_t>> all;
    for (const auto& [name, each] : workers_)
        for (const auto& [offset, lease] : each.leases) all.emplace_back(name, offset);
    if (all.empty()) return {};
    const auto& held = any_of(all);
    at_ = workers_.at(held.first).stream;
    return held;
}

void random_history::ack() {
    const auto [name, offset] = any_held();
    if (name.empty()) return;
    say(name + " acks " + std::to_string(offset));
    auto& leases = workers_.at(name).leases;
    if (!with_.plant_lost_ack) table_.session(name).ack(leases.at(offset), offset);
    leases.erase(offset);
    model().ack(name, offset);
}

void random_history::nack() {
    const auto [name, offset] = any_held();
    if (name.empty()) return;
    std::optional<std::uint64_t> delay_ms;
    if (chance(50)) delay_ms = 500 * below(8);
    say(name + " nacks " + std::to_string(offset) +
        (delay_ms ? " for " + std::to_string(*delay_ms) + " ms" : ""));
    auto& leases = workers_.at(name).leases;
    const auto told_ms = with_.plant_hasty_nack && delay_ms ? std::optional<std::uint64_t>{0} : delay_ms;
    table_.session(name).nack(leases.at(offset), offset, told_ms, "no");
    leases.erase(offset);
    model().nack(name, offset, delay_ms);
}

void random_history::give_up() {
    const auto [name, offset] = any_held();
    if (name.empty() || about_.ages || about_.filters) return;
    say(name + " gives up " + std::to_string(offset));
    auto& leases = workers_.at(name).leases;
    table_.session(name).dead_letter(leases.at(offset), offset, "hopeless");
    leases.erase(offset);
    model().give_up(name, offset, "hopeless");
}

void random_history::release() {
    const auto [name, offset] = any_held();
    if (name.empty()) return;
    say(name + " gives back " + std::to_string(offset));
    auto& leases = workers_.at(name).leases;
    table_.session(name).release(leases.at(offset), offset);
    leases.erase(offset);
    model().release(name, offset);
}

// --- time and restarts -------------------------------------------------------------------------------------

void random_history::leap(std::uint64_t ms) {
    for (auto& [name, each] : streams_) each.model.advance(ms);
    table_.leap(ms * ns_per_ms);
}

// Those who live renew their leases in the short waits; in a long one everybody sleeps, and all end.
void random_history::wait() {
    const std::uint64_t ms = chance(85)   ? 250 * (1 + below(12))
                             : chance(90) ? reference_spool::lease_ms + 1'000
                                          : 700'000;
    say("wait " + std::to_string(ms) + " ms");
    leap(ms);
}

void random_history::snapshot() {
    say("snapshot");
    table_.want_snapshot();
}

void random_history::restart() {
    const bool clean = chance(40);
    const std::uint64_t away_ms = chance(60) ? 0 : 250 * (1 + below(12));
    std::set<std::string> staying;
    std::string line = clean ? "stop and start" : "crash";
    for (const auto& [name, each] : workers_)
        if (chance(75)) staying.insert(name);
    line += " after " + std::to_string(away_ms) + " ms, staying:";
    for (const std::string& each : staying) line += " " + each;
    say(line);
    ++restarts_;
    table_.restart(clean, away_ms * ns_per_ms);
    for (const auto& [name, each] : workers_)
        if (staying.contains(name))
            table_.reconnect(name);
        else
            table_.disconnect(name);
    std::erase_if(workers_, [&](const auto& entry) { return !staying.contains(entry.first); });
    for (auto& [name, each] : streams_) each.model.restart(clean, away_ms, staying);
}

}  // namespace ferry::test
