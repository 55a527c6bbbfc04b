#include "tests/spool/random_history.hpp"

#include <array>

namespace ferry::test {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;

std::uint64_t number(const header_map& row, const std::string& name) {
    return static_cast<std::uint64_t>(std::get<std::int64_t>(row.at(name)));
}

}  // namespace

// What does not go together: with a filter, how much room a stream has depends on how far the group has
// looked in the middle of a batch, and with keys or turns how far it has looked on when; and messages that
// grow too old are taken away while leases end, so in these histories nothing dies. Nor does anybody give up
// where a filter looks on behind what was redriven, or messages expire to dead letters where there are keys:
// an ordered group that was down does not know that they were seen, and lists them with attempt 0.
random_history::random_history(random_history_options of)
    : with_{of},
      random_{of.seed},
      about_{.filters = of.seed % 4 == 1,
             .delays = of.seed % 4 != 1 && chance(50),
             .priorities = chance(50),
             .ttls = of.seed % 4 != 1 && chance(50),
             .ids = chance(40),
             .limits = of.seed % 4 == 2,
             .ages = of.seed % 4 == 3,
             .keys = of.seed % 4 != 1 && chance(40),
             .turns = of.seed % 4 != 1 && chance(30)},
      table_{of.seed % 3 == 0 ? brain_options{.near_ms = 1000} : brain_options{}} {
    streams_.try_emplace("s");
    if (chance(50)) streams_.try_emplace("t");
    for (auto& [name, each] : streams_) {
        each.model.now_ms = table_.now().wall_ns / ns_per_ms;
        each.model.plant_restarts_count = of.plant_restarts_count;
    }
}

std::string random_history::story() const {
    std::string text;
    for (std::size_t i = 0; i < lines_.size(); ++i) text += std::to_string(i + 1) + ". " + lines_[i] + "\n";
    return text;
}

// Most begin with somebody at work.
void random_history::begin() {
    set_stream();
    if (chance(80)) make_group();
    if (chance(80)) join();
}

void random_history::run() {
    for (const auto& [name, each] : streams_) {
        at_ = name;
        begin();
    }
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
    static constexpr std::array<std::pair<unsigned, command>, 22> all = {{
        {16, &me::put},       {10, &me::join},  {3, &me::leave},      {3, &me::die},
        {3, &me::reconnect},  {18, &me::ack},   {10, &me::nack},      {4, &me::give_up},
        {5, &me::release},    {14, &me::wait},  {6, &me::restart},    {3, &me::snapshot},
        {3, &me::set_stream}, {1, &me::purge},  {6, &me::make_group}, {1, &me::remove_group},
        {3, &me::seek},       {4, &me::pause},  {5, &me::redrive},    {3, &me::drop},
        {4, &me::read},       {6, &me::commit},
    }};
    unsigned sum = 0;
    for (const auto& [weight, each] : all) sum += weight;
    // A command for which there is nothing to do says nothing; then another one is tried.
    for (const std::size_t before = lines_.size(); lines_.size() == before;) {
        at_ = any_of(streams_).first;
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
    do {
        table_.settle();
        hear_producers(false);
    } while (collect() | refuse_late());
    for (auto& [name, each] : streams_) each.model.end_step();
}

// A message that may wait is under way alone: while it waits, its producer puts nothing else.
void random_history::hear_producers(bool wait_is_new) {
    for (auto& [name, each] : streams_) {
        if (each.places.empty()) continue;
        std::vector<std::pair<std::uint64_t, bool>> fates;
        bool waits = false;
        for (const put_place& place : each.places) {
            const message_fate fate = place.now();
            waits = waits || fate.is == message_fate::state::pending;
            if (fate.is == message_fate::state::stored) fates.emplace_back(fate.offset, fate.duplicate);
        }
        if (waits) {
            if (wait_is_new && name == at_) each.model.wait_for_room(each.under_way.front());
            continue;
        }
        each.places.clear();
        lines_.back() += " -> " + name;
        for (const auto& [offset, duplicate] : fates)
            lines_.back() += " " + std::to_string(offset) + (duplicate ? " (duplicate)" : "");
        each.model.put(std::exchange(each.under_way, {}), fates);
    }
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
            model_of(name).delivered(name, item->offset, item->attempt, std::string{item->item.payload},
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
                                if (model_of(worker_name).holds(worker_name, entry.first)) return false;
                                table_.session(worker_name).ack(entry.second, entry.first);
                                return true;
                            }) > 0 ||
              any;
    return any;
}

std::string random_history::described(const header_map& row) {
    std::string text;
    for (const auto& [name, each] : row) {
        const auto* const is_text = std::get_if<std::string>(&each);
        text +=
            " " + name + "=" + (is_text != nullptr ? *is_text : std::to_string(std::get<std::int64_t>(each)));
    }
    return text;
}

protocol::result random_history::tell(const std::string& command, header_map arguments) {
    arguments.emplace("stream", at_);
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
                               ", and the spool says" + described(row)};
}

void random_history::compare() {
    for (const auto& [name, each] : streams_) {
        at_ = name;
        compare_stream();
    }
}

void random_history::compare_stream() {
    const protocol::result answer = tell("stream.info", {});
    const header_map& row = answer.rows.at(0);
    const auto& removed = model().removed();
    std::uint64_t dead = 0;
    for (std::size_t i = 1; i < answer.rows.size(); ++i) {
        const std::string name = std::get<std::string>(answer.rows[i].at("name"));
        if (!model().has_group(name)) throw disagreement{"there should be no group " + name};
        const auto seen = model().view(name);
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
    compare_row("stream " + at_, row,
                {{"next", model().next()},
                 {"messages", model().messages()},
                 {"bytes", model().bytes()},
                 {"groups", here().groups.size()},
                 {"dead", dead},
                 {"removed_purged", removed.purged},
                 {"removed_retention", removed.retention},
                 {"removed_oldest", removed.oldest},
                 {"removed_expired", removed.expired},
                 {"removed_dropped", removed.dropped},
                 {"removed_damaged", 0}});
    // Gaps that duplicates left may be counted to either side.
    const std::uint64_t first = number(row, "first");
    if (first > model().first() || !model().nothing_between(first, model().first()))
        compare_row("stream", row, {{"first", model().first()}});
}

void random_history::compare_dead(const std::string& group) {
    std::set<std::uint64_t> left = model().dead(group);
    for (const header_map& row : tell("dead.list", {{"group", group}}).rows)
        for (std::uint64_t i = 0; i < number(row, "count"); ++i) {
            const std::uint64_t offset = number(row, "offset") + i;
            model().listed(group, offset, number(row, "attempt"), std::get<std::string>(row.at("reason")));
            left.erase(offset);
        }
    if (!left.empty())
        throw disagreement{"offset " + std::to_string(*left.begin()) + " is not listed as dead in " + group};
}

}  // namespace ferry::test
