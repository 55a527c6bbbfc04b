#include "devices/spool/dead_letter_office.hpp"

#include <algorithm>

#include "core/offset_list.hpp"
#include "devices/spool/runs.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::size_t page_bytes_max = 128 << 10;  // a RESULT is one frame
constexpr std::size_t row_bytes = 96;              // of a row beside its reason
constexpr std::uint64_t look_every_ns = 1'000'000'000;
constexpr std::uint64_t sync_within_ns = 10'000'000;

std::int64_t value(std::uint64_t number) {
    return static_cast<std::int64_t>(number);
}

std::uint64_t total(const std::vector<run>& runs) {
    std::uint64_t count = 0;
    for (const run& each : runs) count += each.count;
    return count;
}

// The lowest that are too many, and those that died too long ago; 0 is no limit.
std::vector<run> over_limits(const group& whose, std::uint64_t messages_max, std::uint64_t age_ns,
                             std::uint64_t wall_ns) {
    std::vector<run> over;
    std::uint64_t too_many =
        messages_max == 0 ? 0 : whose.dead_count() - std::min(whose.dead_count(), messages_max);
    for (const auto& [offset, died] : whose.dead().runs()) {
        if (too_many == 0 && age_ns == 0) break;
        const bool old = age_ns != 0 && died.died_wall_ns + age_ns <= wall_ns;
        const std::uint64_t count = old ? died.count : std::min(died.count, too_many);
        too_many -= std::min(too_many, count);
        add_run(over, {offset, count});
    }
    return over;
}

}  // namespace

admin_reply dead_letter_office::list(const header_map& arguments) {
    admin_reply answer;
    const auto [of, whose] = find_group(parts_, arguments, answer);
    if (whose == nullptr) return answer;
    std::size_t bytes = 0;
    if (arguments.contains("from") && !number_of(arguments, "from"))
        return refusal(code::bad_option, "from is a number, at least 0");
    for (auto died = whose->dead().next(number_of(arguments, "from").value_or(0));
         died && bytes < page_bytes_max; died = whose->dead().next(died->end())) {
        bytes += row_bytes + died->reason.size();
        answer.rows.push_back({{"offset", value(died->offset)},
                               {"count", value(died->count)},
                               {"attempt", value(died->attempt)},
                               {"reason", died->reason},
                               {"died", value(died->died_wall_ns)}});
    }
    return answer;
}

// What the arguments name and is dead; all without `offsets`.
std::vector<run> dead_letter_office::chosen(const group& whose, const header_map& arguments,
                                            admin_reply& answer) {
    std::vector<run> named{{0, ~std::uint64_t{0}}};
    if (arguments.contains("offsets")) {
        auto given = read_offsets(text_of(arguments, "offsets").value_or(""));
        if (!given) {
            answer = refusal(code::bad_option, "offsets are written 1000..1003,1010");
            return {};
        }
        named = std::move(*given);
    }
    run_set found;
    for (const run& each : named)
        for (auto died = whose.dead().next(each.first); died && died->offset < each.end();
             died = whose.dead().next(died->end()))
            found.add({died->offset, std::min(died->end(), each.end()) - died->offset});
    std::vector<run> runs;
    for (const auto& [first, end] : found.runs()) runs.push_back({first, end - first});
    return runs;
}

admin_reply dead_letter_office::redrive(const header_map& arguments) {
    admin_reply answer;
    const auto [of, whose] = find_group(parts_, arguments, answer);
    if (whose == nullptr) return answer;
    if (!parts_.read_only_reason.empty()) return refusal(code::read_only, parts_.read_only_reason);
    std::vector<run> runs = chosen(*whose, arguments, answer);
    if (!answer.code.empty()) return answer;
    const std::uint64_t messages = total(runs);
    parts_.counters.messages_redriven += messages;
    if (!runs.empty())
        parts_.journal.append(log::record_type::redrive,
                              records::redrive{of->number, whose->number, std::move(runs)}, parts_.now);
    parts_.touched.insert(of->number);
    answer.rows.push_back({{"stream", of->name}, {"group", whose->name}, {"messages", value(messages)}});
    answer.wait = true;
    return answer;
}

admin_reply dead_letter_office::drop(const header_map& arguments) {
    admin_reply answer;
    const auto [of, whose] = find_group(parts_, arguments, answer);
    if (whose == nullptr) return answer;
    if (!parts_.read_only_reason.empty()) return refusal(code::read_only, parts_.read_only_reason);
    std::vector<run> runs = chosen(*whose, arguments, answer);
    if (!answer.code.empty()) return answer;
    answer.rows.push_back({{"stream", of->name}, {"group", whose->name}, {"messages", value(total(runs))}});
    answer.wait = true;
    remove(*of, *whose, std::move(runs), records::removal_reason::dropped);
    return answer;
}

void dead_letter_office::remove(const stream& of, const group& whose, std::vector<run> runs,
                                records::removal_reason why) {
    if (runs.empty()) return;
    const std::uint64_t messages = total(runs);
    parts_.counters.messages_removed += messages;
    parts_.journal.append(
        log::record_type::removed,
        records::removed{of.number, static_cast<std::uint64_t>(why), std::move(runs), whose.number, messages},
        parts_.now);
    parts_.journal.sync_soon(parts_.now, sync_within_ns);
    parts_.touched.insert(of.number);
}

void dead_letter_office::keep_limits(const stream& of, bool by_age) {
    const std::uint64_t age_ns = by_age ? of.settings.dead_age_ms_max * 1'000'000 : 0;
    if (of.settings.dead_messages_max == 0 && age_ns == 0) return;
    for (const auto& [number, whose] : of.groups) {
        std::vector<run> over = over_limits(whose, of.settings.dead_messages_max, age_ns, parts_.now.wall_ns);
        if (!over.empty()) remove(of, whose, std::move(over), records::removal_reason::retention);
        ages_ = ages_ || (of.settings.dead_age_ms_max != 0 && whose.dead_count() > 0);
    }
}

void dead_letter_office::keep_limits() {
    if (!parts_.read_only_reason.empty()) return;
    if (parts_.now.monotonic_ns >= next_look_ns_) {
        next_look_ns_ = parts_.now.monotonic_ns + look_every_ns;
        ages_ = false;
        for (const auto& [number, each] : parts_.state.streams()) keep_limits(each, true);
        return;
    }
    const auto touched = parts_.touched;  // removing touches
    for (const std::uint32_t number : touched)
        if (const stream* of = parts_.state.find(number)) keep_limits(*of, false);
}

std::uint64_t dead_letter_office::next_due_ns() const {
    return ages_ && parts_.read_only_reason.empty() ? next_look_ns_ : ~std::uint64_t{0};
}

}  // namespace ferry
