#include "devices/spool/administration.hpp"

#include <algorithm>
#include <array>

#include "devices/spool/group_setting.hpp"
#include "devices/spool/request_options.hpp"
#include "devices/spool/start_place.hpp"
#include "devices/spool/stream_setting.hpp"

namespace ferry {
namespace {

using namespace protocol;

// What the stream's row calls the messages that were removed, by reason.
constexpr std::array<std::pair<records::removal_reason, const char*>, 6> removal_names = {{
    {records::removal_reason::damage, "removed_damaged"},
    {records::removal_reason::purge, "removed_purged"},
    {records::removal_reason::retention, "removed_retention"},
    {records::removal_reason::drop_oldest, "removed_oldest"},
    {records::removal_reason::expiry, "removed_expired"},
    {records::removal_reason::dropped, "removed_dropped"},
}};

std::int64_t value(std::uint64_t number) {
    return static_cast<std::int64_t>(number);
}

// One of these words, with spaces between.
bool is_among(std::string_view words, std::string_view name) {
    while (!words.empty()) {
        const std::size_t end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == name) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

}  // namespace

// Those that take settings look at the names themselves.
std::string_view administration::unknown_argument(const command& what, const header_map& arguments) {
    if (what.takes == "*") return {};
    for (const auto& [name, value] : arguments)
        if (name != found_option && !is_among(what.takes, name)) return name;
    return {};
}

std::span<const administration::command> administration::commands() {
    using me = administration;
    using map = header_map;
    static constexpr std::array<command, 17> all = {{
        {"stream.list", verb::consume, "",
         [](me& a, session& s, const map& m) { return a.stream_list(s, m); }},
        {"stream.info", verb::consume, "stream",
         [](me& a, session& s, const map& m) { return a.stream_info(s, m); }},
        {"stream.create", verb::admin, "*",
         [](me& a, session& s, const map& m) { return a.stream_create(s, m); }},
        {"stream.set", verb::admin, "*", [](me& a, session&, const map& m) { return a.upkeep_.set(m); }},
        {"stream.purge", verb::admin, "stream",
         [](me& a, session&, const map& m) { return a.upkeep_.purge(m); }},
        {"stream.remove", verb::admin, "stream",
         [](me& a, session& s, const map& m) { return a.stream_remove(s, m); }},
        {"group.list", verb::consume, "stream",
         [](me& a, session& s, const map& m) { return a.group_list(s, m); }},
        {"group.info", verb::consume, "stream group",
         [](me& a, session& s, const map& m) { return a.group_info(s, m); }},
        {"group.create", verb::admin, "*",
         [](me& a, session& s, const map& m) { return a.group_create(s, m); }},
        {"group.seek", verb::admin, "stream group from",
         [](me& a, session&, const map& m) { return a.upkeep_.seek(m); }},
        {"group.pause", verb::admin, "stream group",
         [](me& a, session&, const map& m) { return a.upkeep_.pause(m, true); }},
        {"group.resume", verb::admin, "stream group",
         [](me& a, session&, const map& m) { return a.upkeep_.pause(m, false); }},
        {"group.remove", verb::admin, "stream group",
         [](me& a, session& s, const map& m) { return a.group_remove(s, m); }},
        {"dead.list", verb::consume, "stream group from",
         [](me& a, session&, const map& m) { return a.dead_.list(m); }},
        {"dead.redrive", verb::admin, "stream group offsets",
         [](me& a, session&, const map& m) { return a.dead_.redrive(m); }},
        {"dead.drop", verb::admin, "stream group offsets",
         [](me& a, session&, const map& m) { return a.dead_.drop(m); }},
        {"spool.stats", verb::admin, "",
         [](me& a, session& s, const map& m) { return a.spool_stats_row(s, m); }},
    }};
    return all;
}

void administration::handle(session& from, const protocol::admin& request) {
    const auto all = commands();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const command& each) { return each.name == request.command; });
    reply answer;
    if (found == all.end()) {
        answer.code = code::unsupported;
        answer.text = "unknown command '" + request.command.substr(0, 64) + "'";
    } else if (!parts_.allowed(from, found->needs, text_of(request.arguments, "stream").value_or(""))) {
        answer.code = code::denied;
        answer.text = "not permitted";
    } else if (const auto unknown = unknown_argument(*found, request.arguments); !unknown.empty()) {
        answer.code = code::bad_option;
        answer.text = unknown_text(unknown);
    } else {
        parts_.journal.flush_acks(parts_.now);
        answer = found->run(*this, from, request.arguments);
    }
    const result message{request.request, std::string{answer.code}, std::move(answer.text),
                         std::move(answer.rows)};
    if (!answer.wait) return parts_.send(from.number, encode(message));
    parts_.journal.sync_now();
    parts_.journal.when(grade::synced,
                        [this, to = from.number, message] { parts_.send(to, encode(message)); });
}

header_map administration::row_of(const stream& of) const {
    std::uint64_t dead = 0;
    for (const auto& [number, each] : of.groups) dead += each.dead_count();
    header_map row{{"name", of.name},
                   {"first", value(of.first)},
                   {"next", value(of.next)},
                   {"messages", value(of.messages())},
                   {"bytes", value(of.bytes())},
                   {"groups", value(of.groups.size())},
                   {"dead", value(dead)}};
    for (const auto& [reason, name] : removal_names)
        row.emplace(name, value(of.removed.at(static_cast<std::size_t>(reason))));
    show_settings(of.settings, row);
    return row;
}

header_map administration::row_of(const stream& of, const group& whose) const {
    std::uint64_t consumers = 0;
    std::string active;
    const auto run = parts_.group_runs.find({of.number, whose.number});
    for (const auto& [number, each] : parts_.sessions)
        for (const auto& [channel_number, channel] : each.takes) {
            if (channel.stream != of.number || channel.group != whose.number) continue;
            ++consumers;
            if (run != parts_.group_runs.end() && run->second.active == channel.holder) active = each.client;
        }
    header_map row{{"stream", of.name},
                   {"name", whose.name},
                   {"ready", value(whose.ready_count(of.next, of.lanes))},
                   {"leased", value(whose.leased_count())},
                   {"delayed", value(whose.waiting_count(of.lanes))},
                   {"dead", value(whose.dead_count())},
                   {"acked_floor", value(std::min(whose.floor(of.lanes), of.next))},
                   {"consumers", value(consumers)},
                   {"active", active},
                   {"from", whose.settings.from},
                   {"paused", std::int64_t{whose.settings.paused}}};
    show_settings(whose.settings, row);
    return row;
}

administration::reply administration::stream_list(session& from, const header_map&) {
    reply answer;
    for (const auto& [number, each] : parts_.state.streams())
        if (parts_.allowed(from, verb::consume, each.name)) answer.rows.push_back(row_of(each));
    std::sort(answer.rows.begin(), answer.rows.end(),
              [](const header_map& a, const header_map& b) { return a.at("name") < b.at("name"); });
    return answer;
}

administration::reply administration::stream_info(session&, const header_map& arguments) {
    reply answer;
    const stream* of = find_stream(parts_, arguments, answer);
    if (of == nullptr) return answer;
    answer.rows.push_back(row_of(*of));
    for (const auto& [number, each] : of->groups) answer.rows.push_back(row_of(*of, each));
    return answer;
}

administration::reply administration::stream_create(session&, const header_map& arguments) {
    reply answer;
    if (find_stream(parts_, arguments, answer) != nullptr) {
        answer.code = code::exists;
        answer.text = "stream '" + *text_of(arguments, "stream") + "' exists";
        return answer;
    }
    if (answer.code != code::no_such_stream) return answer;
    answer = {};
    records::stream_settings wanted{static_cast<std::uint64_t>(parts_.options.default_grade)};
    std::string problem;
    if (!read_settings(arguments, parts_.options.message_bytes_max, wanted, problem))
        return refusal(code::bad_option, std::move(problem));
    if (!parts_.read_only_reason.empty()) return refusal(code::read_only, parts_.read_only_reason);
    parts_.journal.append(
        log::record_type::stream_settings,
        records::stream_change{static_cast<std::uint64_t>(records::settings_change::set),
                               parts_.state.next_stream_number(), *text_of(arguments, "stream"), wanted},
        parts_.now);
    answer.wait = true;
    return answer;
}

void administration::drop_channels(std::uint32_t stream_number, std::optional<std::uint32_t> group,
                                   const std::string& text) {
    for (auto& [number, each] : parts_.sessions) {
        const auto tell = [&, number = number](std::uint64_t channel) {
            parts_.send_error(number, channel, code::removed, text);
        };
        std::erase_if(each.takes, [&](const auto& entry) {
            const take_channel& channel = entry.second;
            const bool of_it = !group || channel.group == group || channel.dead_of == group;
            const bool hit = channel.stream == stream_number && of_it;
            if (hit) tell(entry.first);
            return hit;
        });
        if (group) continue;
        std::erase_if(each.puts, [&](const auto& entry) {
            const bool hit = entry.second.stream == stream_number;
            if (hit) tell(entry.first);
            return hit;
        });
    }
}

administration::reply administration::stream_remove(session&, const header_map& arguments) {
    reply answer;
    const stream* gone = find_stream(parts_, arguments, answer);
    if (gone == nullptr) return answer;
    if (!parts_.read_only_reason.empty()) return {code::read_only, parts_.read_only_reason, {}, false};
    answer.rows.push_back(row_of(*gone));
    const std::uint32_t number = gone->number;
    drop_channels(number, std::nullopt, "stream '" + gone->name + "' was removed");
    parts_.journal.append(
        log::record_type::stream_settings,
        records::stream_change{static_cast<std::uint64_t>(records::settings_change::removed), number,
                               gone->name, gone->settings},
        parts_.now);
    parts_.cache.forget(number);
    parts_.stream_runs.erase(number);
    parts_.journal.when(grade::synced, [this, number] {
        parts_.out.releases.push_back({number, ~std::uint64_t{0}});
    });
    answer.wait = true;
    return answer;
}

administration::reply administration::group_list(session&, const header_map& arguments) {
    reply answer;
    const stream* of = find_stream(parts_, arguments, answer);
    if (of == nullptr) return answer;
    for (const auto& [number, each] : of->groups) answer.rows.push_back(row_of(*of, each));
    return answer;
}

administration::reply administration::group_info(session&, const header_map& arguments) {
    reply answer;
    const auto [of, whose] = find_group(parts_, arguments, answer);
    if (whose != nullptr) answer.rows.push_back(row_of(*of, *whose));
    return answer;
}

administration::reply administration::group_create(session& from, const header_map& arguments) {
    reply answer;
    stream* of = find_stream(parts_, arguments, answer);
    if (of == nullptr) return answer;
    const std::string name = text_of(arguments, "group").value_or("");
    if (of->find_group(name) != nullptr)
        return {code::exists, "group '" + name + "' exists on stream '" + of->name + "'", {}, false};
    const auto unknown =
        unknown_option(arguments, setting_names_and({"stream", "group", "from", found_option}));
    if (!unknown.empty()) return {code::bad_option, unknown_text(unknown), {}, false};
    if (std::string wrong = wrong_value(arguments); !wrong.empty())
        return refusal(code::bad_option, std::move(wrong));
    groups_.find_or_create(from, *of, name, arguments, true, answer.text, answer.code);
    answer.wait = answer.code.empty();
    return answer;
}

administration::reply administration::group_remove(session& from, const header_map& arguments) {
    reply answer = group_info(from, arguments);
    if (!answer.code.empty()) return answer;
    if (!parts_.read_only_reason.empty()) return {code::read_only, parts_.read_only_reason, {}, false};
    stream* of = find_stream(parts_, arguments, answer);
    const group& gone = *of->find_group(*text_of(arguments, "group"));
    const std::uint32_t number = gone.number;
    drop_channels(of->number, number, "group '" + gone.name + "' was removed");
    parts_.journal.append(log::record_type::group_settings,
                          records::group_change{static_cast<std::uint64_t>(records::settings_change::removed),
                                                of->number, number, gone.name, gone.settings, 0, 0},
                          parts_.now);
    parts_.group_runs.erase({of->number, number});
    parts_.touched.insert(of->number);
    answer.wait = true;
    return answer;
}

// How far back message ids are known, when there were too many of them for the time they are meant to be.
std::uint64_t administration::dedup_span_ms() const {
    const auto oldest = parts_.state.ids().oldest_s();
    const std::uint64_t now_ms = parts_.steady_wall_ms();
    return oldest ? now_ms - std::min(now_ms, *oldest * 1000) : 0;
}

spool_stats administration::figures() const {
    const brain_counters& c = parts_.counters;
    return {.incarnation = parts_.options.incarnation,
            .sessions = parts_.sessions.size(),
            .streams = parts_.state.streams().size(),
            .disk_full = parts_.disk_full,
            .messages_stored = c.messages_stored,
            .messages_duplicate = c.messages_duplicate,
            .messages_refused = c.messages_refused,
            .messages_delivered = c.messages_delivered,
            .messages_redelivered = c.messages_redelivered,
            .messages_acked = c.messages_acked,
            .commits = c.commits,
            .messages_nacked = c.messages_nacked,
            .messages_dead = c.messages_dead,
            .messages_redriven = c.messages_redriven,
            .messages_expired = c.messages_expired,
            .messages_removed = c.messages_removed,
            .messages_dropped = c.messages_dropped,
            .messages_aged = c.messages_aged,
            .messages_skipped = c.messages_skipped,
            .messages_damaged = c.messages_damaged,
            .leases_expired = c.leases_expired,
            .acks_stale = c.acks_stale,
            .frames_bad = c.frames_bad,
            .frames_over_window = c.frames_over_window,
            .sessions_silent = c.sessions_silent,
            .sessions_lossy = c.sessions_lossy,
            .dedup_ids = parts_.state.ids().size(),
            .dedup_span = std::chrono::milliseconds{dedup_span_ms()},
            .log_bytes = parts_.log_found.log_bytes,
            .live_bytes = parts_.log_found.live_bytes,
            .segments = parts_.log_found.segments,
            .cold_segments = parts_.log_found.cold_segments,
            .messages_moved = c.messages_moved,
            .segments_emptied = c.segments_emptied,
            .read_only_reason = parts_.read_only_reason};
}

administration::reply administration::spool_stats_row(session&, const header_map&) {
    const spool_stats now = figures();
    header_map row{{"incarnation", value(now.incarnation)},
                   {"sessions", value(now.sessions)},
                   {"streams", value(now.streams)},
                   {"read_only", now.read_only_reason},
                   {"disk_full", std::int64_t{now.disk_full}},
                   {"messages_stored", value(now.messages_stored)},
                   {"messages_duplicate", value(now.messages_duplicate)},
                   {"messages_refused", value(now.messages_refused)},
                   {"messages_delivered", value(now.messages_delivered)},
                   {"messages_redelivered", value(now.messages_redelivered)},
                   {"messages_acked", value(now.messages_acked)},
                   {"commits", value(now.commits)},
                   {"messages_nacked", value(now.messages_nacked)},
                   {"messages_dead", value(now.messages_dead)},
                   {"messages_damaged", value(now.messages_damaged)},
                   {"messages_redriven", value(now.messages_redriven)},
                   {"messages_expired", value(now.messages_expired)},
                   {"messages_removed", value(now.messages_removed)},
                   {"messages_skipped", value(now.messages_skipped)},
                   {"messages_moved", value(now.messages_moved)},
                   {"segments_emptied", value(now.segments_emptied)},
                   {"segments", value(now.segments)},
                   {"cold_segments", value(now.cold_segments)},
                   {"log_bytes", value(now.log_bytes)},
                   {"live_bytes", value(now.live_bytes)},
                   {"messages_dropped", value(now.messages_dropped)},
                   {"messages_aged", value(now.messages_aged)},
                   {"dedup_ids", value(now.dedup_ids)},
                   {"dedup_span_ms", std::int64_t{now.dedup_span.count()}},
                   {"leases_expired", value(now.leases_expired)},
                   {"acks_stale", value(now.acks_stale)},
                   {"frames_bad", value(now.frames_bad)},
                   {"frames_over_window", value(now.frames_over_window)},
                   {"sessions_silent", value(now.sessions_silent)},
                   {"sessions_lossy", value(now.sessions_lossy)}};
    std::vector<header_map> rows{std::move(row)};
    if (parts_.options.add_stats) parts_.options.add_stats(rows);
    return {{}, {}, std::move(rows), false};
}

}  // namespace ferry
