// Transcripts of take --exec: what a command sees, and what becomes of its message.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "tests/cli/spool_process.hpp"

using namespace ferry::test;

namespace {

// Holds commands up: each that reads a line of it waits until the test lets one go.
struct gate {
    explicit gate(const temporary_directory& in) : path{in / "gate"} {
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        REQUIRE(fd >= 0);
    }
    ~gate() { ::close(fd); }
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    void open(int times = 1) const {
        for (int i = 0; i < times; ++i) REQUIRE(::write(fd, "go\n", 3) == 3);
    }
    /// A command that tells its process and the attempt, and then waits here.
    std::string command() const { return "sh -c 'echo $$ $FERRY_ATTEMPT; read x < " + path + "'"; }

    std::string path;
    int fd = -1;
};

// Somebody's process, known by its number: it ends within the usual patience.
struct watched_process {
    explicit watched_process(const std::string& told)
        : fd{static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(told), 0))} {
        REQUIRE(fd >= 0);
    }
    ~watched_process() { ::close(fd); }
    watched_process(const watched_process&) = delete;
    watched_process& operator=(const watched_process&) = delete;
    bool ends(std::chrono::milliseconds within = patience) const {
        pollfd ended{fd, POLLIN, 0};
        return ::poll(&ended, 1, static_cast<int>(within.count())) == 1;
    }
    int fd;
};

// Time passes: somebody else of the group waits that long for a message and gets none.
void nothing_comes(const spool_process& spool, const std::string& within) {
    CHECK(run_ferry({"take", spool.at, "jobs", "-t", within}).status == 5);
}

}  // namespace

TEST_CASE("exec: take --exec gives each payload to a command of its own and acks when it exits with 0") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = "a\nb\n\nc\n"});
    const finished take = run_ferry({"take", spool.at, "jobs", "-n", "4", "--exec", "wc -c"});
    CHECK(take.status == 0);
    CHECK(take.out == "1\n1\n0\n1\n");
    CHECK(take.err == "received 4, done 4\n");
    CHECK(run_ferry({"take", spool.at, "jobs", "--idle", "100ms"}).out.empty());
    const finished none = run_ferry({"take", spool.at, "jobs", "--idle", "50ms", "--exec", "cat"});
    CHECK(none.status == 0);
    CHECK(none.err == "received 0, done 0\n");
}

TEST_CASE("exec: a command finds topic, offset, attempt and headers in its environment, and no other's") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs", "first"});
    const std::string line = R"({"topic":"a b","headers":{"content-type":"text/x","n":-5,"z":"\u0000"},)"
                             R"("payload":"p"})";
    run_ferry({"put", spool.at, "jobs", "--in", "json"}, {.input = line});
    const std::string show =
        "sh -c 'echo \"$FERRY_TOPIC|$FERRY_OFFSET|$FERRY_ATTEMPT|$FERRY_HEADER_CONTENT_TYPE|"
        "$FERRY_HEADER_N|${FERRY_HEADER_Z-none}|${FERRY_HEADER_OLD-none}\"'";
    const finished take = run_ferry({"take", spool.at, "jobs", "-n", "2", "--exec", show},
                                    {.environment = {{"FERRY_HEADER_OLD", "x"}, {"FERRY_TOPIC", "x"}}});
    CHECK(take.out == "|0|1|||none|none\na b|1|1|text/x|-5|none|none\n");
}

TEST_CASE("exec: any other status nacks: the message comes again after the back-off, flagged") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs", "x"});
    const finished second =
        run_ferry({"take", spool.at, "jobs", "-n", "1", "--exec", "sh -c '[ $FERRY_ATTEMPT = 2 ]'"});
    CHECK(second.status == 0);
    CHECK(second.err ==
          "offset 0, attempt 1: the command ended with status 1\nreceived 2, done 1, failed 1\n");

    run_ferry({"put", spool.at, "jobs", "y"});
    const finished killed =
        run_ferry({"take", spool.at, "jobs", "-t", "600ms", "--exec", "sh -c 'kill -9 $$'"});
    CHECK(killed.status == 5);
    CHECK(killed.err ==
          "offset 1, attempt 1: the command ended with status 137\n"
          "offset 1, attempt 2: the command ended with status 137\nreceived 2, done 0, failed 2\n");
    const finished info = run_ferry({"group", "info", spool.at, "jobs", "default", "--json"});
    CHECK(info.out.find("\"delayed\":1") != std::string::npos);
    const finished third = run_ferry({"take", spool.at, "jobs", "-n", "1", "-F", "{attempt} {payload}\\n"});
    CHECK(third.out == "3 y\n");
}

TEST_CASE("exec: the lease is renewed while a command runs, and silence is not counted meanwhile") {
    spool_process spool;
    const gate gate{spool.directory};
    run_ferry({"put", spool.at, "jobs", "x"});
    process take{binary_with(
        {"take", spool.at, "jobs", "--lease", "300ms", "--idle", "400ms", "--exec", gate.command()})};
    take.wait_for_lines(1);
    nothing_comes(spool, "1200ms");
    CHECK(take.running());
    gate.open();
    CHECK(take.wait() == 0);
    CHECK(take.err() == "received 1, done 1\n");
    nothing_comes(spool, "500ms");
}

TEST_CASE("exec: a command that cannot start ends take with 2, and its message was seen by nobody") {
    spool_process spool;
    const finished missing = run_ferry({"take", spool.at, "jobs", "--exec", "/nonexistent/x -y"});
    CHECK(missing.status == 2);
    CHECK(missing.err.find("cannot start '/nonexistent/x'") != std::string::npos);
    CHECK(run_ferry({"take", spool.at, "jobs", "--exec", "no-such-command"}).status == 2);
    CHECK(run_ferry({"take", spool.at, "jobs", "--exec", "  "}).status == 2);

    // This one is there once only.
    const std::string script = spool.directory / "once";
    std::ofstream{script} << "#!/bin/sh\nrm \"$0\"\n";
    ::chmod(script.c_str(), 0700);
    run_ferry({"put", spool.at, "jobs"}, {.input = "a\nb\n"});
    const finished take = run_ferry({"take", spool.at, "jobs", "--exec", script});
    CHECK(take.status == 2);
    CHECK(take.err.find("cannot start '" + script + "'") != std::string::npos);
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "-F", "{attempt} {payload}\\n"}).out == "1 b\n");
}

TEST_CASE("exec: a command dies with take, on SIGKILL too, and its message comes again, flagged") {
    spool_process spool;
    const gate gate{spool.directory};
    run_ferry({"put", spool.at, "jobs", "x"});
    process take{binary_with({"take", spool.at, "jobs", "--lease", "300ms", "--exec", gate.command()})};
    take.wait_for_lines(1);
    const watched_process command{take.out()};
    take.kill(SIGKILL);
    CHECK(command.ends());
    CHECK(take.wait() == 128 + SIGKILL);
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "-F", "{attempt} {payload}\\n"}).out == "2 x\n");
}

TEST_CASE("exec: SIGTERM ends the commands, and their messages come again at once, flagged") {
    spool_process spool;
    const gate gate{spool.directory};
    run_ferry({"put", spool.at, "jobs"}, {.input = "a\nb\nc\n"});
    process take{binary_with({"take", spool.at, "jobs", "-P", "2", "--exec", gate.command()})};
    take.wait_for_lines(2);
    const watched_process command{take.out()};
    take.kill(SIGTERM);
    CHECK(take.wait(std::chrono::seconds{2}) == 143);
    CHECK(take.err() == "received 2, done 0, stopped 2\n");
    CHECK(command.ends());
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "3", "-F", "{attempt} {payload}\\n"}).out ==
          "2 a\n2 b\n1 c\n");
}

TEST_CASE("exec: -t ends the commands that run then, with exit 5 when none was done") {
    spool_process spool;
    const gate gate{spool.directory};
    run_ferry({"put", spool.at, "jobs", "x"});
    const finished take = run_ferry({"take", spool.at, "jobs", "-t", "300ms", "--exec", gate.command()});
    CHECK(take.status == 5);
    CHECK(take.err == "received 1, done 0, stopped 1\n");
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "-F", "{attempt}\\n"}).out == "2\n");
}

TEST_CASE("exec: a command whose lease is lost is stopped, and another worker does the work") {
    spool_process spool;
    const gate gate{spool.directory};
    run_ferry({"put", spool.at, "jobs", "x"});
    process stuck{binary_with({"take", spool.at, "jobs", "--lease", "300ms", "--exec", gate.command()})};
    stuck.wait_for_lines(1);
    const watched_process command{stuck.out()};
    stuck.suspend();
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "-F", "{attempt} {payload}\\n"}).out == "2 x\n");
    stuck.kill(SIGCONT);
    CHECK(stuck.wait_for_error("offset 0, attempt 1: ") ==
          "offset 0, attempt 1: its lease is over; the command was stopped");
    CHECK(command.ends());
    stuck.kill(SIGINT);
    CHECK(stuck.wait() == 130);
    CHECK(stuck.err().ends_with("received 1, done 0, failed 1\n"));
}

TEST_CASE("exec: -P N runs N commands at once and takes no more than that") {
    spool_process spool;
    const gate gate{spool.directory};
    run_ferry({"put", spool.at, "jobs"}, {.input = "1\n2\n3\n4\n5\n"});
    process take{binary_with({"take", spool.at, "jobs", "-n", "5", "-P", "3", "--exec", gate.command()})};
    take.wait_for_lines(3);
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1"}).out == "4\n");
    run_ferry({"put", spool.at, "jobs", "6"});
    gate.open(5);
    CHECK(take.wait() == 0);
    CHECK(take.err() == "received 5, done 5\n");
}

TEST_CASE("exec: the work goes on when the spool is killed and comes back under a running command") {
    spool_process spool;
    const gate gate{spool.directory};
    run_ferry({"put", spool.at, "jobs"}, {.input = "1\n2\n"});
    process take{binary_with({"take", spool.at, "jobs", "-n", "2", "--exec", gate.command()})};
    take.wait_for_lines(1);
    spool.running->kill(SIGKILL);
    CHECK(spool.running->wait() == 128 + SIGKILL);
    spool.start();
    gate.open(3);
    CHECK(take.wait() == 0);
    CHECK(take.err().find("done 2") != std::string::npos);
    nothing_comes(spool, "300ms");
}

TEST_CASE("exec: hundreds of messages are worked through, each once") {
    spool_process spool;
    std::string input;
    for (int i = 0; i < 300; ++i) input += "x\n";
    run_ferry({"put", spool.at, "jobs"}, {.input = input});
    const finished take =
        run_ferry({"take", spool.at, "jobs", "-P", "4", "--idle", "300ms", "--exec", "echo done"});
    CHECK(take.status == 0);
    CHECK(std::count(take.out.begin(), take.out.end(), '\n') == 300);
    CHECK(take.err == "received 300, done 300\n");
}

TEST_CASE("exec: flags that contradict --exec are usage errors") {
    const std::string nowhere = "tcp://127.0.0.1:1";
    CHECK(run_ferry({"take", nowhere, "s", "-P", "2"}).status == 2);
    CHECK(run_ferry({"take", nowhere, "s", "--exec", "true", "-P", "0"}).status == 2);
    CHECK(run_ferry({"take", nowhere, "s", "--exec", "true", "--json"}).status == 2);
    CHECK(run_ferry({"take", nowhere, "s", "--exec", "true", "--peek"}).status == 2);
    CHECK(run_ferry({"take", nowhere, "s", "--exec", "true", "--credit", "5"}).status == 2);
    CHECK(run_ferry({"take", nowhere, "s", "--exec", "true", "--wait", "50ms"}).status == 4);
}
