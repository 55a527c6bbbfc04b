#include "devices/spool/claims.hpp"

#include <algorithm>

namespace ferry {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};

std::vector<std::uint64_t> unclaimed(const group& whose) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, each] : whose.leases())
        if (each.holder == 0) ids.push_back(id);
    return ids;
}

}  // namespace

void claims::open(stream& in, std::uint64_t stored_end, bool clean) {
    for (auto& [number, whose] : in.groups) {
        if (clean) {
            if (whose.leases().empty()) continue;
            // Their deadline is the end of the wait: see tick.
            for (const std::uint64_t id : unclaimed(whose)) whose.extend(*whose.find_lease(id), never);
        } else {
            for (const std::uint64_t id : unclaimed(whose))
                whose.release(id, std::vector<run>{whose.find_lease(id)->runs});
            records::attempt seen{in.number, number,
                                  static_cast<std::uint64_t>(records::attempt_reason::restarted),
                                  whose.perhaps_seen(stored_end, in.lanes, parts_.now)};
            const std::uint64_t below = std::min(stored_end, whose.delivered_mark());
            const bool left = whose.settings.ordered && whose.floor(in.lanes) < below;
            if (seen.runs.empty() && !left) continue;
            if (!seen.runs.empty()) parts_.journal.append(log::record_type::attempt, seen, parts_.now);
            if (left)
                parts_.journal.append(log::record_type::mark,
                                      records::mark{static_cast<std::uint64_t>(records::mark_kind::seen),
                                                    in.number, number, below},
                                      parts_.now);
            parts_.journal.sync_soon(parts_.now, 0);
            whose.await_claims(below);
        }
        parts_.group_runs[{in.number, number}].awaits_claims = true;
        until_ns_ = parts_.now.monotonic_ns + parts_.options.claim_wait_ns;
    }
}

protocol::claim claims::give_back(const session& from, const take_channel& to, const stream& in, group& whose,
                                  const protocol::claim& asked) {
    lease* held = whose.find_lease(asked.lease);
    if (held != nullptr && held->user != from.user) return {asked.lease, {}};
    if (held == nullptr) {
        // Whoever was away for a whole run of the spool may find that somebody else had it meanwhile.
        const bool was_here = from.last_incarnation + 1 >= parts_.options.incarnation;
        if (!whose.awaits_claims() || asked.lease == 0 || !was_here) return {asked.lease, {}};
        held = &whose.new_lease({.id = asked.lease,
                                 .holder = to.holder,
                                 .frame = 0,
                                 .user = from.user,
                                 .deadline_ns = parts_.now.monotonic_ns + to.lease_ns,
                                 .given_ns = parts_.now.monotonic_ns,
                                 .runs = {},
                                 .outstanding = 0});
        for (const run& each : asked.runs) whose.claim(*held, each, in.lanes);
    } else {
        whose.hand_over(*held, to.holder, parts_.now.monotonic_ns + to.lease_ns);
    }
    protocol::claim given{asked.lease, {}};
    for (const tried_run& each : whose.open_under(asked.lease, asked.runs))
        given.runs.push_back({each.offset, each.count});
    return given;
}

std::vector<protocol::claim> claims::give_back(const session& from, const take_channel& to, stream& in,
                                               group& whose, const std::vector<protocol::claim>& asked) {
    std::vector<protocol::claim> all;
    for (const protocol::claim& each : asked) {
        protocol::claim given = give_back(from, to, in, whose, each);
        const lease* held = whose.find_lease(each.lease);
        if (held == nullptr || held->user != from.user) continue;
        run_set rest;
        for (const run& part : held->runs) rest.add(part);
        for (const run& part : each.runs) rest.remove(part);
        std::vector<run> given_up;
        for (const auto& [first, end] : rest.runs()) given_up.push_back({first, end - first});
        if (held->outstanding == 0)
            whose.release(each.lease, {});  // nothing of it was left to give back
        else if (!given_up.empty())
            settlement_.fail_leased(in, whose, each.lease, given_up, records::attempt_reason::nacked,
                                    "given up by its consumer", std::nullopt);
        if (!given.runs.empty()) all.push_back(std::move(given));
    }
    parts_.file(in, whose);
    return all;
}

std::uint64_t claims::wait_left_ms(const group& whose) const {
    const bool waits = until_ns_ != never && (whose.awaits_claims() || !unclaimed(whose).empty());
    if (!waits || until_ns_ <= parts_.now.monotonic_ns) return 0;
    return (until_ns_ - parts_.now.monotonic_ns + 999'999) / 1'000'000;
}

void claims::tick() {
    if (parts_.now.monotonic_ns < until_ns_ || !parts_.read_only_reason.empty()) return;
    until_ns_ = never;
    parts_.journal.flush_acks(parts_.now);
    for (auto& [number, in] : parts_.state.streams())
        for (auto& [group_number, whose] : in.groups) {
            whose.await_claims(0);
            parts_.group_runs[{number, group_number}].awaits_claims = false;
            parts_.touched.insert(number);
            records::attempt seen{
                number, group_number, static_cast<std::uint64_t>(records::attempt_reason::restarted), {}};
            for (const std::uint64_t id : unclaimed(whose))
                for (tried_run each : whose.open_under(id, whose.find_lease(id)->runs)) {
                    ++each.attempt;
                    seen.runs.push_back(each);
                }
            if (seen.runs.empty()) continue;
            parts_.journal.append(log::record_type::attempt, seen, parts_.now);
            parts_.journal.sync_soon(parts_.now, 0);
        }
}

std::uint64_t claims::next_due_ns() const {
    return parts_.read_only_reason.empty() ? until_ns_ : never;
}

}  // namespace ferry
