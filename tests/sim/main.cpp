// ferry-sim: random histories of a whole spool on a simulated disk, network and clock.
//
//   ferry-sim                            every case, as many histories as the suite plays
//   ferry-sim --seeds N [--from S]       N histories of each case, from seed S (its own first one) on
//   ferry-sim --case NAME --seed S       one history, told step by step; the same seed is the same history,
//   always
//             --fail CALL/WAY            the same, and the disk's changing call of that number fails
//   ferry-sim --part K/N                 every N-th history, from the K-th on: for several processes
//   ferry-sim --list                     the cases
//
// Prints for each case what it came to, and last `N passed, N failed`; exit status 1 when a promise broke.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tests/sim/cases.hpp"

namespace {

using ferry::test::sim_case;
using ferry::test::sim_cases;
using ferry::test::sim_tally;
using ferry::test::world;
using ferry::test::world_options;

struct wishes {
    std::optional<std::string> only;
    std::optional<std::uint64_t> seed, seeds, from;
    std::uint64_t part = 1, parts = 1;
    std::uint64_t fail_at = 0;
    std::size_t fail_way = 0;
    bool list = false;
};

std::uint64_t number_in(const std::string& word) {
    std::size_t used = 0;
    const std::uint64_t number = std::stoull(word, &used);
    if (used != word.size()) throw std::invalid_argument{"not a number: " + word};
    return number;
}

wishes read_wishes(int argc, char** argv) {
    wishes asked;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag{argv[i]};
        if (flag == "--list") {
            asked.list = true;
            continue;
        }
        if (++i == argc) throw std::invalid_argument{std::string{flag} + " wants a value"};
        const std::string value{argv[i]};
        if (flag == "--case") {
            asked.only = value;
        } else if (flag == "--seed") {
            asked.seed = number_in(value);
        } else if (flag == "--seeds") {
            asked.seeds = number_in(value);
        } else if (flag == "--from") {
            asked.from = number_in(value);
        } else if (flag == "--part" && value.find('/') != std::string::npos) {
            asked.part = number_in(value.substr(0, value.find('/')));
            asked.parts = number_in(value.substr(value.find('/') + 1));
        } else if (flag == "--fail" && value.find('/') != std::string::npos) {
            asked.fail_at = number_in(value.substr(0, value.find('/')));
            asked.fail_way = number_in(value.substr(value.find('/') + 1));
        } else {
            throw std::invalid_argument{"not known: " + std::string{flag} + " " + value};
        }
    }
    if (asked.fail_at > 0 && !asked.seed) throw std::invalid_argument{"--fail wants a --seed"};
    if (asked.seed && !asked.only) throw std::invalid_argument{"--seed wants a --case"};
    if (asked.parts == 0 || asked.part == 0 || asked.part > asked.parts)
        throw std::invalid_argument{"--part is K/N, 1 <= K <= N"};
    return asked;
}

bool tell_one(const sim_case& of, const wishes& asked) {
    world_options options = ferry::test::with_failure(of.of, asked.fail_at, asked.fail_way);
    options.seed = *asked.seed;
    options.tell = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
    try {
        world history{options};
        history.run();
        std::printf("came to rest: %llu confirmed, %llu crashes\n",
                    static_cast<unsigned long long>(history.seen().confirmed_count()),
                    static_cast<unsigned long long>(history.crashes()));
        return true;
    } catch (const std::exception& broken) {
        std::printf("BROKEN: %s\n", broken.what());
        return false;
    }
}

bool play(const sim_case& of, const wishes& asked) {
    const std::uint64_t first = asked.from.value_or(of.first_seed);
    const std::uint64_t end = first + asked.seeds.value_or(of.histories);
    sim_tally tally;
    for (std::uint64_t seed = first + asked.part - 1; seed < end; seed += asked.parts) {
        world_options options = of.of;
        options.seed = seed;
        try {
            world history{options};
            history.run();
            tally.add(history);
        } catch (const std::exception& broken) {
            std::printf("FAILED: %s: %s\n  replay: ferry-sim --case %s --seed %llu\n",
                        std::string{of.name}.c_str(), broken.what(), std::string{of.name}.c_str(),
                        static_cast<unsigned long long>(seed));
            return false;
        }
    }
    const auto figure = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "%s: %llu histories from seed %llu, %llu crash states, %llu confirmed, %llu dead letters moved, "
        "%llu given up, cleaned in %llu\n",
        std::string{of.name}.c_str(), figure(tally.histories), figure(first), figure(tally.crashes),
        figure(tally.confirmed), figure(tally.moved), figure(tally.given_up), figure(tally.cleaned));
    std::fflush(stdout);
    if (tally.telling(of)) return true;
    std::printf("FAILED: %s: too little happened to show anything\n", std::string{of.name}.c_str());
    return false;
}

}  // namespace

int main(int argc, char** argv) try {
    const wishes asked = read_wishes(argc, argv);
    if (asked.list) {
        for (const sim_case& each : sim_cases())
            std::printf("%-16s %s\n", std::string{each.name}.c_str(), std::string{each.promise}.c_str());
        return 0;
    }
    if (asked.seed) return tell_one(ferry::test::sim_case_named(*asked.only), asked) ? 0 : 1;
    unsigned passed = 0;
    unsigned failed = 0;
    for (const sim_case& each : sim_cases())
        if (!asked.only || *asked.only == each.name) ++(play(each, asked) ? passed : failed);
    if (passed + failed == 0) static_cast<void>(ferry::test::sim_case_named(*asked.only));
    std::printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
} catch (const std::exception& wrong) {
    std::fprintf(stderr, "ferry-sim: %s\n", wrong.what());
    return 2;
}
