#include "devices/spool/settlement.hpp"

#include <algorithm>
#include <array>

#include "devices/spool/claims.hpp"
#include "devices/spool/dispatcher.hpp"
#include "devices/spool/group_setting.hpp"
#include "devices/spool/request_options.hpp"
#include "devices/spool/start_place.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t ack_sync_within_ns = 10'000'000;
constexpr std::uint64_t delay_max_ms = 10ULL * 366 * 24 * 3600 * 1000;  // ten years; clocks hold no more
constexpr std::size_t reason_bytes_max = 1024;
constexpr std::uint64_t never = ~std::uint64_t{0};

std::string name_problem(const std::string& name) {
    return "bad group name '" + name.substr(0, name_bytes_max) +
           "': letters, digits, '.', '_' and '-', 1 to 128 of them";
}

std::string lease_expects(std::uint64_t most_ms) {
    return "a lease of this group is 1 ms to " + std::to_string(most_ms) + " ms";
}

// Who says again that a message is dead is told that it is so.
void know_the_dead(const group& whose, ack_outcome& outcome) {
    for (run each : std::exchange(outcome.stale, {}))
        while (each.count > 0) {
            const auto died = whose.dead().next(each.first);
            const bool dead = died && died->offset == each.first;
            const std::uint64_t end =
                !died ? each.end() : std::min(each.end(), dead ? died->end() : died->offset);
            (dead ? outcome.already : outcome.stale).push_back({each.first, end - each.first});
            each = {end, each.end() - end};
        }
    outcome.already = each_once(std::move(outcome.already));
}

}  // namespace

group* settlement::find_or_create(session& from, stream& in, const std::string& name,
                                  const header_map& options, bool create, std::string& problem,
                                  std::string_view& problem_code) {
    const auto refuse = [&](std::string_view why, std::string text) -> group* {
        problem_code = why;
        problem = std::move(text);
        return nullptr;
    };
    if (!good_name(name)) return refuse(code::bad_name, name_problem(name));
    group_settings asked;
    group* found = in.find_group(name);
    if (found != nullptr) asked = found->settings;
    if (const auto value = text_of(options, "from")) asked.from = *value;
    if (std::string wrong; !read_settings(options, asked, wrong)) return refuse(code::bad_option, wrong);
    if (found != nullptr) {
        if (found->settings == asked) return found;
        return refuse(code::differs, "group '" + name + "' exists with other settings: " +
                                         show_differences(found->settings, asked));
    }
    if (!create) return refuse(code::no_such_group, "no group '" + name + "' on stream '" + in.name + "'");
    if (!parts_.allowed(from, verb::consume, in.name)) return refuse(code::denied, "not permitted");
    if (!parts_.read_only_reason.empty()) return refuse(code::read_only, parts_.read_only_reason);
    const auto start = start_offset(in, options);
    if (!start)
        return refuse(code::bad_option,
                      std::string{start_expects} + ", not '" + asked.from.substr(0, 64) + "'");
    if (*start > in.next) return refuse(code::bad_option, not_there_yet(in, *start));

    const std::uint32_t fresh = parts_.state.next_group_number();
    const std::uint64_t mark = *start + mark_pace::step_least;
    parts_.journal.append(log::record_type::group_settings,
                          records::group_change{static_cast<std::uint64_t>(records::settings_change::set),
                                                in.number, fresh, name, asked, *start, mark},
                          parts_.now);
    parts_.journal.sync_now();
    parts_.journal.when(grade::synced, [this, key = brain_parts::group_key{in.number, fresh}, mark] {
        group_run& run = parts_.group_runs[key];
        run.mark_durable = std::max(run.mark_durable, mark);
        parts_.touched.insert(key.first);
    });
    return in.find_group(name);
}

void settlement::join(session& from, const protocol::join& request, claims& held) {
    const auto refuse = [&](std::string_view why, std::string text) {
        parts_.send_error(from.number, request.channel, why, std::move(text));
    };
    const bool create = flag_of(request.options, "create", true);
    if (request.channel == 0) return refuse(code::bad_frame, "a channel has a number above 0");
    if (!good_name(request.stream))
        return refuse(code::bad_name, "bad stream name: letters, digits, '.', '_' and '-', 1 to 128 of them");
    if (!parts_.allowed(from, verb::consume, request.stream))
        return refuse(code::denied, "user '" + from.user + "' may not consume '" + request.stream + "'");
    if (!from.has_room_for(request.channel)) return refuse(code::full, "too many channels");
    const auto unknown =
        request.group
            ? unknown_option(request.options, setting_names_and({"create", "from", "lease_ms", found_option}))
            : unknown_option(request.options, std::array<std::string_view, 5>{"create", "from", "until",
                                                                              "dead_of", found_option});
    if (!unknown.empty()) return refuse(code::bad_option, unknown_text(unknown));
    if (std::string wrong = wrong_value(request.options); !wrong.empty())
        return refuse(code::bad_option, std::move(wrong));
    stream* in = parts_.state.find(request.stream);
    if (in == nullptr && (!create || !request.group))
        return refuse(code::no_such_stream, "no stream '" + request.stream + "'");
    if (!parts_.read_only_reason.empty() && request.group)
        return refuse(code::read_only, parts_.read_only_reason);
    if (in == nullptr) {
        // What is refused below makes no stream.
        group_settings asked;
        stream unmade;
        unmade.name = request.stream;
        const auto start = start_offset(unmade, request.options);
        if (!good_name(*request.group)) return refuse(code::bad_name, name_problem(*request.group));
        if (std::string wrong; !read_settings(request.options, asked, wrong))
            return refuse(code::bad_option, wrong);
        if (!start) return refuse(code::bad_option, std::string{start_expects});
        if (*start > 0) return refuse(code::bad_option, not_there_yet(unmade, *start));
        const std::uint64_t lease_ms = number_of(request.options, "lease_ms").value_or(asked.lease_ms);
        if (lease_ms == 0 || lease_ms > asked.lease_max_ms)
            return refuse(code::bad_option, lease_expects(asked.lease_max_ms));
        const std::uint32_t fresh = parts_.state.next_stream_number();
        parts_.journal.append(
            log::record_type::stream_settings,
            records::stream_change{static_cast<std::uint64_t>(records::settings_change::set),
                                   fresh,
                                   request.stream,
                                   {static_cast<std::uint64_t>(parts_.options.default_grade)}},
            parts_.now);
        in = parts_.state.find(fresh);
    }
    take_channel channel;
    channel.stream = in->number;
    channel.holder = parts_.next_holder++;
    joined reply{request.channel, 0, 0, {}, 0, 0};
    if (request.group) {
        std::string problem;
        std::string_view problem_code;
        group* whose =
            find_or_create(from, *in, *request.group, request.options, create, problem, problem_code);
        if (whose == nullptr) return refuse(problem_code, problem);
        reply.lease_ms = number_of(request.options, "lease_ms").value_or(whose->settings.lease_ms);
        if (reply.lease_ms == 0 || reply.lease_ms > whose->settings.lease_max_ms)
            return refuse(code::bad_option, lease_expects(whose->settings.lease_max_ms));
        channel.group = whose->number;
        channel.lease_ns = reply.lease_ms * 1'000'000;
        parts_.journal.flush_acks(parts_.now);
        std::vector<claim> claimed = request.leases;
        for (claim& each : claimed) each.runs = each_once(std::move(each.runs));
        reply.leases = held.give_back(from, channel, *in, *whose, claimed);
        reply.claim_wait_ms = held.wait_left_ms(*whose);
        channel.read_from = whose->cursor();
        if (whose->settings.single_active) reply.ping_ms = active_ping_interval_ns / 1'000'000;
        take_place(from, request.channel, channel, *whose, !reply.leases.empty());
    } else {
        const auto start = start_offset(*in, request.options);
        if (!start) return refuse(code::bad_option, std::string{start_expects});
        channel.read_from = *start;
        channel.read_until = number_of(request.options, "until").value_or(never);
        // Whoever reads up to somewhere is at the end already.
        if (*start > in->next && (!channel.has_end() || *start < channel.read_until))
            return refuse(code::bad_option, not_there_yet(*in, *start));
        if (const auto name = text_of(request.options, "dead_of")) {
            const group* whose = in->find_group(*name);
            if (whose == nullptr)
                return refuse(code::no_such_group, "no group '" + name->substr(0, name_bytes_max) +
                                                       "' on stream '" + in->name + "'");
            channel.dead_of = whose->number;
        }
    }
    reply.start = channel.read_from;
    from.takes.insert_or_assign(request.channel, channel);
    parts_.channels.changed();
    if (!request.group) parts_.stream_runs[in->number].readers.emplace(from.number, request.channel);
    parts_.touched.insert(in->number);
    if (!request.group) return parts_.send(from.number, encode(reply));
    parts_.journal.sync_now();
    parts_.journal.when(grade::synced, [this, to = from.number, reply] { parts_.send(to, encode(reply)); });
}

// Who joins twice on one channel is still one consumer, and has one turn. Of a group in which one is active,
// who was given back what it held goes first: it was active when its connection, or the spool, was lost.
void settlement::take_place(const session& from, std::uint64_t channel_number, const take_channel& channel,
                            const group& whose, bool claimed) {
    const brain_parts::group_key key{channel.stream, whose.number};
    auto& turns = parts_.group_runs[key].consumers;
    const std::pair turn{from.number, channel_number};
    const bool first = claimed && whose.settings.single_active;
    if (first) std::erase(turns, turn);
    if (std::ranges::find(turns, turn) == turns.end())
        turns.insert(first ? turns.begin() : turns.end(), turn);
    if (whose.settings.single_active) parts_.successions.insert(key);
}

settlement::target settlement::find(session& from, std::uint64_t channel_number) {
    target result;
    const auto channel = from.takes.find(channel_number);
    if (channel == from.takes.end()) {
        parts_.send_error(from.number, channel_number, code::no_channel, "the channel is not joined");
        return result;
    }
    result.channel = &channel->second;
    result.in = parts_.state.find(channel->second.stream);
    if (result.in == nullptr || !channel->second.group) return result;
    const auto whose = result.in->groups.find(*channel->second.group);
    if (whose != result.in->groups.end()) result.whose = &whose->second;
    return result;
}

void settlement::credit(session& from, const protocol::credit& request) {
    const auto found = from.takes.find(request.channel);
    if (found == from.takes.end())
        return parts_.send_error(from.number, request.channel, code::no_channel, "the channel is not joined");
    take_channel& channel = found->second;
    channel.messages_max = std::max(channel.messages_max, request.messages);
    channel.bytes_max = std::max(channel.bytes_max, request.bytes);
    channel.frames_read = std::min(std::max(channel.frames_read, request.frames), channel.frames);
    while (channel.frames - channel.frames_read < channel.unread.size()) {
        channel.unread_bytes -= channel.unread.front();
        channel.unread.pop_front();
    }
    parts_.touched.insert(channel.stream);
}

void settlement::answer(const session& to, std::uint64_t channel_number, std::uint64_t lease_id,
                        const stream& in, ack_outcome outcome, bool durable) {
    for (const run& each : outcome.stale) parts_.counters.acks_stale += each.count;
    const done reply{channel_number,
                     parts_.options.incarnation,
                     lease_id,
                     std::move(outcome.leased),
                     std::move(outcome.already),
                     std::move(outcome.stale),
                     std::move(outcome.gone)};
    if (!durable) return parts_.send(to.number, encode(reply));
    const auto of_stream = static_cast<grade>(in.settings.grade);
    if (of_stream == grade::synced) parts_.journal.sync_soon(parts_.now, ack_sync_within_ns);
    parts_.journal.when(of_stream, [this, number = to.number, reply] { parts_.send(number, encode(reply)); });
}

ack_outcome settlement::judge(const session& from, const target& to, std::uint64_t lease_id,
                              const std::vector<run>& runs) {
    ack_outcome outcome;
    if (to.whose == nullptr) {
        outcome.gone = each_once(runs);
        return outcome;
    }
    const lease* held = to.whose->find_lease(lease_id);
    const bool own = held == nullptr || held->user == from.user;
    for (const run& each : each_once(runs)) to.whose->judge(own ? lease_id : 0, each, to.in->lanes, outcome);
    return outcome;
}

void settlement::ack(session& from, const protocol::ack& request) {
    const target to = find(from, request.channel);
    if (to.channel == nullptr) return;
    ack_outcome outcome = judge(from, to, request.lease, request.runs);
    if (to.whose == nullptr)
        return answer(from, request.channel, request.lease, stream{}, std::move(outcome), false);
    if (!parts_.read_only_reason.empty())
        return parts_.send_error(from.number, request.channel, code::read_only, parts_.read_only_reason);
    for (const run& each : outcome.leased) {
        parts_.counters.messages_acked += each.count;
        parts_.journal.acked(to.in->number, to.whose->number, each);
    }
    parts_.touched.insert(to.in->number);
    // What was acked before may have been so in this very turn: the answer waits all the same.
    const bool durable = !outcome.leased.empty() || !outcome.already.empty();
    answer(from, request.channel, request.lease, *to.in, std::move(outcome), durable);
}

void settlement::fail_leased(stream& in, group& whose, std::uint64_t lease_id, const std::vector<run>& runs,
                             records::attempt_reason why, const std::string& reason,
                             std::optional<std::uint64_t> delay_ms) {
    records::attempt again{in.number, whose.number, static_cast<std::uint64_t>(why), {}};
    records::dead over{in.number, whose.number, {}};
    for (const tried_run& each : whose.open_under(lease_id, runs)) {
        const std::uint64_t failures = each.failures + 1;
        if (failures >= whose.settings.max_attempts) {
            parts_.counters.messages_dead += each.count;
            over.runs.push_back({each.offset, each.count, each.attempt, reason, parts_.now.wall_ns});
            continue;
        }
        const auto& backoff = whose.settings.backoff_ms;
        const std::uint64_t waits =
            backoff.empty() ? 0 : backoff[std::min<std::size_t>(failures, backoff.size()) - 1];
        const std::uint64_t ms = std::min(delay_ms.value_or(waits), delay_max_ms);
        const std::uint64_t due = ms == 0 ? 0 : parts_.now.wall_ns + ms * 1'000'000;
        again.runs.push_back({each.offset, each.count, each.attempt + 1, failures, due});
    }
    if (!again.runs.empty()) parts_.journal.append(log::record_type::attempt, again, parts_.now);
    if (!over.runs.empty()) parts_.journal.append(log::record_type::dead, over, parts_.now);
    parts_.journal.sync_soon(parts_.now, ack_sync_within_ns);
    parts_.file(in, whose);
    parts_.touched.insert(in.number);
}

void settlement::nack(session& from, const protocol::nack& request) {
    const target to = find(from, request.channel);
    if (to.whose == nullptr) return;
    if (!parts_.read_only_reason.empty())
        return parts_.send_error(from.number, request.channel, code::read_only, parts_.read_only_reason);
    parts_.journal.flush_acks(parts_.now);
    ack_outcome outcome = judge(from, to, request.lease, request.runs);
    for (const run& each : outcome.leased) parts_.counters.messages_nacked += each.count;
    const std::string reason = request.reason.empty() ? "nacked" : request.reason.substr(0, reason_bytes_max);
    fail_leased(*to.in, *to.whose, request.lease, outcome.leased, records::attempt_reason::nacked, reason,
                request.delay_ms);
    answer(from, request.channel, request.lease, *to.in, std::move(outcome), true);
}

void settlement::dead(session& from, const protocol::dead& request) {
    const target to = find(from, request.channel);
    if (to.channel == nullptr) return;
    if (to.whose == nullptr)
        return answer(from, request.channel, request.lease, stream{},
                      judge(from, to, request.lease, request.runs), false);
    if (!parts_.read_only_reason.empty())
        return parts_.send_error(from.number, request.channel, code::read_only, parts_.read_only_reason);
    parts_.journal.flush_acks(parts_.now);
    ack_outcome outcome = judge(from, to, request.lease, request.runs);
    const std::string reason =
        request.reason.empty() ? "given up by its consumer" : request.reason.substr(0, reason_bytes_max);
    records::dead over{to.in->number, to.whose->number, {}};
    for (const tried_run& each : to.whose->open_under(request.lease, outcome.leased)) {
        parts_.counters.messages_dead += each.count;
        over.runs.push_back({each.offset, each.count, each.attempt, reason, parts_.now.wall_ns});
    }
    if (!over.runs.empty()) parts_.journal.append(log::record_type::dead, over, parts_.now);
    parts_.journal.sync_soon(parts_.now, ack_sync_within_ns);
    parts_.file(*to.in, *to.whose);
    parts_.touched.insert(to.in->number);
    know_the_dead(*to.whose, outcome);
    answer(from, request.channel, request.lease, *to.in, std::move(outcome), true);
}

void settlement::release(session& from, const protocol::release& request) {
    const target to = find(from, request.channel);
    if (to.whose == nullptr) return;
    parts_.journal.flush_acks(parts_.now);
    ack_outcome outcome = judge(from, to, request.lease, request.runs);
    to.whose->release(request.lease, outcome.leased);
    parts_.touched.insert(to.in->number);
    answer(from, request.channel, request.lease, *to.in, std::move(outcome), false);
}

void settlement::extend(session& from, const protocol::extend& request) {
    const target to = find(from, request.channel);
    if (to.whose == nullptr) return;
    for (const std::uint64_t id : request.leases) {
        lease* held = to.whose->find_lease(id);
        if (held == nullptr || held->user != from.user) {
            parts_.send(
                from.number,
                encode(done{request.channel, parts_.options.incarnation, id, {}, {}, {everything}, {}}));
            continue;
        }
        const std::uint64_t wanted = parts_.now.monotonic_ns + to.channel->lease_ns;
        to.whose->extend(*held,
                         std::min(wanted, held->given_ns + to.whose->settings.lease_max_ms * 1'000'000));
    }
    parts_.file(*to.in, *to.whose);
}

void settlement::give_back(stream& in, group& whose, std::uint64_t lease_id, const std::vector<run>& runs) {
    records::attempt again{
        in.number, whose.number, static_cast<std::uint64_t>(records::attempt_reason::left), {}};
    for (const tried_run& each : whose.open_under(lease_id, runs))
        again.runs.push_back({each.offset, each.count, each.attempt + 1, each.failures, 0});
    if (again.runs.empty()) return;
    parts_.journal.append(log::record_type::attempt, again, parts_.now);
    parts_.journal.sync_soon(parts_.now, ack_sync_within_ns);
    parts_.file(in, whose);
}

// What this consumer still holds goes back at once: flagged what it had received, for it may have been shown
// to somebody; without an attempt used what was still on its way.
void settlement::leave(session& from, const protocol::leave& request) {
    if (from.puts.erase(request.channel) > 0) return;
    const target to = find(from, request.channel);
    if (to.channel == nullptr) return;
    if (to.whose != nullptr && parts_.read_only_reason.empty()) {
        parts_.journal.flush_acks(parts_.now);
        std::map<std::uint64_t, std::pair<bool, std::vector<run>>> held;
        for (const auto& [id, each] : to.whose->leases())
            if (each.holder == to.channel->holder)
                held.emplace(id, std::pair{each.frame <= request.frames, each.runs});
        for (const auto& [id, what] : held)
            if (what.first)
                give_back(*to.in, *to.whose, id, what.second);
            else
                to.whose->release(id, what.second);
        parts_.touched.insert(to.in->number);
    }
    from.takes.erase(request.channel);
}

void settlement::tick() {
    if (!parts_.read_only_reason.empty()) return;
    for (const auto& [stream_number, group_number] : parts_.groups_due.take(parts_.now.monotonic_ns)) {
        stream* in = parts_.state.find(stream_number);
        if (in == nullptr) continue;
        const auto found = in->groups.find(group_number);
        if (found == in->groups.end()) continue;
        group& whose = found->second;
        end_leases(*in, whose);
        if (whose.wake_due(parts_.now.monotonic_ns)) parts_.touched.insert(stream_number);
        parts_.file(*in, whose);
    }
}

void settlement::end_leases(stream& in, group& whose) {
    if (whose.next_deadline_ns() > parts_.now.monotonic_ns) return;
    parts_.journal.flush_acks(parts_.now);
    std::set<std::uint64_t> holders;
    for (const std::uint64_t id : whose.expired(parts_.now.monotonic_ns)) {
        ++parts_.counters.leases_expired;
        holders.insert(whose.find_lease(id)->holder);
        const std::vector<run> runs = whose.find_lease(id)->runs;
        fail_leased(in, whose, id, runs, records::attempt_reason::expired, "the lease expired", std::nullopt);
    }
    for (const auto& [number, channel_number] : parts_.group_runs[{in.number, whose.number}].consumers)
        note_silence(number, channel_number, holders);
}

// Who let a lease end without a word stands still, and what it had must not come to it again.
void settlement::note_silence(std::uint64_t number, std::uint64_t channel_number,
                              const std::set<std::uint64_t>& holders) {
    session* who = parts_.find_session(number);
    const auto channel = who == nullptr ? decltype(who->takes.begin()){} : who->takes.find(channel_number);
    if (who == nullptr || channel == who->takes.end() || !holders.contains(channel->second.holder)) return;
    // A living one renews what it holds three times in the length of a lease.
    if (who->heard_ns + channel->second.lease_ns / 2 > parts_.now.monotonic_ns) return;
    who->mute = channel->second.mute = true;
}

std::uint64_t settlement::next_due_ns() const {
    return parts_.read_only_reason.empty() ? parts_.groups_due.next() : never;
}

}  // namespace ferry
