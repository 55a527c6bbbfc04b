#include "cli/units.hpp"

#include <doctest/doctest.h>

#include "cli/ending.hpp"
#include "cli/exit_codes.hpp"

using namespace ferry;
using namespace ferry::cli;
using namespace std::chrono_literals;

TEST_CASE("units: durations are numbers with a unit, and nothing else is") {
    CHECK(parse_duration("-t", "250ms") == 250ms);
    CHECK(parse_duration("-t", "2s") == 2s);
    CHECK(parse_duration("-t", "5m") == 5min);
    CHECK(parse_duration("-t", "7d") == 168h);
    CHECK(parse_duration("-t", "1.5h") == 90min);
    CHECK(parse_duration("-t", "0") == 0s);
    for (const char* wrong : {"", "5", "s", "-1s", "5 s", "5sec", "1e3s", "nan", "1.2.3s", "99999999999d"})
        CHECK_THROWS_AS(parse_duration("-t", wrong), usage_error);
}

TEST_CASE("units: a wrong quantity is refused with the flag and an example") {
    try {
        parse_duration("--idle", "soon");
        FAIL("taken");
    } catch (const usage_error& problem) {
        CHECK(std::string{problem.what()} ==
              "--idle: 'soon' is no duration, which is written 250ms, 2s, 5m, 7d");
    }
}

TEST_CASE("units: kB is a thousand and KiB is 1024") {
    CHECK(parse_size("-s", "4096") == 4096);
    CHECK(parse_size("-s", "64KiB") == 65536);
    CHECK(parse_size("-s", "10MB") == 10'000'000);
    CHECK(parse_size("-s", "1.5GiB") == 1536ULL << 20);
    for (const char* wrong : {"", "KiB", "10 MB", "10mb", "-1", "1e9"})
        CHECK_THROWS_AS(parse_size("-s", wrong), usage_error);
}

TEST_CASE("units: rates are the pause between two") {
    CHECK(parse_rate("--rate", "100/s") == 10ms);
    CHECK(parse_rate("--rate", "30/m") == 2s);
    CHECK(parse_rate("--rate", "0.5/s") == 2s);
    for (const char* wrong : {"0/s", "100", "/s", "-1/s", "1/d"})
        CHECK_THROWS_AS(parse_rate("--rate", wrong), usage_error);
}

TEST_CASE("units: counts begin where they are told to") {
    CHECK(parse_count("-n", "1") == 1);
    CHECK(parse_count("-n", "0", 0) == 0);
    for (const char* wrong : {"0", "-1", "+1", "1.0", "", "x", "99999999999999999999"})
        CHECK_THROWS_AS(parse_count("-n", wrong), usage_error);
}

TEST_CASE("units: a place in a stream is a word, an offset, a time or an age") {
    using kind = start_point::kind;
    constexpr std::uint64_t now = 1'800'000'000'000'000'000;
    const auto parse = [](const char* text) { return parse_start("--from", text, now); };
    CHECK(parse("first") == start_point{kind::first, 0});
    CHECK(parse("new") == start_point{kind::newest, 0});
    CHECK(parse("1200") == start_point{kind::offset, 1200});
    CHECK(parse("-5m") == start_point{kind::time, now - 300'000'000'000});
    CHECK(parse("1970-01-02T00:00:00Z") == start_point{kind::time, 86'400'000'000'000});
    CHECK(parse("1970-01-02T01:30:00.25+01:30") == start_point{kind::time, 86'400'250'000'000});
    for (const char* wrong :
         {"", "last", "5m", "2026-02-31T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "-x"})
        CHECK_THROWS_AS(parse(wrong), usage_error);
}

TEST_CASE("units: a time that is printed is read back as the same") {
    constexpr std::uint64_t time = 1'790'000'000'123'456'000;
    CHECK(format_time(time) == "2026-09-21T14:13:20.123456Z");
    CHECK(parse_start("--from", format_time(time), 0).value == time);
}

TEST_CASE("ending: the whole run, silence and the count each end it with their own code") {
    const ending counted{{.count = 2, .timeout = {}, .idle = {}}};
    CHECK_FALSE(counted.complete(1));
    CHECK(counted.complete(2));
    CHECK(counted.code(1) == exit_code::timed_out);
    CHECK(counted.code(2) == exit_code::done);
    CHECK_FALSE(counted.wait().has_value());

    const ending over{{.count = {}, .timeout = 0s, .idle = {}}};
    CHECK(over.run_over());
    CHECK(over.code(0) == exit_code::timed_out);
    CHECK(over.code(1) == exit_code::done);

    const ending silent{{.count = {}, .timeout = {}, .idle = 0s}};
    CHECK(silent.over());
    CHECK_FALSE(silent.run_over());
    CHECK(silent.code(0) == exit_code::done);

    const ending both{{.count = {}, .timeout = 1h, .idle = 1min}};
    CHECK(both.wait().value() <= 1min);
    CHECK(both.wait(1s) == 1s);
}
