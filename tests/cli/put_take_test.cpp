// put and take at their edges: a stdout that fails, nobody there, time that runs out, starts that cannot be.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>

#include "tests/cli/spool_process.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string lines(int count, std::size_t bytes = 0) {
    std::string text;
    for (int i = 1; i <= count; ++i) text += std::to_string(i) + ' ' + std::string(bytes, 'x') + '\n';
    return text;
}

// A pipe that is read when the test says so, and not before.
struct slow_reader {
    explicit slow_reader(const temporary_directory& in) : path{in / "pipe"} {
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        end = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
        REQUIRE(end >= 0);
        REQUIRE(::fcntl(end, F_SETPIPE_SZ, 4096) >= 0);
    }
    ~slow_reader() { ::close(end); }
    slow_reader(const slow_reader&) = delete;
    slow_reader& operator=(const slow_reader&) = delete;

    /// What is there now.
    std::string read() const {
        std::string text;
        char bytes[65536];
        for (ssize_t got = 0; (got = ::read(end, bytes, sizeof bytes)) > 0;)
            text.append(bytes, static_cast<std::size_t>(got));
        return text;
    }
    /// Until the writer has put something there.
    void wait() const {
        pollfd watched{end, POLLIN, 0};
        REQUIRE(::poll(&watched, 1, 20'000) == 1);
    }
    const std::string path;
    int end = -1;
};

}  // namespace

TEST_CASE("take: what it cannot write comes again at once, without an attempt used") {
    const spool_process spool;
    REQUIRE(run_ferry({"put", spool.at, "s"}, {.input = lines(4)}).status == 0);
    const finished full = run_ferry({"take", spool.at, "s", "--idle", "5s"}, {.stdout_to = "/dev/full"});
    CHECK(full.status == 1);
    CHECK(has(full.err, "cannot write stdout: No space left on device"));
    CHECK(run_ferry({"take", spool.at, "s", "-n", "4", "-t", "10s", "-F", "{attempt}:{offset}\\n"}).out ==
          "1:0\n1:1\n1:2\n1:3\n");
}

TEST_CASE("take: stopped in front of a reader who does not read, it acks nothing that was not written") {
    const spool_process spool;
    const slow_reader reader{spool.directory};
    constexpr int messages = 300;
    REQUIRE(run_ferry({"put", spool.at, "s"}, {.input = lines(messages, 1000)}).status == 0);
    process take{binary_with({"take", spool.at, "s", "-F", "{offset}:{payload}\\n"}),
                 {.stdout_to = reader.path}};
    reader.wait();
    take.kill(SIGTERM);
    CHECK(take.wait() == 143);
    const std::string written = reader.read();
    const auto whole = std::count(written.begin(), written.end(), '\n');
    REQUIRE(whole > 0);
    REQUIRE(whole < messages - 1);
    std::string expected;  // what was begun and not finished is flagged
    for (auto i = whole; i < messages; ++i)
        expected += (i == whole && !written.ends_with('\n') ? "2:" : "1:") + std::to_string(i) + "\n";
    CHECK(run_ferry({"take", spool.at, "s", "--idle", "300ms", "-F", "{attempt}:{offset}\\n"}).out ==
          expected);
}

TEST_CASE(
    "take: stopped by SIGSTOP its work is another's within the lease and a second, and its late ack is "
    "refused") {
    const spool_process spool;
    const slow_reader reader{spool.directory};
    REQUIRE(run_ferry({"put", spool.at, "s", "-i", "raw"}, {.input = std::string(300'000, 'x')}).status == 0);
    process take{binary_with({"take", spool.at, "s", "--lease", "1s"}), {.stdout_to = reader.path}};
    reader.wait();  // it is printing, and cannot get done
    take.suspend();
    const auto from = std::chrono::steady_clock::now();
    const finished other = run_ferry({"take", spool.at, "s", "-n", "1", "-t", "20s", "-F", "{attempt}\\n"});
    CHECK(std::chrono::steady_clock::now() - from < std::chrono::seconds{2});
    CHECK(other.out == "2\n");
    take.kill(SIGCONT);
    for (std::string got; !got.ends_with('\n'); got += reader.read()) reader.wait();
    CHECK(take.wait_for_error("ack refused: ") == "ack refused: the lease on offset 0 was over");
    take.kill(SIGINT);
    CHECK(take.wait() == 130);
}

TEST_CASE("take: an ack for what expired or was purged meanwhile is said to be in vain, not late") {
    const spool_process spool;
    REQUIRE(run_ferry({"put", spool.at, "s", "a"}).status == 0);
    process take{binary_with({"take", spool.at, "s", "-n", "1", "--exec", "sh -c 'echo run >&2; sleep 1'"})};
    take.wait_for_error("run");
    REQUIRE(run_ferry({"stream", "purge", spool.at, "s", "--yes"}).status == 0);
    CHECK(take.wait_for_error("ack in vain: ") ==
          "ack in vain: offset 0 is gone, expired or removed meanwhile");
    take.kill(SIGINT);
    CHECK(take.wait() == 130);
    CHECK(!has(take.err(), "was over"));
}

TEST_CASE("put: fewer than -n, or none at all, when its time is over is exit 5") {
    const spool_process spool;
    CHECK(run_ferry({"put", spool.at, "s", "m", "--rate", "2/s", "-n", "10", "-t", "800ms"}).status == 5);
    const auto put_slowly = [&](std::vector<std::string> more, const std::string& said = {}) {
        more.insert(more.begin(), {"put", spool.at, "s"});
        process put{binary_with(more), {.keep_stdin_open = true}};
        if (!said.empty()) put.write(said);
        const int status = put.wait();
        return std::pair{status, put.err()};
    };
    CHECK(put_slowly({"-t", "300ms"}) == std::pair{5, std::string{"sent 0, confirmed 0\n"}});
    CHECK(put_slowly({"-t", "3s"}, "a\n") == std::pair{0, std::string{"sent 1, confirmed 1\n"}});
    CHECK(put_slowly({"--idle", "300ms", "-n", "2"}, "a\n") ==
          std::pair{5, std::string{"sent 1, confirmed 1\n"}});
    CHECK(put_slowly({"--idle", "300ms"}) == std::pair{0, std::string{"sent 0, confirmed 0\n"}});
}

TEST_CASE("put: --no-wait stores where a spool is, and elsewhere says what is lost") {
    const spool_process spool;
    const finished stored = run_ferry({"put", spool.at, "s", "--no-wait"}, {.input = lines(100)});
    CHECK(stored.status == 0);
    CHECK(stored.err == "sent 100, confirmed 100\n");
    CHECK(run_ferry({"take", spool.at, "s", "--no-wait", "-n", "100"}).out == lines(100));
    const finished nobody = run_ferry({"put", "tcp://127.0.0.1:1", "s", "--no-wait", "--linger", "200ms"},
                                      {.input = lines(20'000, 1000)});
    CHECK(nobody.status == 4);
    CHECK(has(nobody.err, "no spool answers at tcp://127.0.0.1:1; nothing was stored"));
    CHECK(has(nobody.err, "confirmed 0"));
    CHECK(has(nobody.err, ", lost "));
}

TEST_CASE("put: --no-wait, and the spool goes away: what was confirmed counts") {
    spool_process spool;
    process put{binary_with({"put", spool.at, "s", "--no-wait", "--confirm", "-t", "3s"}),
                {.keep_stdin_open = true}};
    put.write("a\n");
    put.wait_for_lines(1);
    spool.running->kill(SIGKILL);
    spool.running->wait();
    put.write("b\n");
    put.close_stdin();
    CHECK(put.wait() == 7);
    CHECK(has(put.err(), "sent 2, confirmed 1, not confirmed 1"));
}

TEST_CASE("put: an id for one message waits for no second one beyond --idle") {
    const spool_process spool;
    process put{binary_with({"put", spool.at, "s", "--message-id", "x", "--idle", "300ms"}),
                {.keep_stdin_open = true}};
    put.write("a\n");
    CHECK(put.wait() == 0);
    CHECK(put.err() == "sent 1, confirmed 1\n");
}

TEST_CASE("take: a start that is refused makes no stream") {
    const spool_process spool;
    CHECK(run_ferry({"take", spool.at, "typo", "--from", "10", "--idle", "100ms"}).status == 2);
    CHECK(
        run_ferry({"take", spool.at, "typo", "--lease", "12h", "--group", "a b", "--idle", "100ms"}).status ==
        2);
    CHECK(run_ferry({"stream", "info", spool.at, "typo"}).status == 3);
}

TEST_CASE("put and take: a spool binds, so the other end does not") {
    for (const char* verb : {"put", "take"}) {
        const finished said = run_ferry({verb, "@:0", "s"});
        CHECK(said.status == 2);
        CHECK(has(said.err, "a spool binds, so this end connects: no @"));
        const finished two = run_ferry({verb, "-c", ":1", "-c", ":2", "s"});
        CHECK(two.status == 2);
        CHECK(has(two.err, "one spool at a time"));
    }
}

TEST_CASE("put: a message-id as a header is one message's too, and what is refused is named by its number") {
    const spool_process spool;
    const finished twice = run_ferry({"put", spool.at, "s", "-H", "message-id=same"}, {.input = "a\nb\n"});
    CHECK(twice.status == 2);
    CHECK(has(twice.err, "message-id names one message"));
    CHECK(run_ferry({"take", spool.at, "s", "--peek", "--idle", "100ms"}).out.empty());
    const finished middle = run_ferry({"put", spool.at, "s", "-i", "json", "--confirm"},
                                      {.input = "{\"payload\":\"1\"}\n{\"payload\":\"2\",\"headers\":{"
                                                "\"priority\":99}}\n{\"payload\":\"3\"}\n"});
    CHECK(middle.status == 7);
    CHECK(middle.out == "0\n1\n");
    CHECK(has(middle.err, "message 2: unsupported"));
}

TEST_CASE("take: an offset that is not there yet is refused, and a time to come means what is new") {
    const spool_process spool;
    REQUIRE(run_ferry({"put", spool.at, "s"}, {.input = lines(3)}).status == 0);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"take", spool.at, "s", "--group", "g", "--from", "10", "--idle", "100ms"},
          {"take", spool.at, "s", "--peek", "--from", "10", "--idle", "100ms"},
          {"group", "create", spool.at, "s", "g", "--from", "10"}}) {
        const finished said = run_ferry(words);
        CHECK(said.status == 2);
        CHECK(has(said.err, "offset 10 is not there yet: the next message of stream 's' will be 3"));
    }
    CHECK(run_ferry({"group", "info", spool.at, "s", "g"}).status == 3);
    CHECK(run_ferry({"take", spool.at, "s", "--group", "end", "--from", "3", "--idle", "100ms"}).status == 0);
    CHECK(run_ferry({"take", spool.at, "s", "--group", "later", "--from", "2200-01-01T00:00:00Z", "--idle",
                     "100ms"})
              .out.empty());
    REQUIRE(run_ferry({"put", spool.at, "s", "4"}).status == 0);
    for (const char* group : {"end", "later"})
        CHECK(run_ferry({"take", spool.at, "s", "--group", group, "-n", "1", "-t", "10s"}).out == "4\n");
}

TEST_CASE("take: what a group wants is told on one line each, and refusals name flags") {
    const spool_process spool;
    REQUIRE(run_ferry({"stream", "create", spool.at, "s"}).status == 0);
    CHECK(run_ferry({"group", "create", spool.at, "s", "g", "--filter", "k\nb"}).status == 2);
    CHECK(run_ferry({"take", spool.at, "s", "--group", "g", "-T", "k\nb", "--idle", "100ms"}).status == 2);
    CHECK(run_ferry({"group", "info", spool.at, "s", "g"}).status == 3);
    REQUIRE(run_ferry({"group", "create", spool.at, "s", "g"}).status == 0);
    const finished differs =
        run_ferry({"take", spool.at, "s", "--group", "g", "-T", "filter_prefix", "--idle", "100ms"});
    CHECK(differs.status == 2);
    CHECK(has(differs.err, "--topic is '', not 'filter_prefix'"));
    const finished wrong =
        run_ferry({"group", "create", spool.at, "s", "h", "--lease", "5m", "--lease-max", "1m"});
    CHECK(wrong.status == 2);
    CHECK(has(wrong.err, "--lease"));
    CHECK(!has(wrong.err, "_ms"));
    CHECK(has(run_ferry({"put", spool.at, "s", "x", "--delay", "36500d"}).err, "'36500d' is too long"));
}

TEST_CASE("dead redrive: at a rate, cut short by -t, it counts what it did and ends with 5") {
    const spool_process spool;
    REQUIRE(run_ferry({"put", spool.at, "s"}, {.input = lines(30)}).status == 0);
    REQUIRE(run_ferry({"take", spool.at, "s", "--idle", "300ms", "--dead-exit", "9", "-P", "4", "--exec",
                       "sh -c 'exit 9'"})
                .status == 0);
    const finished some =
        run_ferry({"dead", "redrive", spool.at, "s", "--rate", "10/s", "-t", "700ms", "--yes", "--json"});
    CHECK(some.status == 5);
    CHECK(has(some.err, "the time was over before the other "));
    const std::string left = run_ferry({"dead", "ls", spool.at, "s", "--json"}).out;
    const auto dead = std::count(left.begin(), left.end(), '\n');
    CHECK(dead > 0);
    CHECK(some.out == "{\"v\":1,\"stream\":\"s\",\"messages\":" + std::to_string(30 - dead) + "}\n");
}

TEST_CASE("spool: SIGUSR1 prints its counters, and it goes on") {
    const spool_process spool;
    REQUIRE(run_ferry({"put", spool.at, "s"}, {.input = lines(3)}).status == 0);
    spool.running->kill(SIGUSR1);
    const std::string said = spool.running->wait_for_error("spool: streams ");
    CHECK(has(said, "streams 1, "));
    CHECK(has(said, "stored 3, "));
    CHECK(run_ferry({"take", spool.at, "s", "-n", "3"}).status == 0);
    spool.running->kill(SIGTERM);
    CHECK(spool.running->wait() == 0);
}

TEST_CASE("spool: a directory of somebody else's files is left as it was") {
    const temporary_directory other;
    REQUIRE(::close(::open((other / "a.txt").c_str(), O_CREAT | O_WRONLY, 0600)) == 0);
    const finished said = run_ferry({"spool", "--dir", other / "", "--listen", "@:0"});
    CHECK(said.status == 6);
    CHECK(has(said.err, "holds other files (a.txt)"));
    CHECK(::access((other / "LOCK").c_str(), F_OK) != 0);
}

TEST_CASE("stream import: messages with the same id are all there again") {
    const spool_process spool;
    REQUIRE(run_ferry({"stream", "create", spool.at, "a", "--dedup", "none"}).status == 0);
    for (const char* body : {"m1", "m2"})
        REQUIRE(run_ferry({"put", spool.at, "a", body, "--message-id", "same"}).status == 0);
    const std::string exported = run_ferry({"stream", "export", spool.at, "a"}).out;
    const finished import = run_ferry({"stream", "import", spool.at, "b"}, {.input = exported});
    CHECK(import.status == 0);
    CHECK(import.err == "sent 2, confirmed 2\n");
    CHECK(run_ferry({"take", spool.at, "b", "--peek", "--idle", "200ms", "-F", "{payload} {h.message-id}\\n"})
              .out == "m1 same\nm2 same\n");
    CHECK(
        has(run_ferry({"put", spool.at, "b", "m3", "--message-id", "same", "--confirm"}).out, "0 duplicate"));
}

TEST_CASE(
    "stream create: --max-message beyond what the spool takes is refused, not shown and then not kept") {
    const spool_process spool;
    const finished said = run_ferry({"stream", "create", spool.at, "s", "--max-message", "100MiB"});
    CHECK(said.status == 2);
    CHECK(has(said.err, "--max-message is at most 16777216"));
    CHECK(run_ferry({"stream", "create", spool.at, "s", "--max-message", "16MiB"}).status == 0);
    CHECK(run_ferry({"stream", "set", spool.at, "s", "--max-message", "17MiB"}).status == 2);
    const spool_process small{"@:0", {"--segment-size", "1MiB"}};
    REQUIRE(run_ferry({"stream", "create", small.at, "s"}).status == 0);
    CHECK(run_ferry({"stream", "set", small.at, "s", "--max-message", "1MiB"}).status == 2);
    CHECK(run_ferry({"stream", "set", small.at, "s", "--ttl", "1h"}).status == 0);
}
