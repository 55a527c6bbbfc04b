#include "tests/spool/random_history.hpp"

#include <array>

namespace ferry::test {
namespace {

using model_message = reference_spool::message;
using retain = reference_spool::stream_settings::retain;

constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr std::uint64_t renewed_by_ms = 4'000;  // more than a third of a lease, less than half

message as_sent(const model_message& from) {
    message sent{frame{from.topic}, frame{from.body}};
    if (!from.id.empty()) sent.set_header("message-id", from.id);
    if (from.priority > 0) sent.set_header("priority", static_cast<std::int64_t>(from.priority));
    if (from.delay_ms > 0) sent.set_header("delay", static_cast<std::int64_t>(from.delay_ms));
    if (from.ttl_ms > 0) sent.set_header("ttl", static_cast<std::int64_t>(from.ttl_ms));
    return sent;
}

std::string described(const model_message& from) {
    std::string text = from.body + " topic " + from.topic;
    if (!from.id.empty()) text += " id " + from.id;
    if (from.priority > 0) text += " priority " + std::to_string(from.priority);
    if (from.delay_ms > 0) text += " delay " + std::to_string(from.delay_ms);
    if (from.ttl_ms > 0) text += " ttl " + std::to_string(from.ttl_ms);
    return text;
}

std::uint64_t number(const header_map& row, const std::string& name) {
    return static_cast<std::uint64_t>(std::get<std::int64_t>(row.at(name)));
}

std::int64_t value(std::uint64_t from) {
    return static_cast<std::int64_t>(from);
}

std::string text_of(const header_map& row) {
    std::string text;
    for (const auto& [name, each] : row) {
        const auto* const is_text = std::get_if<std::string>(&each);
        text +=
            " " + name + "=" + (is_text != nullptr ? *is_text : std::to_string(std::get<std::int64_t>(each)));
    }
    return text;
}

}  // namespace

// What does not go together: with a filter, how much room a stream has depends on how far the group has
// looked in the middle of a batch; and messages that grow too old are taken away while leases end, so in
// these histories nothing dies.
random_history::random_history(random_history_options of)
    : with_{of},
      random_{of.seed},
      about_{.filters = of.seed % 4 == 1,
             .delays = of.seed % 4 != 1 && chance(50),
             .priorities = chance(50),
             .ttls = of.seed % 4 != 1 && chance(50),
             .ids = chance(40),
             .limits = of.seed % 4 == 2,
             .ages = of.seed % 4 == 3},
      table_{of.seed % 3 == 0 ? brain_options{.near_ms = 1000} : brain_options{}} {
    model_.now_ms = table_.now().wall_ns / ns_per_ms;
    model_.plant_restarts_count = of.plant_restarts_count;
}

std::string random_history::story() const {
    std::string text;
    for (std::size_t i = 0; i < lines_.size(); ++i) text += std::to_string(i + 1) + ". " + lines_[i] + "\n";
    return text;
}

void random_history::run() {
    set_stream();
    // Most begin with somebody at work.
    if (chance(80)) make_group();
    if (chance(80)) join();
    settle();
    compare();
    for (std::uint64_t i = 0; i < with_.steps; ++i) {
        step();
        settle();
        compare();
    }
}

void random_history::step() {
    using command = void (random_history::*)();
    using me = random_history;
    static constexpr std::array<std::pair<unsigned, command>, 20> all = {{
        {16, &me::put},      {10, &me::join},      {3, &me::leave},        {3, &me::die},
        {3, &me::reconnect}, {18, &me::ack},       {10, &me::nack},        {5, &me::release},
        {14, &me::wait},     {6, &me::restart},    {3, &me::snapshot},     {3, &me::set_stream},
        {1, &me::purge},     {6, &me::make_group}, {1, &me::remove_group}, {3, &me::seek},
        {4, &me::pause},     {5, &me::redrive},    {3, &me::drop},         {4, &me::read},
    }};
    unsigned sum = 0;
    for (const auto& [weight, each] : all) sum += weight;
    // A command for which there is nothing to do says nothing; then another one is tried.
    for (const std::size_t before = lines_.size(); lines_.size() == before;) {
        auto pick = static_cast<unsigned>(below(sum));
        for (const auto& [weight, each] : all) {
            if (pick < weight) {
                (this->*each)();
                break;
            }
            pick -= weight;
        }
    }
}

// --- both come to rest -------------------------------------------------------------------------------------

// Until nobody is given anything any more. Workers hand out all they get, and what they hold without a lease
// they ack: late, so that must count for nothing.
void random_history::settle() {
    do table_.settle();
    while (collect() | refuse_late());
    model_.end_step();
}

bool random_history::collect() {
    bool any = false;
    for (auto& [name, each] : workers_) {
        consumer_session& session = table_.session(name);
        while (const auto item = session.next(table_.now().monotonic_ns)) {
            any = true;
            ++deliveries_;
            const auto old = each.leases.find(item->offset);
            if (old != each.leases.end()) session.ack(old->second, item->offset);
            each.leases[item->offset] = item->lease;
            model_.delivered(name, item->offset, item->attempt, std::string{item->item.payload},
                             std::string{item->item.topic.value_or("")});
        }
    }
    return any;
}

bool random_history::refuse_late() {
    bool any = false;
    for (auto& [name, each] : workers_)
        any = std::erase_if(each.leases,
                            [&, &worker_name = name](const auto& entry) {
                                if (model_.holds(worker_name, entry.first)) return false;
                                table_.session(worker_name).ack(entry.second, entry.first);
                                return true;
                            }) > 0 ||
              any;
    return any;
}

protocol::result random_history::tell(const std::string& command, header_map arguments) {
    protocol::result answer = table_.admin(command, std::move(arguments));
    if (!answer.code.empty())
        throw disagreement{command + " was refused: " + answer.code + " " + answer.text};
    return answer;
}

void random_history::compare_row(const std::string& what, const header_map& row,
                                 const std::vector<std::pair<std::string, std::uint64_t>>& expected) const {
    for (const auto& [name, wanted] : expected)
        if (number(row, name) != wanted)
            throw disagreement{what + ": " + name + " should be " + std::to_string(wanted) +
                               ", and the spool says" + text_of(row)};
}

void random_history::compare() {
    const protocol::result answer = tell("stream.info", {});
    const header_map& row = answer.rows.at(0);
    const auto& removed = model_.removed();
    std::uint64_t dead = 0;
    for (std::size_t i = 1; i < answer.rows.size(); ++i) {
        const std::string name = std::get<std::string>(answer.rows[i].at("name"));
        if (!model_.has_group(name)) throw disagreement{"there should be no group " + name};
        const auto seen = model_.view(name);
        dead += seen.dead;
        compare_row("group " + name, answer.rows[i],
                    {{"ready", seen.ready},
                     {"leased", seen.leased},
                     {"delayed", seen.delayed},
                     {"dead", seen.dead},
                     {"acked_floor", seen.floor},
                     {"consumers", seen.consumers}});
        if (seen.dead > 0) compare_dead(name);
    }
    compare_row("stream", row,
                {{"next", model_.next()},
                 {"messages", model_.messages()},
                 {"groups", groups_.size()},
                 {"dead", dead},
                 {"removed_purged", removed.purged},
                 {"removed_retention", removed.retention},
                 {"removed_oldest", removed.oldest},
                 {"removed_expired", removed.expired},
                 {"removed_dropped", removed.dropped},
                 {"removed_damaged", 0}});
    // Gaps that duplicates left may be counted to either side.
    const std::uint64_t first = number(row, "first");
    if (first > model_.first() || !model_.nothing_between(first, model_.first()))
        compare_row("stream", row, {{"first", model_.first()}});
}

void random_history::compare_dead(const std::string& group) {
    std::set<std::uint64_t> left = model_.dead(group);
    for (const header_map& row : tell("dead.list", {{"group", group}}).rows)
        for (std::uint64_t i = 0; i < number(row, "count"); ++i) {
            const std::uint64_t offset = number(row, "offset") + i;
            model_.listed(group, offset, number(row, "attempt"), std::get<std::string>(row.at("reason")));
            left.erase(offset);
        }
    if (!left.empty())
        throw disagreement{"offset " + std::to_string(*left.begin()) + " is not listed as dead in " + group};
}

// --- messages ----------------------------------------------------------------------------------------------

model_message random_history::any_message() {
    model_message made{.body = "m" + std::to_string(bodies_++), .topic = chance(60) ? "a" : "b"};
    if (about_.priorities && chance(40)) made.priority = static_cast<unsigned>(below(10));
    if (about_.delays && chance(30)) made.delay_ms = 250 * (1 + below(40));
    if (about_.ttls && chance(30)) made.ttl_ms = 250 * (1 + below(60));
    if (about_.ids && chance(60)) made.id = "i" + std::to_string(below(6));
    return made;
}

// What has an id goes alone where a stream may refuse what is too much: there a batch is cut by its count.
void random_history::put() {
    std::vector<model_message> batch;
    std::vector<message> sent;
    std::string line = "put";
    const bool may_be_cut = about_.limits || about_.ids;
    const std::uint64_t count = may_be_cut && about_.ids && about_.limits ? 1 : 1 + below(4);
    while (batch.size() < count) {
        batch.push_back(any_message());
        sent.push_back(as_sent(batch.back()));
        line += (batch.size() > 1 ? ", " : " ") + described(batch.back());
    }
    say(line);
    const auto fates = table_.fates_of(sent);
    lines_.back() += " ->";
    for (const auto& [offset, duplicate] : fates)
        lines_.back() += " " + std::to_string(offset) + (duplicate ? " (duplicate)" : "");
    model_.put(std::move(batch), fates);
}

void random_history::read() {
    say("read all");
    const std::string name = "reader-" + std::to_string(names_++);
    table_.consumer(name, {.stream = "s", .group = {}, .from = "first", .until = model_.next()});
    table_.settle();
    std::vector<std::pair<std::uint64_t, std::string>> seen;
    while (const auto item = table_.session(name).next(table_.now().monotonic_ns))
        seen.emplace_back(item->offset, std::string{item->item.payload});
    table_.disconnect(name);
    model_.read(seen);
}

// --- the stream --------------------------------------------------------------------------------------------

reference_spool::stream_settings random_history::any_settings() {
    reference_spool::stream_settings made;
    if (chance(30)) made.keeps = retain::all;
    if (about_.ages && chance(70)) {
        made.keeps = retain::age;
        made.age_ms = std::array<std::uint64_t, 3>{3'003, 6'003, 15'003}[below(3)];
    }
    if (about_.limits && chance(80)) made.messages_max = 2 + below(6);
    made.drop_oldest = chance(50);
    if (about_.ttls && chance(30)) made.ttl_ms = 250 * (1 + below(40));
    made.expired_die = !about_.ages && chance(50);
    if (chance(20)) made.dead_max = 1 + below(3);
    return made;
}

header_map random_history::arguments_of(const reference_spool::stream_settings& wanted) {
    const std::string keeps = wanted.keeps == retain::acked ? "acked"
                              : wanted.keeps == retain::all ? "all"
                                                            : std::to_string(wanted.age_ms) + "ms";
    return {{"retain", keeps},
            {"max_messages", value(wanted.messages_max)},
            {"when_full", wanted.drop_oldest ? "drop-oldest" : "reject"},
            {"ttl_ms", value(wanted.ttl_ms)},
            {"expired", wanted.expired_die ? "dead-letter" : "drop"},
            {"dead_max_messages", value(wanted.dead_max)}};
}

// A stream looks for what is too old ten times a second at most: what is found at once or then is the same.
void random_history::set_stream() {
    const auto wanted = any_settings();
    const header_map arguments = arguments_of(wanted);
    const bool fresh = lines_.empty();
    say((fresh ? "create the stream" : "set the stream") + text_of(arguments));
    tell(fresh ? "stream.create" : "stream.set", arguments);
    model_.set(wanted);
    leap(250);
}

void random_history::purge() {
    say("purge");
    tell("stream.purge", {});
    model_.purge();
}

// --- groups ------------------------------------------------------------------------------------------------

std::pair<header_map, std::uint64_t> random_history::any_place() {
    const std::uint64_t offset = below(model_.next() + 1);
    switch (below(3)) {
        case 0:
            return {{{"from", "first"}}, 0};
        case 1:
            return {{{"from", "new"}}, model_.next()};
        default:
            return {{{"from", std::to_string(offset)}}, offset};
    }
}

void random_history::make_group() {
    const std::string name = any_of(std::array<std::string, 3>{"g", "h", "k"});
    if (groups_.contains(name)) return;
    reference_spool::group_settings with;
    with.max_attempts = about_.ages ? 1000 : 1 + below(4);
    with.backoff_ms = any_of(std::array<std::vector<std::uint64_t>, 3>{{{0}, {0, 1000, 4000}, {500}}});
    with.max_in_flight = chance(30) ? 1 + below(3) : 0;
    if (about_.filters && chance(70)) with.topic = "a";
    auto [arguments, start] = any_place();
    arguments.emplace("group", name);
    arguments.emplace("group_lease_ms", value(reference_spool::lease_ms));
    arguments.emplace("max_attempts", value(with.max_attempts));
    arguments.emplace("max_in_flight", value(with.max_in_flight));
    std::string backoff;
    for (const std::uint64_t each : with.backoff_ms)
        backoff += (backoff.empty() ? "" : ",") + std::to_string(each);
    arguments.emplace("backoff_ms", backoff);
    if (!with.topic.empty()) arguments.emplace("filter", with.topic);
    say("create a group" + text_of(arguments));
    tell("group.create", arguments);
    groups_.emplace(name, with);
    model_.create_group(name, with, start);
}

void random_history::remove_group() {
    if (groups_.empty()) return;
    const std::string name = any_of(groups_).first;
    say("remove group " + name);
    tell("group.remove", {{"group", name}});
    for (const auto& [worker_name, each] : workers_)
        if (each.group == name) table_.disconnect(worker_name);
    std::erase_if(workers_, [&](const auto& entry) { return entry.second.group == name; });
    groups_.erase(name);
    model_.remove_group(name);
}

void random_history::seek() {
    if (groups_.empty()) return;
    const std::string name = any_of(groups_).first;
    auto [arguments, start] = any_place();
    arguments.emplace("group", name);
    say("seek" + text_of(arguments));
    tell("group.seek", arguments);
    model_.seek(name, start);
}

void random_history::pause() {
    if (groups_.empty()) return;
    const std::string name = any_of(groups_).first;
    bool& paused = groups_.at(name).paused;
    paused = !paused;
    say((paused ? "pause " : "resume ") + name);
    tell(paused ? "group.pause" : "group.resume", {{"group", name}});
    model_.pause(name, paused);
}

void random_history::move_dead(const std::string& group, bool drop) {
    std::set<std::uint64_t> which = model_.dead(group);
    header_map arguments{{"group", group}};
    if (chance(60)) {
        which = {any_of(which)};
        arguments.emplace("offsets", std::to_string(*which.begin()));
    }
    say((drop ? "drop" : "redrive") + text_of(arguments));
    tell(drop && !with_.plant_drop_redrives ? "dead.drop" : "dead.redrive", arguments);
    if (drop)
        model_.drop(group, which);
    else
        model_.redrive(group, which);
}

void random_history::redrive() {
    for (const auto& [name, each] : groups_)
        if (!model_.dead(name).empty()) return move_dead(name, false);
}

void random_history::drop() {
    for (const auto& [name, each] : groups_)
        if (!model_.dead(name).empty()) return move_dead(name, true);
}

// --- consumers ---------------------------------------------------------------------------------------------

// With so little credit a session asks for more with each message it is done with.
void random_history::join() {
    if (groups_.empty() || workers_.size() >= 4) return;
    const std::string group = any_of(groups_).first;
    const std::string name = "w" + std::to_string(names_++);
    const std::uint64_t credit = 1 + below(4);
    say(name + " joins " + group + " with room for " + std::to_string(credit));
    table_.consumer(name, {.stream = "s", .group = group, .credit_messages = credit});
    workers_[name].group = group;
    model_.join(name, group, credit);
}

void random_history::leave() {
    if (workers_.empty()) return;
    const std::string name = any_of(workers_).first;
    say(name + " leaves");
    table_.session(name).leave(table_.now());
    table_.settle();
    if (!table_.session(name).left()) throw disagreement{name + " cannot leave"};
    table_.disconnect(name);
    workers_.erase(name);
    model_.leave(name);
}

// Within a wait of more than a third of a lease it renews what it holds, so it is known when that ends.
void random_history::die() {
    if (workers_.empty()) return;
    const std::string name = any_of(workers_).first;
    say("after " + std::to_string(renewed_by_ms) + " ms " + name + " dies");
    leap(renewed_by_ms);
    settle();
    table_.disconnect(name);
    workers_.erase(name);
    model_.die(name);
}

void random_history::reconnect() {
    if (workers_.empty()) return;
    const std::string name = any_of(workers_).first;
    say(name + " connects again");
    table_.reconnect(name);
}

std::pair<std::string, std::uint64_t> random_history::any_held() {
    std::vector<std::pair<std::string, std::uint64_t>> all;
    for (const auto& [name, each] : workers_)
        for (const auto& [offset, lease] : each.leases) all.emplace_back(name, offset);
    return all.empty() ? std::pair<std::string, std::uint64_t>{} : any_of(all);
}

void random_history::ack() {
    const auto [name, offset] = any_held();
    if (name.empty()) return;
    say(name + " acks " + std::to_string(offset));
    auto& leases = workers_.at(name).leases;
    if (!with_.plant_lost_ack) table_.session(name).ack(leases.at(offset), offset);
    leases.erase(offset);
    model_.ack(name, offset);
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
    model_.nack(name, offset, delay_ms);
}

void random_history::release() {
    const auto [name, offset] = any_held();
    if (name.empty()) return;
    say(name + " gives back " + std::to_string(offset));
    auto& leases = workers_.at(name).leases;
    table_.session(name).release(leases.at(offset), offset);
    leases.erase(offset);
    model_.release(name, offset);
}

// --- time and restarts -------------------------------------------------------------------------------------

void random_history::leap(std::uint64_t ms) {
    model_.advance(ms);
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
    model_.restart(clean, away_ms, staying);
}

}  // namespace ferry::test
