// The raw ports of ferry spool as typed: what is refused, and with which words and code.
#include <doctest/doctest.h>

#include <csignal>

#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry::test;

namespace {

finished spool_with(const temporary_directory& directory, std::vector<std::string> ports) {
    std::vector<std::string> words{FERRY_BINARY, "spool", "--dir", directory / "s", "--listen", "@:0"};
    words.insert(words.end(), ports.begin(), ports.end());
    return run(words);
}

}  // namespace

TEST_CASE("cli: a port that is no EP=STREAM, or STREAM=EP, is refused with an example") {
    const temporary_directory directory;
    for (const char* flag : {"--in-pull", "--in-sub"})
        for (const char* word : {"jobs", "@:0=", "=jobs", ""}) {
            CAPTURE(word);
            const finished spool = spool_with(directory, {flag, word});
            CHECK(spool.status == 2);
            CHECK(spool.err.find(std::string{flag} + " takes EP=STREAM, as in @:5556=jobs") !=
                  std::string::npos);
        }
    for (const char* flag : {"--out-push", "--out-pub"}) {
        const finished spool = spool_with(directory, {flag, "jobs"});
        CHECK(spool.status == 2);
        CHECK(spool.err.find(std::string{flag} + " takes STREAM=EP, as in jobs=@:5557") != std::string::npos);
    }
    CHECK(spool_with(directory, {"--in-pull", "@:0=bad/name"}).status == 2);
    CHECK(spool_with(directory, {"--in-pull", "nowhere=jobs"}).status == 2);
    CHECK(spool_with(directory, {"--out-push", "jobs=a=b"}).status == 2);
    CHECK(spool_with(directory, {"--in-push", "@:0=jobs"}).err.find("--in-pull") != std::string::npos);
}

TEST_CASE("cli: a port beyond loopback wants --insecure, an address in use is 9 with its owner") {
    const temporary_directory directory;
    const finished open = spool_with(directory, {"--in-pull", "@any:0=jobs"});
    CHECK(open.status == 2);
    CHECK(open.err.find("--insecure") != std::string::npos);
    CHECK(spool_with(directory, {"--out-pub", "jobs=@any:0"}).status == 2);

    process pull{{FERRY_BINARY, "pull", "@:0"}};
    const std::string taken = pull.wait_for_error("bound ").substr(6);
    const finished twice = spool_with(directory, {"--in-pull", "@" + taken + "=jobs"});
    CHECK(twice.status == 9);
    CHECK(twice.err.find(taken) != std::string::npos);
    CHECK(twice.err.find(std::to_string(pull.pid())) != std::string::npos);
}

TEST_CASE("cli: the ports are named with their real addresses before ready, and split at the right sign") {
    const temporary_directory directory;
    process spool{{FERRY_BINARY, "spool", "--dir", directory / "s", "--listen", "@:0", "-q", "--in-pull",
                   "@:0=jobs", "--out-push", "jobs=@" + (directory / "a=b"), "--in-sub",
                   "@" + (directory / "c=d") + "=feed"}};
    const std::string in = spool.wait_for_error("port in-pull jobs ").substr(18);
    CHECK(in.starts_with("tcp://127.0.0.1:"));
    CHECK_FALSE(in.ends_with(":*"));
    CHECK(spool.wait_for_error("port out-push ") == "port out-push jobs ipc://" + (directory / "a=b"));
    CHECK(spool.wait_for_error("port in-sub ") == "port in-sub feed ipc://" + (directory / "c=d"));
    spool.wait_for_error("ready tcp://127.0.0.1:");
    CHECK(run({FERRY_BINARY, "push", in, "hello"}).status == 0);
    CHECK(run({FERRY_BINARY, "pull", directory / "a=b", "-n", "1", "-t", "20s"}).out == "hello\n");
    spool.kill(SIGTERM);
    CHECK(spool.wait(std::chrono::seconds{2}) == 0);
}
