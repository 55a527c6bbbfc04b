#include "devices/spool/succession.hpp"

#include <algorithm>

#include "devices/spool/settlement.hpp"

namespace ferry {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr std::uint64_t silent_ns = 3 * protocol::active_ping_interval_ns;

}  // namespace

const take_channel* succession::channel_of(const turn& whose) const {
    const auto session = parts_.sessions.find(whose.first);
    if (session == parts_.sessions.end()) return nullptr;
    const auto channel = session->second.takes.find(whose.second);
    return channel == session->second.takes.end() ? nullptr : &channel->second;
}

bool succession::heard(const turn& whose) const {
    return parts_.now.monotonic_ns < parts_.sessions.at(whose.first).heard_ns + silent_ns;
}

// Its client joined again on the same connection, as after a long standstill, when it hears late that it was
// forgotten: nobody listens on the older channel.
bool succession::forgotten(const turn& whose) const {
    const auto& channels = parts_.sessions.at(whose.first).takes;
    const take_channel& mine = channels.at(whose.second);
    return std::ranges::any_of(channels, [&](const auto& each) {
        const take_channel& other = each.second;
        return other.stream == mine.stream && other.group == mine.group && other.holder > mine.holder;
    });
}

// Puts the next active consumer at the head of the row; gives its number, 0 when nobody is there.
std::uint64_t succession::choose(group_run& among, const group& whose) const {
    auto& row = among.consumers;
    std::erase_if(row, [this](const turn& each) { return channel_of(each) == nullptr; });
    const auto active = std::ranges::find_if(
        row, [&](const turn& each) { return channel_of(each)->holder == among.active && !forgotten(each); });
    if (active != row.end()) {
        among.active_heard_ns = parts_.sessions.at(active->first).heard_ns;
    } else if (parts_.now.monotonic_ns < among.active_heard_ns + silent_ns) {
        for (const auto& [id, each] : whose.leases())
            if (each.holder == among.active) return among.active;
    }
    if (row.empty()) return 0;
    const auto next =
        std::ranges::find_if(row, [this](const turn& each) { return heard(each) && !forgotten(each); });
    if (next != row.end()) std::rotate(row.begin(), next, row.end());
    return channel_of(row.front())->holder;
}

void succession::end_leases(stream& in, group& whose, std::uint64_t but_of) {
    parts_.journal.flush_acks(parts_.now);
    std::map<std::uint64_t, std::vector<protocol::run>> ending;
    for (const auto& [id, each] : whose.leases())
        if (each.holder != but_of) {
            ending.emplace(id, each.runs);
            tell_over(each.holder, id);
        }
    for (const auto& [id, runs] : ending)
        settlement_.fail_leased(in, whose, id, runs, records::attempt_reason::expired,
                                "another consumer is active now", 0);
}

// Who stands still hears it when it wakes up.
void succession::tell_over(std::uint64_t holder, std::uint64_t lease_id) {
    for (const auto& [number, each] : parts_.sessions)
        for (const auto& [channel_number, channel] : each.takes)
            if (channel.holder == holder)
                parts_.send(number, protocol::encode(protocol::done{channel_number,
                                                                    parts_.options.incarnation,
                                                                    lease_id,
                                                                    {},
                                                                    {},
                                                                    {protocol::everything},
                                                                    {}}));
}

void succession::run() {
    if (!parts_.read_only_reason.empty()) return;
    for (auto at = parts_.successions.begin(); at != parts_.successions.end();) {
        stream* in = parts_.state.find(at->first);
        const auto whose = in == nullptr ? decltype(in->groups.begin()){} : in->groups.find(at->second);
        if (in == nullptr || whose == in->groups.end()) {
            at = parts_.successions.erase(at);
            continue;
        }
        group_run& run = parts_.group_runs[*at++];
        const std::uint64_t active = choose(run, whose->second);
        if (run.awaits_claims || active == run.active) continue;
        run.active = active;
        if (active == 0) continue;  // who held something may come back to it
        end_leases(*in, whose->second, active);
        parts_.touched.insert(in->number);
    }
}

std::uint64_t succession::next_due_ns() const {
    std::uint64_t due = never;
    for (const auto& key : parts_.successions) {
        const auto run = parts_.group_runs.find(key);
        if (run == parts_.group_runs.end() || run->second.consumers.empty()) continue;
        const turn& first = run->second.consumers.front();
        const take_channel* channel = channel_of(first);
        const bool there = channel != nullptr && channel->holder == run->second.active;
        if (there && run->second.consumers.size() < 2) continue;
        const std::uint64_t heard_ns =
            there ? parts_.sessions.at(first.first).heard_ns : run->second.active_heard_ns;
        if (parts_.now.monotonic_ns < heard_ns + silent_ns) due = std::min(due, heard_ns + silent_ns);
    }
    return due;
}

}  // namespace ferry
