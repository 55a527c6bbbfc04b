#include "cli/demo_ledger.hpp"

#include <fmt/format.h>

#include <charconv>

#include "cli/exit_codes.hpp"

namespace ferry::cli {
namespace {

std::string_view take_word(std::string_view& line) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, space);
    line.remove_prefix(std::min(space + 1, line.size()));
    return word;
}

bool take_number(std::string_view& line, std::uint64_t& number) {
    const std::string_view word = take_word(line);
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), number);
    return problem == std::errc{} && end == word.data() + word.size();
}

std::string described(std::string_view network, std::string_view magnitude) {
    return fmt::format("{} {}", network, magnitude);
}

}  // namespace

void demo_ledger::note(std::string_view line) {
    std::string_view left = line;
    std::uint64_t offset = 0;
    std::uint64_t attempt = 0;
    const bool numbers = take_number(left, offset) && take_number(left, attempt);
    const std::string_view network = take_word(left);
    const std::string_view magnitude = take_word(left);
    if (!numbers || attempt == 0 || magnitude.empty() || !left.empty())
        throw failure{exit_code::failed, fmt::format("a worker wrote '{}'", line)};
    ++deliveries_;
    if (attempt > 1) ++redelivered_;
    const auto [at, is_new] = sightings_.try_emplace(offset);
    sighting& seen = at->second;
    if (is_new) {
        seen.what = described(network, magnitude);
        const auto total = totals_.try_emplace(std::string{network}).first;
        total->second.add(magnitude);
    }
    seen.contradicted = seen.contradicted || seen.what != described(network, magnitude);
    if (attempt == 1 && seen.first_attempt) ++unflagged_;
    seen.first_attempt = seen.first_attempt || attempt == 1;
}

bool demo_ledger::agrees(std::uint64_t offset, const demo_event& event) const {
    const auto found = sightings_.find(offset);
    return found != sightings_.end() && !found->second.contradicted &&
           found->second.what == described(event.network, event.magnitude);
}

std::string ledger_line(std::uint64_t offset, std::uint64_t attempt, const demo_event& event) {
    return fmt::format("{} {} {} {}\n", offset, attempt, event.network, event.magnitude);
}

}  // namespace ferry::cli
