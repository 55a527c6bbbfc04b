#include "cli/child.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <thread>

#include "cli/exit_codes.hpp"
#include "cli/words.hpp"
#include "tests/support/process.hpp"

using namespace ferry;
using namespace ferry::cli;
using namespace std::chrono_literals;

namespace {

struct result {
    int status;
    std::string output;
};

result run_command(const char* command, std::string input = "") {
    std::signal(SIGPIPE, SIG_IGN);
    context context;
    child one{{.command = split_words(command), .input = std::move(input)}};
    REQUIRE(one.run(context) == child::end::exited);
    return {one.status(), one.output()};
}

}  // namespace

TEST_CASE("child: input goes in, output comes out, and the status is told") {
    CHECK(run_command("cat", "hello").output == "hello");
    CHECK(run_command("sh -c 'exit 3'").status == 3);
    CHECK(run_command("sh -c 'kill -TERM $$'").status == 128 + SIGTERM);
    CHECK(run_command("printf '%s|' 'a b' \"\" c").output == "a b||c|");
}

TEST_CASE("child: a megabyte passes through, and one that reads nothing is no failure") {
    const std::string megabyte(1 << 20, 'x');
    CHECK(run_command("cat", megabyte).output == megabyte);
    CHECK(run_command("true", megabyte).status == 0);
}

TEST_CASE("child: a command that cannot be started is told before anything else") {
    for (const char* command : {"no-such-command-here", "/no/such/file", "/etc/passwd", "/tmp"}) {
        try {
            child one{{.command = {command}}};
            FAIL("started");
        } catch (const failure& problem) {
            CHECK(problem.code() == exit_code::usage);
            CHECK(std::string{problem.what()}.find(command) != std::string::npos);
        }
    }
}

TEST_CASE("child: it is killed when the context stops and when its time is over") {
    context context;
    child slow{{.command = {"sleep", "1000"}}};
    CHECK(slow.run(context, std::chrono::steady_clock::now()) == child::end::timed_out);
    context.request_stop();
    child stopped{{.command = {"sleep", "1000"}}};
    CHECK(stopped.run(context) == child::end::stopped);
}

TEST_CASE("child: it starts with default signals, a clean mask and no descriptor of ours") {
    context context;
    context.stop_on_signals();
    child one{
        {.command = split_words("sh -c 'grep -E ^Sig[BI] /proc/self/status; ls /proc/self/fd | wc -l'")}};
    REQUIRE(one.run(context) == child::end::exited);
    CHECK(one.output().find("SigBlk:\t0000000000000000") != std::string::npos);
    CHECK(one.output().find("SigIgn:\t0000000000000000") != std::string::npos);
    CHECK(one.output().ends_with("4\n"));  // 0, 1, 2 and the directory that ls reads
}

TEST_CASE("child: its environment is ours with the additions") {
    context context;
    child one{{.command = split_words("sh -c 'echo $FERRY_TOPIC:$HOME'"),
               .environment = {{"FERRY_TOPIC", "a b"}, {"HOME", "/x"}}}};
    REQUIRE(one.run(context) == child::end::exited);
    CHECK(one.output() == "a b:/x\n");
}
