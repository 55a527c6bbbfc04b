// samples/ferry_client.py, a client in another language, against the real spool.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <sstream>

#include "tests/cli/spool_process.hpp"

using namespace ferry::test;

namespace {

constexpr const char* python = "/usr/bin/python3";
const std::string samples = FERRY_SOURCE_DIR "/samples";
const std::string client = FERRY_SOURCE_DIR "/tests/spool/python_client.py";

std::string numbers(int from, int to) {
    std::string lines;
    for (int i = from; i < to; ++i) lines += std::to_string(i) + "\n";
    return lines;
}

void kill_and_start(spool_process& spool) {
    spool.running->kill(SIGKILL);
    CHECK(spool.running->wait() == 128 + SIGKILL);
    spool.start();
}

}  // namespace

TEST_CASE(
    "python client: it puts, takes, settles in every way, commits and extends, and is told what does not "
    "count") {
    spool_process spool;
    const finished all =
        run({python, client, samples, "all", spool.at, std::to_string(spool.running->pid())});
    INFO(all.err);
    CHECK(all.status == 0);
    CHECK(all.out == "all of it works\n");
}

TEST_CASE("python client: what it puts under a spool that is killed is stored once and in order") {
    spool_process spool;
    process put{{python, client, samples, "put", spool.at, "jobs"}, {.keep_stdin_open = true}};
    put.write(numbers(0, 300));
    put.wait_for_lines(100);
    kill_and_start(spool);
    put.write(numbers(300, 400));
    put.wait_for_lines(250);
    kill_and_start(spool);
    put.close_stdin();
    CHECK(put.wait() == 0);
    CHECK(std::count(put.out().begin(), put.out().end(), '\n') == 400);
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "400"}).out == numbers(0, 400));
    CHECK(run_ferry({"take", spool.at, "jobs", "--idle", "100ms"}).out.empty());
}

TEST_CASE("python client: what it takes under a spool that is killed is all taken, and acked for good") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = numbers(0, 300)});
    process take{{python, client, samples, "take", spool.at, "jobs", "g", "300"}};
    take.wait_for_lines(50);
    kill_and_start(spool);
    CHECK(take.wait() == 0);  // it leaves, and gives back what it did not print
    const finished rest = run_ferry({"take", spool.at, "jobs", "--group", "g", "--idle", "300ms"});
    CHECK(rest.status == 0);
    std::set<std::string> seen;
    for (const std::string* text : {&take.out(), &rest.out}) {
        std::istringstream in{*text};
        for (std::string line; std::getline(in, line);) seen.insert(line);
    }
    CHECK(seen.size() == 300);
    CHECK(run_ferry({"take", spool.at, "jobs", "--group", "g", "--idle", "100ms"}).out.empty());
}
