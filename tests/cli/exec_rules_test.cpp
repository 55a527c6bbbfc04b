// Transcripts of take --exec with --into, --dead-exit and --nack-delay: what its commands print and end with.
#include <doctest/doctest.h>

#include <csignal>

#include "tests/cli/spool_process.hpp"

using namespace ferry::test;

namespace {

std::string counts_of(const spool_process& spool) {
    return run_ferry({"group", "info", spool.at, "jobs", "default", "--json"}).out;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "exec: with --into what a command prints is stored in a stream, line by line, as one with the ack") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = "a\nb\n"});
    const finished take = run_ferry({"take", spool.at, "jobs", "-n", "2", "--into", "results", "--exec",
                                     "sh -c 'read x; echo $x 1; echo; echo $x 2'"});
    CHECK(take.status == 0);
    CHECK(take.out.empty());
    CHECK(take.err == "received 2, done 2\n");
    CHECK(run_ferry({"take", spool.at, "results", "-n", "6"}).out == "a 1\n\na 2\nb 1\n\nb 2\n");
    CHECK(has(counts_of(spool), "\"acked_floor\":2"));
}

TEST_CASE("exec: --in says how what a command prints is read, and json brings topics and headers") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs", "a\nb"});
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "--into", "whole", "--in", "raw", "--exec", "cat"})
              .status == 0);
    CHECK(run_ferry({"take", spool.at, "whole", "-n", "1", "--json"}).out.find(R"("payload":"a\nb")") !=
          std::string::npos);
    run_ferry({"put", spool.at, "jobs", R"({"topic":"t","headers":{"n":5},"payload":"p"})"});
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "--into", "made", "-i", "json", "--exec", "cat"})
              .status == 0);
    CHECK(run_ferry({"take", spool.at, "made", "-n", "1", "-F", "{topic} {h.n} {payload}\\n"}).out ==
          "t 5 p\n");
}

TEST_CASE("exec: a command that fails stores nothing, and one that prints nothing is acked") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = "bad\nquiet\n"});
    const finished take =
        run_ferry({"take", spool.at, "jobs", "-n", "2", "--into", "results", "--exec",
                   "sh -c 'read x; [ $x = quiet ] || { echo $FERRY_ATTEMPT; [ $FERRY_ATTEMPT = 2 ]; }'"});
    CHECK(take.status == 0);
    CHECK(has(take.err, "offset 0, attempt 1: the command ended with status 1\n"));
    CHECK(has(take.err, "received 3, done 2, failed 1\n"));
    CHECK(run_ferry({"take", spool.at, "results", "--idle", "100ms"}).out == "2\n");
}

TEST_CASE("exec: what cannot be stored goes back, and says why") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs", "no json"});
    const finished garbled = run_ferry(
        {"take", spool.at, "jobs", "-t", "300ms", "--into", "results", "--in", "json", "--exec", "cat"});
    CHECK(garbled.status == 5);
    CHECK(has(garbled.err, "offset 0, attempt 1: what the command printed is no message: line 1: "));
    CHECK(has(counts_of(spool), "\"acked_floor\":0"));
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "--exec", "cat"}).status == 0);

    run_ferry({"stream", "create", spool.at, "small", "--max-message", "10"});
    run_ferry({"put", spool.at, "jobs", "longer than ten"});
    const finished refused =
        run_ferry({"take", spool.at, "jobs", "-t", "300ms", "--into", "small", "--exec", "cat"});
    CHECK(refused.status == 5);
    CHECK(has(refused.err, "offset 1, attempt 1: not stored in 'small': too-large: "));
    CHECK(has(refused.err, ", done 0, failed "));
}

TEST_CASE(
    "exec: while the stream for what commands print is full, nothing is lost, and take says what it waits "
    "for") {
    spool_process spool;
    run_ferry({"stream", "create", spool.at, "results", "--max-messages", "1"});
    run_ferry({"put", spool.at, "jobs"}, {.input = "a\nb\n"});
    process take{binary_with({"take", spool.at, "jobs", "-n", "2", "--into", "results", "--exec", "cat"})};
    CHECK(
        take.wait_for_error("offset 1, attempt 1: ") ==
        "offset 1, attempt 1: not stored in 'results' yet: the stream is full, or the spool does not answer");
    CHECK(run_ferry({"take", spool.at, "results", "-n", "2"}).out == "a\nb\n");
    CHECK(take.wait() == 0);
    CHECK(has(take.err(), "received 2, done 2\n"));
}

TEST_CASE("exec: a status of --dead-exit gives a message up at once, and the reason is kept") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = "65\n0\n66\n"});
    const finished take = run_ferry({"take", spool.at, "jobs", "--idle", "200ms", "--dead-exit", "65",
                                     "--dead-exit", "66", "--exec", "sh -c 'read x; exit $x'"});
    CHECK(take.status == 0);
    CHECK(has(take.err, "offset 0, attempt 1: the command ended with status 65\n"));
    CHECK(has(take.err, "received 3, done 1, dead 2\n"));
    const std::string dead = run_ferry({"dead", "ls", spool.at, "jobs", "--json"}).out;
    CHECK(has(dead, R"("offset":0,"attempt":1)"));
    CHECK(has(dead, R"("offset":2,"attempt":1)"));
    CHECK(has(dead, R"("reason":"the command ended with status 66")"));
}

TEST_CASE("exec: --nack-delay says when what failed comes again, for one status or for all others") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = "1\n75\n"});
    const finished take =
        run_ferry({"take", spool.at, "jobs", "--idle", "300ms", "--nack-delay", "75=1h", "--nack-delay",
                   "0ms", "--exec", "sh -c 'read x; [ $FERRY_ATTEMPT = 4 ] || exit $x'"});
    CHECK(take.status == 0);
    // The one that failed with 1 is back at once, against the group's back-off, until it succeeds.
    CHECK(has(take.err, "received 5, done 1, failed 4\n"));
    CHECK(has(counts_of(spool), "\"delayed\":1"));
}

TEST_CASE("exec: while what they print is not stored, no more commands are run than -P says") {
    spool_process spool;
    run_ferry({"stream", "create", spool.at, "results", "--max-messages", "1"});
    run_ferry({"put", spool.at, "jobs"}, {.input = "a\nb\nc\nd\n"});
    process take{binary_with({"take", spool.at, "jobs", "-n", "4", "-P", "2", "--into", "results", "--exec",
                              "sh -c 'echo >&2 run; cat'"})};
    take.wait_for_error("offset ");
    const std::string said = take.err();
    CHECK(has(said, "run\nrun\nrun\n"));  // the first is stored, two wait
    CHECK(!has(said, "run\nrun\nrun\nrun\n"));
    CHECK(run_ferry({"take", spool.at, "results", "-n", "4"}).status == 0);
    CHECK(take.wait() == 0);
}

TEST_CASE(
    "exec: what a command printed under a lease that is over is not stored, and take says so and goes on") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs", "x"});
    process take{binary_with({"take", spool.at, "jobs", "-n", "1", "--lease", "300ms", "--into", "results",
                              "--exec", "sh -c 'echo >&2 run; sleep 1; cat'"})};
    take.wait_for_error("run");
    take.suspend();
    const finished other = run_ferry({"take", spool.at, "jobs", "-n", "1", "-F", "{attempt}\\n"});
    CHECK(other.out == "2\n");
    take.kill(SIGCONT);
    run_ferry({"put", spool.at, "jobs", "y"});
    CHECK(take.wait() == 0);
    CHECK(has(take.err(), "offset 0, attempt 1: its lease is over; the command was stopped"));
    CHECK(run_ferry({"take", spool.at, "results", "--idle", "100ms"}).out == "y\n");
}

TEST_CASE("exec: a spool that refuses the group while a command runs ends take with its reason") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs", "x"});
    process take{binary_with(
        {"take", spool.at, "jobs", "--into", "results", "--exec", "sh -c 'echo >&2 run; sleep 1; cat'"})};
    take.wait_for_error("run");
    CHECK(run_ferry({"stream", "rm", spool.at, "jobs", "--yes"}).status == 0);
    CHECK(take.wait() == 3);
    CHECK(has(take.err(), "removed"));
    CHECK(run_ferry({"stream", "info", spool.at, "results"}).status == 3);
}

TEST_CASE("exec: rules for commands that contradict each other are usage errors") {
    const std::string nowhere = "tcp://127.0.0.1:1";
    const auto status_of = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {"take", nowhere, "s"});
        return run_ferry(std::move(more)).status;
    };
    CHECK(status_of({"--into", "r"}) == 2);
    CHECK(status_of({"--dead-exit", "5"}) == 2);
    CHECK(status_of({"--nack-delay", "5s"}) == 2);
    CHECK(status_of({"--exec", "true", "--in", "json"}) == 2);
    CHECK(status_of({"--exec", "true", "--into", "a/b"}) == 2);
    CHECK(status_of({"--exec", "true", "--dead-exit", "0"}) == 2);
    CHECK(status_of({"--exec", "true", "--dead-exit", "256"}) == 2);
    CHECK(status_of({"--exec", "true", "--nack-delay", "x=5s"}) == 2);
    CHECK(status_of({"--exec", "true", "--nack-delay", "5=5s", "--dead-exit", "5"}) == 2);
    CHECK(status_of({"--exec", "true", "--into", "r", "--wait", "50ms"}) == 4);
}
