#include "devices/spool/administration.hpp"

#include <algorithm>
#include <array>

#include "devices/spool/request_options.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::array<std::string_view, 3> grade_names = {"synced", "written", "queued"};

std::int64_t value(std::uint64_t number) {
    return static_cast<std::int64_t>(number);
}

}  // namespace

void administration::handle(session& from, const protocol::admin& request) {
    struct command {
        std::string_view name;
        verb needs;
        reply (administration::*run)(session&, const header_map&);
    };
    static constexpr std::array<command, 9> commands = {{
        {"stream.list", verb::consume, &administration::stream_list},
        {"stream.info", verb::consume, &administration::stream_info},
        {"stream.create", verb::admin, &administration::stream_create},
        {"stream.remove", verb::admin, &administration::stream_remove},
        {"group.list", verb::consume, &administration::group_list},
        {"group.info", verb::consume, &administration::group_info},
        {"group.create", verb::admin, &administration::group_create},
        {"group.remove", verb::admin, &administration::group_remove},
        {"spool.stats", verb::admin, &administration::spool_stats},
    }};
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const command& each) { return each.name == request.command; });
    reply answer;
    if (found == commands.end()) {
        answer.code = code::unsupported;
        answer.text = "unknown command '" + request.command.substr(0, 64) + "'";
    } else if (!parts_.allowed(from, found->needs, text_of(request.arguments, "stream").value_or(""))) {
        answer.code = code::denied;
        answer.text = "not permitted";
    } else {
        parts_.journal.flush_acks(parts_.now);
        answer = (this->*found->run)(from, request.arguments);
    }
    const result message{request.request, std::string{answer.code}, std::move(answer.text),
                         std::move(answer.rows)};
    if (!answer.wait) return parts_.send(from.number, encode(message));
    parts_.journal.sync_now();
    parts_.journal.when(grade::synced,
                        [this, to = from.number, message] { parts_.send(to, encode(message)); });
}

stream* administration::find_stream(const header_map& arguments, reply& problem) {
    const std::string name = text_of(arguments, "stream").value_or("");
    if (!good_name(name)) {
        problem.code = code::bad_name;
        problem.text = "bad stream name '" + name.substr(0, name_bytes_max) +
                       "': letters, digits, '.', '_' and '-', 1 to 128 of them";
        return nullptr;
    }
    stream* found = parts_.state.find(name);
    if (found == nullptr) {
        problem.code = code::no_such_stream;
        problem.text = "no stream '" + name + "'";
    }
    return found;
}

header_map administration::row_of(const stream& of) const {
    std::uint64_t dead = 0;
    for (const auto& [number, each] : of.groups) dead += each.dead_count();
    return {{"name", of.name},
            {"first", value(of.first)},
            {"next", value(of.next)},
            {"messages", value(of.messages())},
            {"bytes", value(of.bytes())},
            {"groups", value(of.groups.size())},
            {"dead", value(dead)},
            {"retain", "acked"},
            {"sync", std::string{grade_names.at(of.settings.grade)}}};
}

header_map administration::row_of(const stream& of, const group& whose) const {
    std::uint64_t consumers = 0;
    for (const auto& [number, each] : parts_.sessions)
        for (const auto& [channel_number, channel] : each.takes)
            consumers += channel.stream == of.number && channel.group == whose.number ? 1 : 0;
    const std::uint64_t untouched =
        of.next > whose.cursor()
            ? of.next - whose.cursor() - of.gaps.count({whose.cursor(), of.next - whose.cursor()})
            : 0;
    return {{"stream", of.name},
            {"name", whose.name},
            {"ready", value(untouched + whose.returned_count())},
            {"leased", value(whose.leased_count())},
            {"delayed", value(whose.delayed_count())},
            {"dead", value(whose.dead_count())},
            {"acked_floor", value(std::min(whose.floor(of.gaps), of.next))},
            {"consumers", value(consumers)},
            {"from", whose.settings.from},
            {"lease_ms", value(whose.settings.lease_ms)},
            {"max_attempts", value(whose.settings.max_attempts)}};
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
    const stream* of = find_stream(arguments, answer);
    if (of == nullptr) return answer;
    answer.rows.push_back(row_of(*of));
    for (const auto& [number, each] : of->groups) answer.rows.push_back(row_of(*of, each));
    return answer;
}

administration::reply administration::stream_create(session&, const header_map& arguments) {
    reply answer;
    if (find_stream(arguments, answer) != nullptr) {
        answer.code = code::exists;
        answer.text = "stream '" + *text_of(arguments, "stream") + "' exists";
        return answer;
    }
    if (answer.code != code::no_such_stream) return answer;
    answer = {};
    const std::string sync =
        text_of(arguments, "sync")
            .value_or(std::string{grade_names.at(static_cast<std::size_t>(parts_.options.default_grade))});
    const auto grade_at = std::find(grade_names.begin(), grade_names.end(), sync);
    if (grade_at == grade_names.end()) {
        answer.code = code::bad_option;
        answer.text = "sync is synced, written or queued, not '" + sync + "'";
    } else if (!parts_.read_only_reason.empty()) {
        answer.code = code::read_only;
        answer.text = parts_.read_only_reason;
    } else {
        const std::uint32_t fresh = parts_.state.next_stream_number();
        parts_.journal.append(
            log::record_type::stream_settings,
            records::stream_change{static_cast<std::uint64_t>(records::settings_change::set),
                                   fresh,
                                   *text_of(arguments, "stream"),
                                   {static_cast<std::uint64_t>(grade_at - grade_names.begin())}},
            parts_.now);
        answer.wait = true;
    }
    return answer;
}

void administration::drop_channels(std::uint32_t stream_number, std::optional<std::uint32_t> group,
                                   const std::string& text) {
    for (auto& [number, each] : parts_.sessions) {
        const auto tell = [&](std::uint64_t channel) {
            parts_.send_error(number, channel, code::removed, text);
        };
        std::erase_if(each.takes, [&](const auto& entry) {
            const bool hit = entry.second.stream == stream_number && (!group || entry.second.group == group);
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
    const stream* gone = find_stream(arguments, answer);
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
    const stream* of = find_stream(arguments, answer);
    if (of == nullptr) return answer;
    for (const auto& [number, each] : of->groups) answer.rows.push_back(row_of(*of, each));
    return answer;
}

administration::reply administration::group_info(session&, const header_map& arguments) {
    reply answer;
    stream* of = find_stream(arguments, answer);
    if (of == nullptr) return answer;
    const std::string name = text_of(arguments, "group").value_or("");
    const group* whose = of->find_group(name);
    if (whose == nullptr)
        return {code::no_such_group, "no group '" + name + "' on stream '" + of->name + "'", {}, false};
    answer.rows.push_back(row_of(*of, *whose));
    return answer;
}

administration::reply administration::group_create(session& from, const header_map& arguments) {
    reply answer;
    stream* of = find_stream(arguments, answer);
    if (of == nullptr) return answer;
    const std::string name = text_of(arguments, "group").value_or("");
    if (of->find_group(name) != nullptr)
        return {code::exists, "group '" + name + "' exists on stream '" + of->name + "'", {}, false};
    groups_.find_or_create(from, *of, name, arguments, true, answer.text, answer.code);
    answer.wait = answer.code.empty();
    return answer;
}

administration::reply administration::group_remove(session& from, const header_map& arguments) {
    reply answer = group_info(from, arguments);
    if (!answer.code.empty()) return answer;
    if (!parts_.read_only_reason.empty()) return {code::read_only, parts_.read_only_reason, {}, false};
    stream* of = find_stream(arguments, answer);
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

administration::reply administration::spool_stats(session&, const header_map&) {
    const brain_counters& c = parts_.counters;
    header_map row{{"incarnation", value(parts_.options.incarnation)},
                   {"sessions", value(parts_.sessions.size())},
                   {"streams", value(parts_.state.streams().size())},
                   {"read_only", parts_.read_only_reason},
                   {"disk_full", std::int64_t{parts_.disk_full}},
                   {"messages_stored", value(c.messages_stored)},
                   {"messages_duplicate", value(c.messages_duplicate)},
                   {"messages_refused", value(c.messages_refused)},
                   {"messages_delivered", value(c.messages_delivered)},
                   {"messages_redelivered", value(c.messages_redelivered)},
                   {"messages_acked", value(c.messages_acked)},
                   {"messages_nacked", value(c.messages_nacked)},
                   {"messages_dead", value(c.messages_dead)},
                   {"messages_damaged", value(c.messages_damaged)},
                   {"leases_expired", value(c.leases_expired)},
                   {"acks_stale", value(c.acks_stale)},
                   {"frames_bad", value(c.frames_bad)},
                   {"frames_over_window", value(c.frames_over_window)},
                   {"sessions_silent", value(c.sessions_silent)}};
    return {{}, {}, {std::move(row)}, false};
}

}  // namespace ferry
