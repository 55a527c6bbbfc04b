// What a random history does to streams and groups: messages put, read and committed, settings, dead letters.
#include <array>

#include "tests/spool/random_history.hpp"

namespace ferry::test {
namespace {

using model_message = reference_spool::message;
using retain = reference_spool::stream_settings::retain;
using full = reference_spool::stream_settings::full;

constexpr std::array<std::uint64_t, 3> item_bytes{110, 140, 170};

message as_sent(const model_message& from) {
    message sent{frame{from.topic}, frame{from.body}};
    if (!from.id.empty()) sent.set_header("message-id", from.id);
    if (from.priority > 0) sent.set_header("priority", static_cast<std::int64_t>(from.priority));
    if (from.delay_ms > 0) sent.set_header("delay", static_cast<std::int64_t>(from.delay_ms));
    if (from.ttl_ms > 0) sent.set_header("ttl", static_cast<std::int64_t>(from.ttl_ms));
    if (!from.key.empty()) sent.set_header("key", from.key);
    return sent;
}

std::string item_of(const model_message& from) {
    std::string item;
    append_item(item, as_sent(from));
    return item;
}

std::string words_for(const model_message& from) {
    std::string text = from.body.substr(0, from.body.find('.')) + " of " + std::to_string(from.bytes) +
                       " bytes" + " topic " + from.topic;
    if (!from.id.empty()) text += " id " + from.id;
    if (!from.key.empty()) text += " key " + from.key;
    if (from.priority > 0) text += " priority " + std::to_string(from.priority);
    if (from.delay_ms > 0) text += " delay " + std::to_string(from.delay_ms);
    if (from.ttl_ms > 0) text += " ttl " + std::to_string(from.ttl_ms);
    return text;
}

std::int64_t value(std::uint64_t from) {
    return static_cast<std::int64_t>(from);
}

}  // namespace

// --- messages ----------------------------------------------------------------------------------------------

// So long as to make an item of so many bytes.
model_message random_history::any_message(std::uint64_t bytes, bool may_overtake) {
    model_message made{.body = "m" + std::to_string(bodies_++), .topic = chance(60) ? "a" : "b"};
    if (about_.priorities && chance(40) && may_overtake) made.priority = static_cast<unsigned>(below(10));
    if (about_.delays && chance(30)) made.delay_ms = 250 * (1 + below(40));
    if (about_.ttls && chance(30)) made.ttl_ms = 250 * (1 + below(60));
    if (about_.ids && chance(60)) made.id = "i" + std::to_string(below(6));
    if (about_.keys && chance(80)) made.key = "k" + std::to_string(below(3));
    made.bytes = bytes;
    made.body.resize(made.body.size() + bytes - item_of(made).size(), '.');
    return made;
}

// Messages of one batch are equally long: of a part of a batch a spool knows the share only. What has an id
// goes alone where a stream may refuse what is too much, for there a batch is cut by its count; and so does
// what may wait, or is limited by bytes.
void random_history::put() {
    if (!here().places.empty()) return;
    const auto& limits = model().settings;
    const bool alone =
        (about_.ids && about_.limits) || limits.bytes_max > 0 || limits.when_full == full::block;
    const std::uint64_t count = alone ? 1 : 1 + below(4);
    const std::uint64_t bytes = any_of(item_bytes);
    producer_session& by = table_.producer(at_, {.stream = at_});
    std::string line = "put to " + at_;
    while (here().under_way.size() < count) {
        here().under_way.push_back(any_message(bytes));
        const model_message& last = here().under_way.back();
        here().places.push_back(by.put(as_sent(last), table_.now()));
        line += (here().under_way.size() > 1 ? ", " : " ") + words_for(last);
    }
    say(line);
    by.flush();
    table_.settle();
    hear_producers(true);
}

// Where there is no room a client tries again until there is: that is left out. So is what would be in front
// of others for a filter that may look on before it is there: an output is seen a moment after the ack.
void random_history::commit() {
    const auto [name, offset] = any_held();
    if (name.empty()) return;
    std::map<std::string, model_message> outputs;
    for (const auto& [stream_name, each] : streams_) {
        model_message made = any_message(any_of(item_bytes), !about_.filters);
        if (made.id.empty() && chance(70) && each.model.has_room_for(made))
            outputs.emplace(stream_name, made);
    }
    if (outputs.empty()) return;
    std::string line = name + " commits " + std::to_string(offset) + " with";
    std::vector<commit_output> sent;
    for (const auto& [stream_name, each] : outputs) {
        sent.push_back({stream_name, 1, item_of(each)});
        line += " " + words_for(each) + " to " + stream_name;
    }
    say(line);
    auto& leases = workers_.at(name).leases;
    consumer_session& by = table_.session(name);
    if (with_.plant_half_commits) {
        by.ack(leases.at(offset), offset);
        table_.settle();
    } else {
        const auto fate = by.commit(leases.at(offset), offset, sent, table_.now());
        table_.settle();
        if (fate->is != commit_fate::state::committed)
            throw disagreement{"the commit was refused: " + fate->code + " " + fate->reason};
    }
    leases.erase(offset);
    for (const auto& [stream_name, each] : outputs) {
        reference_spool& to = streams_.at(stream_name).model;
        to.put({each}, {{to.next(), false}});
    }
    model_of(name).ack(name, offset);
}

void random_history::read() {
    say("read all of " + at_);
    const std::string name = "reader-" + std::to_string(names_++);
    table_.consumer(name, {.stream = at_, .group = {}, .from = "first", .until = model().next()});
    table_.settle();
    std::vector<std::pair<std::uint64_t, std::string>> seen;
    while (const auto item = table_.session(name).next(table_.now().monotonic_ns))
        seen.emplace_back(item->offset, std::string{item->item.payload});
    table_.disconnect(name);
    model().read(seen);
}

// --- the stream --------------------------------------------------------------------------------------------

reference_spool::stream_settings random_history::any_settings() {
    reference_spool::stream_settings made;
    if (chance(30)) made.keeps = retain::all;
    if (about_.ages && chance(70)) {
        made.keeps = retain::age;
        made.age_ms = std::array<std::uint64_t, 3>{3'003, 6'003, 15'003}[below(3)];
    }
    if (about_.limits && chance(60)) made.messages_max = 2 + below(6);
    if (about_.limits && chance(50)) made.bytes_max = 170 + below(700);
    made.when_full = any_of(std::array{full::reject, full::block, full::drop_oldest});
    if (about_.ttls && chance(30)) made.ttl_ms = 250 * (1 + below(40));
    made.expired_die = !about_.ages && !about_.keys && chance(50);
    if (chance(20)) made.dead_max = 1 + below(3);
    return made;
}

header_map random_history::arguments_of(const reference_spool::stream_settings& wanted) const {
    const bool blocks = wanted.when_full == full::block && !with_.plant_refusals;
    const std::string keeps = wanted.keeps == retain::acked ? "acked"
                              : wanted.keeps == retain::all ? "all"
                                                            : std::to_string(wanted.age_ms) + "ms";
    return {{"retain", keeps},
            {"max_messages", value(wanted.messages_max)},
            {"max_bytes", value(with_.plant_no_bytes_max ? 0 : wanted.bytes_max)},
            {"when_full", wanted.when_full == full::drop_oldest ? "drop-oldest"
                          : blocks                              ? "block"
                                                                : "reject"},
            {"ttl_ms", value(wanted.ttl_ms)},
            {"expired", wanted.expired_die ? "dead-letter" : "drop"},
            {"dead_max_messages", value(wanted.dead_max)}};
}

// A stream looks for what is too old ten times a second at most: what is found at once or then is the same.
void random_history::set_stream() {
    const auto wanted = any_settings();
    const header_map arguments = arguments_of(wanted);
    const bool fresh = !made_.contains(at_);
    made_.insert(at_);
    say((fresh ? "create stream " : "set stream ") + at_ + described(arguments));
    tell(fresh ? "stream.create" : "stream.set", arguments);
    model().set(wanted);
    settle();  // who waited for room may have it now, and not later
    leap(250);
}

void random_history::purge() {
    say("purge " + at_);
    tell("stream.purge", {});
    model().purge();
}

// --- groups ------------------------------------------------------------------------------------------------

std::pair<header_map, std::uint64_t> random_history::any_place() {
    const std::uint64_t offset = below(model().next() + 1);
    switch (below(3)) {
        case 0:
            return {{{"from", "first"}}, 0};
        case 1:
            return {{{"from", "new"}}, model().next()};
        default:
            return {{{"from", std::to_string(offset)}}, offset};
    }
}

void random_history::make_group() {
    const std::string name = any_of(std::array<std::string, 3>{"g", "h", "k"});
    if (here().groups.contains(name)) return;
    reference_spool::group_settings with;
    with.max_attempts = about_.ages ? 1000 : 1 + below(4);
    with.backoff_ms = any_of(std::array<std::vector<std::uint64_t>, 3>{{{0}, {0, 1000, 4000}, {500}}});
    with.max_in_flight = chance(30) ? 1 + below(3) : 0;
    if (about_.filters && chance(70)) with.topic = "a";
    with.ordered = about_.keys && chance(60);
    with.single_active = about_.turns && chance(60);
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
    if (with.ordered && !with_.plant_no_key_order) arguments.emplace("ordered", "key");
    if (with.single_active && !with_.plant_all_active) arguments.emplace("single_active", value(1));
    say("create a group of " + at_ + described(arguments));
    tell("group.create", arguments);
    here().groups.emplace(name, with);
    model().create_group(name, with, start);
}

void random_history::remove_group() {
    if (here().groups.empty()) return;
    const std::string name = any_of(here().groups).first;
    say("remove group " + name + " of " + at_);
    tell("group.remove", {{"group", name}});
    for (const auto& [worker_name, each] : workers_)
        if (each.stream == at_ && each.group == name) table_.disconnect(worker_name);
    std::erase_if(workers_, [&](const auto& entry) {
        return entry.second.stream == at_ && entry.second.group == name;
    });
    here().groups.erase(name);
    model().remove_group(name);
}

void random_history::seek() {
    if (here().groups.empty()) return;
    const std::string name = any_of(here().groups).first;
    auto [arguments, start] = any_place();
    arguments.emplace("group", name);
    say("seek in " + at_ + described(arguments));
    tell("group.seek", arguments);
    model().seek(name, start);
}

void random_history::pause() {
    if (here().groups.empty()) return;
    const std::string name = any_of(here().groups).first;
    bool& paused = here().groups.at(name).paused;
    paused = !paused;
    say((paused ? "pause " : "resume ") + name + " of " + at_);
    tell(paused ? "group.pause" : "group.resume", {{"group", name}});
    model().pause(name, paused);
}

void random_history::move_dead(const std::string& group, bool drop) {
    std::set<std::uint64_t> which = model().dead(group);
    header_map arguments{{"group", group}};
    if (chance(60)) {
        which = {any_of(which)};
        arguments.emplace("offsets", std::to_string(*which.begin()));
    }
    say((drop ? "drop in " : "redrive in ") + at_ + described(arguments));
    tell(drop && !with_.plant_drop_redrives ? "dead.drop" : "dead.redrive", arguments);
    if (drop)
        model().drop(group, which);
    else
        model().redrive(group, which);
}

// While claims are awaited it may be held back or not: then a filter looks on behind it, or not.
void random_history::redrive() {
    if (about_.filters && model().awaits_claims()) return;
    for (const auto& [name, each] : here().groups)
        if (!model().dead(name).empty()) return move_dead(name, false);
}

void random_history::drop() {
    for (const auto& [name, each] : here().groups)
        if (!model().dead(name).empty()) return move_dead(name, true);
}

}  // namespace ferry::test
