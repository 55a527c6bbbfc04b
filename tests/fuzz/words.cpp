// What people type on the command line: quantities, places, templates, patterns, offsets, words.
//
// The first byte says which; the rest is the text.
#include "cli/words.hpp"

#include <array>

#include "cli/exit_codes.hpp"
#include "cli/template.hpp"
#include "cli/units.hpp"
#include "core/offset_list.hpp"
#include "core/wildcard.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;
using namespace ferry::cli;

namespace {

void quantity(std::string_view text) {
    constexpr std::uint64_t now_ns = 1'700'000'000'000'000'000;
    const auto tries = {
        +[](std::string_view t) {
            fuzz::expect(parse_duration("-d", t).count() >= 0, "a duration is none below zero");
        },
        +[](std::string_view t) { static_cast<void>(parse_size("-s", t)); },
        +[](std::string_view t) { fuzz::expect(parse_rate("-r", t).count() > 0, "a pause is never zero"); },
        +[](std::string_view t) {
            fuzz::expect(parse_count("-n", t, 3) >= 3, "a count is at least what it must be");
        },
        +[](std::string_view t) { static_cast<void>(parse_start("-f", t, now_ns)); }};
    for (const auto each : tries) try {
            each(text);
        } catch (const usage_error&) {}
}

void a_time(std::string_view text) {
    // Years up to 2261, which nanoseconds can count.
    const std::uint64_t ns = fuzz::take_number(text, 8) % 9'214'646'400'000'000'000U;
    const start_point back = parse_start("-f", format_time(ns), 0);
    fuzz::expect(back.at == start_point::kind::time && back.value / 1000 == ns / 1000, "a time comes back");
}

void a_template(std::string_view text) try {
    const bool durable = !text.empty() && text.front() % 2 == 0;
    const output_template prepared{text, durable};
    message content{"top\xFFic", "pay\nload"};
    content.set_header("n", std::int64_t{-1});
    const delivered_as from{.stream = "s", .group = "g", .offset = 7, .attempt = 1, .time_ns = 1};
    std::string filled;
    prepared.fill(filled, {content, durable ? &from : nullptr, 1, 1'700'000'000'000'000'000});
} catch (const usage_error&) {}

void a_pattern(std::string_view text) {
    const auto border = text.find('\n');
    const std::string_view pattern = text.substr(0, border);
    const std::string_view topic = border == std::string_view::npos ? text : text.substr(border + 1);
    if (!pattern_problem(pattern).empty()) return;
    const bool fits = matches(pattern, topic);
    fuzz::expect(!fits || topic.starts_with(literal_prefix(pattern)),
                 "what fits begins with the literal prefix");
}

void offsets(std::string_view text) {
    const auto first = read_offsets(text);
    if (!first) return;
    const auto second = read_offsets(write_offsets(*first));
    fuzz::expect(second && *second == *first, "offsets come back");
}

void words(std::string_view text) try {
    const std::vector<std::string> found = split_words(text);
    std::string quoted;
    for (const std::string& each : found) {
        quoted += " '";
        for (const char c : each) quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
        quoted += '\'';
    }
    fuzz::expect(split_words(quoted) == found, "words come back");
    constexpr std::array<std::string_view, 3> known = {"publish", "pull", "stream"};
    static_cast<void>(did_you_mean(text, known));
} catch (const usage_error&) {}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = fuzz::as_text(data, size);
    constexpr std::array reads = {quantity, a_time, a_template, a_pattern, offsets, words};
    reads.at(fuzz::take_number(text, 1) % reads.size())(text);
    return 0;
}
