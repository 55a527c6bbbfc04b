#include "cli/command_line.hpp"

#include <doctest/doctest.h>

#include <array>

#include "cli/exit_codes.hpp"
#include "cli/flags.hpp"

using namespace ferry;
using namespace ferry::cli;
using namespace std::chrono_literals;

using words = std::vector<std::string>;

namespace {

const command some_command{"some", "", "some EP", "Does something.", {}, {}, nullptr};

struct parsed {
    shared_flags flags;
    words rest;
};

parsed parse(words given, std::initializer_list<shared> families) {
    parsed result;
    command_line line{some_command, std::move(given)};
    declare(line, result.flags, families);
    result.rest = line.parse();
    check(result.flags);
    return result;
}

std::string refusal(words given, std::initializer_list<shared> families) {
    try {
        parse(std::move(given), families);
    } catch (const usage_error& problem) {
        return problem.what();
    }
    return "taken";
}

}  // namespace

TEST_CASE("command line: flags and words may come in any order, and words keep theirs") {
    const parsed got = parse({":5555", "-n", "3", "news", "-q", "--timeout=2s", "hello", "--idle", "250ms"},
                             {shared::ending});
    CHECK(got.rest == words{":5555", "news", "hello"});
    CHECK(got.flags.end.count == 3U);
    CHECK(got.flags.end.timeout == 2s);
    CHECK(got.flags.end.idle == 250ms);
    CHECK(got.flags.quiet);
}

TEST_CASE("command line: a word is left as it is, whatever it looks like") {
    CHECK(parse({"[1,2]", "", "-", "-5", "-0.5", "a,b", "{x}", "%", "a=b"}, {}).rest ==
          words{"[1,2]", "", "-", "-5", "-0.5", "a,b", "{x}", "%", "a=b"});
    CHECK(parse({"a", "--", "-q", "--", "--bogus"}, {}).rest == words{"a", "-q", "--", "--bogus"});
}

TEST_CASE("command line: a repeatable flag takes one value each time, as it is") {
    const parsed got = parse({"-T", "a", "word", "-T", "[b,c]", "-T", "", "--topic=d e"}, {shared::topic});
    CHECK(got.flags.topics == words{"a", "[b,c]", "", "d e"});
    CHECK(got.rest == words{"word"});
    const parsed headers = parse({"-H", "a=1", "-H", "b=x=y", "-H", "c="}, {shared::headers});
    CHECK(std::get<std::string>(headers.flags.headers.at("b")) == "x=y");
    CHECK(std::get<std::string>(headers.flags.headers.at("c")).empty());
}

TEST_CASE("command line: an unknown flag is named, with the nearest one there is") {
    CHECK(refusal({"--tiemout", "2s"}, {shared::ending}) ==
          "unknown flag '--tiemout'; did you mean --timeout?");
    CHECK(refusal({"--time=2s"}, {shared::ending}) == "unknown flag '--time'");
    CHECK(refusal({"-Z"}, {}) == "unknown flag '-Z'");
    CHECK(refusal({"--json"}, {shared::input}) == "unknown flag '--json'");
    CHECK(refusal({"--batch"}, {shared::sockets}) == "unknown flag '--batch'");
}

TEST_CASE("command line: a flag without its value and a value that cannot be are refused by name") {
    CHECK(refusal({"-n"}, {shared::ending}) == "--count needs a value");
    CHECK(refusal({"-n", "0"}, {shared::ending}) == "--count: '0' is no whole number from 1 up");
    CHECK(refusal({"-H", "novalue"}, {shared::headers}) == "--header: 'novalue' is not NAME=VALUE");
    CHECK(refusal({"-b", "host"}, {shared::endpoints}).find("bad endpoint 'host'") == 0);
    CHECK(refusal({"--wait", "1s", "--no-wait"}, {shared::waiting}) == "give --wait or --no-wait, not both");
    CHECK(refusal({"--json", "--hex"}, {shared::output}) == "two output formats are given; choose one");
    CHECK(refusal({"--rate", "1/s", "--interval", "1s"}, {shared::pacing}) ==
          "give --rate or --interval, once");
    CHECK(refusal({"-H", "a=b", "--envelope", "none"}, {shared::headers}).find("headers need the envelope") ==
          0);
}

TEST_CASE("command line: shortcuts name their formats, and -0 is one of them") {
    CHECK(parse({"-0"}, {shared::output}).flags.out.format == out_format::nul);
    CHECK(parse({"--json", "-o", "json"}, {shared::output}).flags.out.format == out_format::json);
    CHECK(parse({"-F", "{topic}"}, {shared::output}).flags.out.form == "{topic}");
}

TEST_CASE("command line: binds and connects mix and keep their order") {
    const parsed got = parse({"-b", ":1", "--connect", "h:2", "-b", "tcp://*:3"}, {shared::endpoints});
    REQUIRE(got.flags.where.size() == 3);
    CHECK(got.flags.where[0] == ferry::bind("tcp://127.0.0.1:1"));
    CHECK(got.flags.where[1] == ferry::connect("tcp://h:2"));
    CHECK(got.flags.where[2] == ferry::bind("tcp://*:3"));
}

TEST_CASE("command line: a verb is one of its command's, or refused") {
    constexpr std::array<std::string_view, 2> verbs = {"create", "ls"};
    command_line good{some_command, {"ls", "-q", ":5555"}};
    CHECK(good.verb(verbs) == "ls");
    bool quiet = false;
    good.flag("-q", "", quiet);
    CHECK(good.parse() == words{":5555"});
    command_line wrong{some_command, {"creat"}};
    CHECK_THROWS_WITH_AS(wrong.verb(verbs), "unknown verb 'creat'; did you mean create?", usage_error);
    command_line none{some_command, {}};
    CHECK_THROWS_AS(none.verb(verbs), usage_error);
}
