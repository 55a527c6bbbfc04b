// A disk whose sync fails under the real binary: strace makes the kernel say so.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "ferry/consumer.hpp"
#include "ferry/error.hpp"
#include "tests/cli/spool_process.hpp"

using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

// A spool under strace, whose n-th fdatasync of a thread fails and leaves the kernel's caches as they were.
class under_strace {
  public:
    explicit under_strace(const temporary_directory& directory) : directory_{directory} {}

    /// Empty, or why strace cannot be used.
    std::string problem() const {
        const finished tried = run({"strace", "-f", "-o", "/dev/null", "--seccomp-bpf", "-e",
                                    "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1", "true"});
        return tried.status == 0 ? "" : "strace does not run here: " + tried.err;
    }

    std::vector<std::string> command(const std::string& which_sync) const {
        // -D: the spool is our child, and strace beside it.
        return {"strace",
                "-D",
                "-f",
                "-qq",
                "-o",
                log(),
                "--seccomp-bpf",
                "-e",
                "trace=fdatasync",
                "-e",
                "inject=fdatasync:error=EIO:when=" + which_sync,
                FERRY_BINARY,
                "spool",
                "--dir",
                directory_ / "spool",
                "--listen",
                "@:0"};
    }

    /// How often a sync failed because strace said so.
    int injected() const {
        std::ifstream in{log()};
        int count = 0;
        for (std::string line; std::getline(in, line);) count += line.find("INJECTED") != std::string::npos;
        return count;
    }

  private:
    std::string log() const { return directory_ / "strace"; }
    const temporary_directory& directory_;
};

bool says_read_only(const finished& command) {
    return command.status == 1 && command.err.find("read-only") != std::string::npos;
}

}  // namespace

TEST_CASE(
    "broken disk: after a sync that failed nothing of that batch is confirmed, the spool is read-only with "
    "the reason, and all that was confirmed is there after a restart") {
    const temporary_directory directory;
    const under_strace rig{directory};
    if (const std::string problem = rig.problem(); !problem.empty()) {
        std::printf("SKIPPED: broken disk, because %s\n", problem.c_str());
        return;
    }
    std::string confirmed;  // as `take -F` prints it
    std::string at;
    {
        process spool{rig.command("20")};
        at = spool.wait_for_error("ready ").substr(6);
        REQUIRE(run_ferry({"put", at, "held", "x"}).status == 0);
        ferry::context context;
        ferry::consumer holder{context, ferry::connect(at), {.stream = "held"}};
        auto held = holder.next(patience);
        REQUIRE(held);
        finished put{0, "", ""};
        int number = 0;
        for (; number < 200 && put.status == 0; ++number) {
            put = run_ferry({"put", at, "s", "message " + std::to_string(number), "--confirm"});
            if (put.status == 0)
                confirmed +=
                    put.out.substr(0, put.out.size() - 1) + " message " + std::to_string(number) + "\n";
        }
        INFO(put.err);
        REQUIRE(number > 3);
        CHECK(rig.injected() == 1);
        CHECK(says_read_only(put));
        CHECK(put.out == "");
        const std::string why = spool.wait_for_error("spool: read-only from now on: ");
        CHECK(why.find("sync ") != std::string::npos);
        CHECK(why.find("Input/output error") != std::string::npos);

        // An ack finds no answer any more, and whoever waits for it is told why.
        held->ack();
        CHECK_THROWS_AS(holder.flush(10s), ferry::error);
        CHECK(says_read_only(run_ferry({"put", at, "s", "later"})));
        CHECK(says_read_only(run_ferry({"take", at, "s", "-n", "1", "-t", "5s"})));
        CHECK(run_ferry({"stream", "peek", at, "s", "-n", "1000", "-t", "10s", "-F", "{offset} {payload}\\n"})
                  .out == confirmed);
        CHECK(run_ferry({"take", at, "s", "--peek", "--idle", "300ms", "-F", "{offset} {payload}\\n"}).out ==
              confirmed);
        CHECK(run_ferry({"stream", "info", at, "s", "--json"}).status == 0);
        const finished exported = run_ferry({"stream", "export", at, "s", "-t", "10s"});
        CHECK(exported.status == 0);
        CHECK(std::count(exported.out.begin(), exported.out.end(), '\n') ==
              std::count(confirmed.begin(), confirmed.end(), '\n'));
        CHECK(rig.injected() == 1);
        spool.kill(SIGKILL);
        CHECK(spool.wait() == 128 + SIGKILL);
    }
    process spool{binary_with({"spool", "--dir", directory / "spool", "--listen", "@:0"})};
    at = spool.wait_for_error("ready ").substr(6);
    const finished took = run_ferry({"take", at, "s", "--idle", "500ms", "-F", "{offset} {payload}\\n"});
    CHECK(took.status == 0);
    // What was refused may be there or not: nobody was told.
    CHECK(took.out.starts_with(confirmed));
    CHECK(run_ferry({"put", at, "s", "again"}).status == 0);
    spool.kill(SIGTERM);
    CHECK(spool.wait() == 0);
    CHECK(run_ferry({"verify", directory / "spool"}).status == 0);
}
