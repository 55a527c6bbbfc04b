// What producers and consumers of a simulated spool do in a step, and what the model hears of it.
#include "tests/sim/clients.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/batch.hpp"
#include "tests/sim/story.hpp"

namespace ferry::test {

void world::check_fates(producer& who) {
    while (!who.waiting.empty()) {
        const auto& first = who.waiting.front();
        const message_fate fate = first.place.now();
        if (fate.is == message_fate::state::pending) return;
        if (fate.is == message_fate::state::stored) {
            say(first.text, "is confirmed at offset", fate.offset);
            duplicates_ += fate.duplicate ? 1 : 0;
            model_.confirmed(first.text, fate.offset, now_);
        } else if (options_.limits && first.place.fate->code() == protocol::code::full) {
            say(first.text, "is refused: full");
            ++refusals_;
            if (!first.text.starts_with("id")) model_.refused(first.text);  // another copy may be stored
        } else if (first.place.fate->code() != protocol::code::read_only) {
            throw std::logic_error{"refused: " + first.place.fate->code() + " " + first.place.fate->reason()};
        }
        who.waiting.pop_front();
    }
}

// A message with an id is put by several, in no order: it is named by the id, and counts as the only one of
// its kind.
put_place world::put_again(producer& who, std::string& text) {
    const std::uint64_t number = ids_ > 0 && pick(2) == 0 ? pick(ids_) : ids_++;
    text = "id" + std::to_string(number) + ":1";
    message made{"topic", text};
    if (!options_.plant_ids_of_no_use) made.set_header("message-id", text);
    return who.session.put(made, now_);
}

put_place world::put_one(producer& who, std::string& text) {
    text = who.name + ":" + std::to_string(who.next++);
    message made{"topic", text};
    if (pick(8) == 0) made.set_header("priority", static_cast<std::int64_t>(pick(10)));
    const bool far = options_.near_ms < 3'600'000 && pick(3) == 0;
    if (far || pick(8) == 0)
        made.set_header("delay", static_cast<std::int64_t>(pick(far ? 150'000 : 10'000)));
    const bool bare = pick(2) == 0;
    if (options_.ttls && !bare && pick(2) == 0) {
        const std::uint64_t ttl_ms = 20 + pick(pick(2) == 0 ? 300 : 5000);
        if (!options_.plant_ttl_of_no_use) made.set_header("ttl", static_cast<std::int64_t>(ttl_ms));
        model_.mortal(text, ttl_ms * 1'000'000);
    }
    if (options_.keys && !bare && pick(4) != 0) {
        const std::uint64_t key = pick(4);
        made.set_header("key", std::to_string(key));
        if (!made.headers().contains("delay")) model_.keyed(text, key);
    }
    if (bare && options_.filters) model_.unwanted("g1", text);
    return bare ? who.session.put(std::string_view{text}, now_) : who.session.put(made, now_);
}

void world::producer_step(producer& who) {
    // A spool that went read-only refused everything: the application makes a new producer.
    if (!who.session.failed_code().empty()) {
        check_fates(who);
        who.name += "x";
        who.next = 1;
        who.session = producer_session{{.stream = "s", .batch_bytes_max = 64}};
        who.on = {next_session_++, {}, {}};
        return;
    }
    if (who.waiting.size() < 30) {
        std::string text;
        put_place place = options_.ids && pick(3) == 0 ? put_again(who, text) : put_one(who, text);
        model_.put(text);
        say("put", text, "by session", who.on.session);
        who.waiting.push_back({text, std::move(place)});
    }
    if (pick(4) == 0) who.session.flush();
}

void world::shown_to(consumer& who, const delivered_item& item) {
    const std::string text{item.item.payload};
    say(who.group, "is shown", text, "at offset", item.offset, ", attempt", item.attempt);
    (who.reads_outputs() ? outputs_ : model_).shown(who.group, text, item.offset, item.attempt);
    who.held.push_back({item.lease, item.offset, text});
    // An output that is there says that the message it was made of is done with.
    if (who.reads_outputs()) model_.ack_answered(origins_.at(text).group, origins_.at(text).offset);
}

// Each attempt at a message makes the same of it, under the same name: two that are stored are one too many.
void world::commit(consumer& who, std::uint64_t lease, std::uint64_t offset, const std::string& text) {
    std::string output = who.group + ">" + text + ":1";
    std::replace(output.begin(), output.end() - 2, ':', '>');
    say(who.group, "commits offset", offset);
    outputs_.put(output);
    model_.settling(who.group, offset);
    origins_.emplace(output, origin{who.group, offset + (options_.plant_ack_of_another ? 1 : 0)});
    commit_output made{outputs_stream, 1, {}};
    append_item(made.batch, message{output});
    who.commits.push_back({who.session.commit(lease, offset, {std::move(made)}, now_), offset, output});
}

void world::check_commits(consumer& who) {
    std::erase_if(who.commits, [&](const consumer::committing& each) {
        switch (each.fate->is) {
            case commit_fate::state::pending:
                return false;
            case commit_fate::state::committed:
                say(who.group, "has its commit of offset", each.offset, "answered");
                model_.ack_answered(who.group, each.offset);
                outputs_.must_be_seen(each.output);
                return true;
            case commit_fate::state::lost:
                return true;
            case commit_fate::state::refused:
                break;
        }
        if (each.fate->code != protocol::code::read_only)
            throw std::logic_error{"a commit was refused: " + each.fate->code + " " + each.fate->reason};
        return true;
    });
}

void world::consumer_step(consumer& who) {
    if (!who.session.failed_code().empty()) {
        check_commits(who);
        who.held.clear();
        who.commits.clear();
        who.session = consumer_session{consumer_of(who.group, 5)};
        who.on = {next_session_++, {}, {}};
        return;
    }
    if (const auto item = who.session.next(now_.monotonic_ns)) shown_to(who, *item);
    model& seen = who.reads_outputs() ? outputs_ : model_;
    if (!who.held.empty() && pick(3) != 0) {
        const auto at = who.held.begin() + static_cast<std::ptrdiff_t>(pick(who.held.size()));
        say(who.group, "settles offset", at->offset);
        if (!calm_ && pick(who.group == "g1" ? 2 : 8) == 0)
            who.session.nack(at->lease, at->offset, pick(3) == 0 ? std::optional{pick(3000)} : std::nullopt,
                             "random");
        else if (!calm_ && !who.reads_outputs() && pick(8) == 0) {
            model_.given_up(who.group, at->offset);
            model_.settling(who.group, at->offset);
            who.session.dead_letter(at->lease, at->offset, "hopeless");
        } else if (options_.commits && !who.reads_outputs() && pick(3) != 0)
            commit(who, at->lease, at->offset, at->text);
        else {
            seen.settling(who.group, at->offset);
            who.session.ack(at->lease, at->offset);
        }
        who.held.erase(at);
    }
    const settled_runs settled = who.session.take_settled();
    for (const protocol::run& each : settled.done)
        for (std::uint64_t offset = each.first; offset < each.end(); ++offset) {
            say(who.group, "has its ack of offset", offset, "answered");
            seen.ack_answered(who.group, offset);
        }
    for (const protocol::run& each : settled.dead)
        for (std::uint64_t offset = each.first; offset < each.end(); ++offset)
            seen.dead_answered(who.group, offset);
    for (const protocol::run& each : settled.stale)
        for (std::uint64_t offset = each.first; offset < each.end(); ++offset) {
            say(who.group, "was too late with offset", offset);
            seen.settled_too_late(who.group, offset);
        }
}

// True when the caretaker has just told the stream how many messages it may have.
bool world::limit_stream() {
    if (!options_.limits || limited_ || pick(8) != 0) return false;
    const std::int64_t most = 8 + static_cast<std::int64_t>(pick(12));
    const std::string ways[] = {"block", "reject", "drop-oldest"};
    const std::string& way = ways[options_.seed % 3];
    if (way == ways[2]) model_.may_drop();
    tell_spool("stream.set", {{"max_messages", most}, {"when_full", way}}, "", {});
    return true;
}

// Where consumers take turns nobody is given anything while another one that is there has messages on lease.
void world::check_turn(const std::string& group_name, std::uint64_t given_to) const {
    for (const auto& [number, each] : brain_->state().streams())
        for (const auto& [group_number, whose] : each.groups)
            for (const auto& [id, held] : whose.leases()) {
                const auto holder = sessions_by_lease_.find(id);
                if (whose.name == group_name && held.outstanding > 0 && holder != sessions_by_lease_.end() &&
                    holder->second != given_to && !group_at(holder->second).empty())
                    throw std::logic_error{"two consumers of " + group_name + " are active (seed " +
                                           std::to_string(options_.seed) + ")"};
            }
}

// What is over the limit was there before the limit was. Where the oldest are dropped, dead letters are not
// among them.
void world::check_limit() const {
    if (!limited_) return;
    for (const auto& [number, each] : brain_->state().streams()) {
        if (each.name != "s") continue;
        std::uint64_t most = std::max(each.settings.messages_max, limited_at_);
        if (each.settings.when_full == static_cast<std::uint64_t>(records::when_full::drop_oldest))
            for (const auto& [group_number, whose] : each.groups) most += whose.dead_count();
        if (each.messages() > most)
            throw std::logic_error{"the stream has " + std::to_string(each.messages()) +
                                   " messages, over its limit (seed " + std::to_string(options_.seed) + ")"};
    }
}

}  // namespace ferry::test
