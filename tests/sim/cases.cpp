#include "tests/sim/cases.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

namespace ferry::test {
namespace {

constexpr auto written = protocol::grade::written;

const std::array<sim_case, 21> cases = {{
    {"power-cuts",
     "synced messages survive power cuts, in order, once, and every redelivery is flagged",
     {},
     2250,
     1},
    {"disk-errors",
     "the same when writes and syncs fail and the spool turns read-only",
     {.disk_errors = true},
     1500,
     1'000'001},
    {"kills",
     "grade written keeps the same promises when only the process dies",
     {.grade = written, .power_cuts = false},
     1250,
     2'000'001},
    {"doubled", "frames that come twice do nothing twice", {.doubled_frames = true}, 750, 3'000'001},
    {"doubled-keys",
     "nor where groups are ordered by keys, paused and sent elsewhere",
     {.upheavals = true, .keys = true, .doubled_frames = true},
     250,
     4'000'001},
    {"far-delays",
     "delays that stand in buckets until they are read in the log hold the same promises",
     {.near_ms = 1000},
     1000,
     5'000'001},
    {"upheavals",
     "groups that are paused and sent elsewhere, and purges, hold what was answered through crashes",
     {.upheavals = true},
     1000,
     6'000'001},
    {"filters",
     "a group with a filter is given all it wants and nothing else, through crashes and upheavals",
     {.upheavals = true, .filters = true},
     750,
     7'000'001},
    {"keys",
     "messages of one key are out one at a time and never overtake, through crashes and redeliveries",
     {.keys = true},
     1000,
     8'000'001},
    {"keys-errors",
     "nor where writes fail and a filter looks on",
     {.disk_errors = true, .keys = true, .filters = true},
     500,
     9'000'001},
    {"keys-upheavals",
     "ordered groups lose nothing to upheavals",
     {.grade = written, .power_cuts = false, .upheavals = true, .keys = true},
     500,
     10'000'001},
    {"ids",
     "a message id is stored once, whoever puts it how often, through crashes and power cuts",
     {.ids = true},
     500,
     11'000'001},
    {"limits",
     "a full stream refuses, blocks or drops the oldest, and what it refused is nowhere",
     {.disk_errors = true, .ids = true, .limits = true},
     500,
     12'000'001},
    {"commits",
     "of each message that is consumed the outputs are stored once and with its ack, whatever crashes",
     {.commits = true},
     750,
     13'000'001},
    {"commits-errors",
     "nor do they part where writes fail, frames come twice and groups are ordered by keys",
     {.disk_errors = true, .keys = true, .doubled_frames = true, .commits = true},
     250,
     14'000'001},
    {"ttls",
     "what has expired is given to nobody, and nothing else goes with it",
     {.keys = true, .ttls = true},
     500,
     15'000'001},
    {"turns",
     "of a group's consumers one at most has messages, and nothing is lost from one turn to the next",
     {.turns = true},
     500,
     16'000'001},
    {"turns-errors",
     "nor where writes fail, groups are ordered by keys and sent elsewhere",
     {.disk_errors = true, .upheavals = true, .keys = true, .turns = true},
     250,
     17'000'001},
    {"lost-frames",
     "a frame that does not arrive on a session that goes on loses nothing, and nothing waits for it for "
     "ever",
     {.lost_frames = true, .ids = true},
     750,
     18'000'001},
    {"lost-frames-keys",
     "nor where groups are ordered by keys, take turns and commit",
     {.keys = true, .lost_frames = true, .commits = true, .turns = true},
     500,
     19'000'001},
    {"reordered-frames",
     "a frame that overtakes another does no harm, nor what a broken connection said and is heard late",
     {.reordered_frames = true, .commits = true},
     500,
     20'000'001},
}};

}  // namespace

std::span<const sim_case> sim_cases() {
    return cases;
}

const sim_case& sim_case_named(std::string_view name) {
    const auto found = std::ranges::find(cases, name, &sim_case::name);
    if (found == cases.end()) throw std::invalid_argument{"no case " + std::string{name}};
    return *found;
}

std::span<const disk_failure> disk_failures() {
    static constexpr std::array<disk_failure, 5> ways = {
        {{"EIO", fault::io_error, false},
         {"ENOSPC", fault::no_space, false},
         {"a short write", fault::short_write, false},
         {"death before it", fault::io_error, true},
         {"death in the middle of it", fault::short_write, true}}};
    return ways;
}

world_options with_failure(world_options of, std::uint64_t call, std::size_t way) {
    if (way >= disk_failures().size()) throw std::out_of_range{"no such way to fail"};
    of.fail_at = call;
    of.fail_kind = disk_failures()[way].kind;
    of.fail_deadly = disk_failures()[way].deadly;
    return of;
}

void sim_tally::add(const world& history) {
    ++histories;
    crashes += history.crashes();
    confirmed += history.seen().confirmed_count();
    moved += history.seen().moved_count();
    given_up += history.seen().given_up_count();
    cleaned += history.moved() > 0 ? 1 : 0;
    duplicates += history.duplicates();
    refusals += history.refusals();
    outputs += history.outputs_seen();
    never_seen += history.seen().never_seen();
}

// That dead letters are moved at all is what `moved` guards; it is rarest where groups are sent elsewhere or
// ordered, and where messages are committed or refused.
bool sim_tally::telling(const sim_case& of) const {
    if (confirmed <= histories || (of.of.ids && duplicates <= histories) ||
        (of.of.limits && refusals <= histories / 2) || (of.of.commits && outputs <= histories) ||
        (of.of.ttls && never_seen <= histories))
        return false;
    const std::uint64_t seldom = histories / (of.of.keys || of.of.commits || of.of.limits ? 200 : 40);
    return histories < 100 || (moved > seldom && given_up > seldom && cleaned > histories / 4);
}

}  // namespace ferry::test
