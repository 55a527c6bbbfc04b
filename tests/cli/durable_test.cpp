// Transcripts of spool, put and take: what they print, say and return.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/cli/spool_process.hpp"

using namespace ferry::test;

TEST_CASE("cli: put confirms in input order, take prints and acks, and what is acked does not come again") {
    spool_process spool;
    const finished put = run_ferry({"put", spool.at, "jobs", "--confirm"}, {.input = "a\nb\n\nc"});
    CHECK(put.status == 0);
    CHECK(put.out == "0\n1\n2\n3\n");
    CHECK(put.err == "sent 4, confirmed 4\n");
    const finished first = run_ferry({"take", spool.at, "jobs", "-n", "2"});
    CHECK(first.status == 0);
    CHECK(first.out == "a\nb\n");
    CHECK(first.err == "received 2\n");
    const finished rest = run_ferry({"take", spool.at, "jobs", "--idle", "200ms"});
    CHECK(rest.status == 0);
    CHECK(rest.out == "\nc\n");
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "1", "-t", "200ms"}).status == 5);
    CHECK(run_ferry({"take", spool.at, "jobs", "--idle", "100ms"}).status == 0);
}

TEST_CASE("cli: a message is confirmed before the next one is there, and long input keeps its lines whole") {
    spool_process spool;
    process put{binary_with({"put", spool.at, "jobs", "--confirm"}), {.keep_stdin_open = true}};
    for (const char* each : {"0", "1", "2"}) {
        put.write("line\n");
        CHECK(put.next_line() == each);
    }
    // Longer than what is read at once, in lines that no boundary of a read fits.
    std::string lines;
    for (int i = 0; i < 3000; ++i) lines += std::to_string(i) + std::string(i % 97, '.') + "\n";
    put.write(lines + "without an end");
    put.close_stdin();
    CHECK(put.wait() == 0);
    CHECK(put.err() == "sent 3004, confirmed 3004\n");
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "3004"}).out ==
          "line\nline\nline\n" + lines + "without an end\n");
}

TEST_CASE("cli: confirms that cannot be printed are a failure that is told, and the messages are stored") {
    spool_process spool;
    process put{binary_with({"put", spool.at, "jobs", "--confirm"}),
                {.input = "a\nb\n", .stdout_to = "/dev/full"}};
    CHECK(put.wait() == 1);
    CHECK(put.err().find("sent 2, confirmed 2\n") != std::string::npos);
    CHECK(put.err().find("cannot write stdout: No space left on device") != std::string::npos);
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "2"}).out == "a\nb\n");
}

TEST_CASE("cli: the threads of a spool say what they are") {
    spool_process spool;
    std::set<std::string> names;
    for (const auto& each :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(spool.running->pid()) + "/task"}) {
        std::string name;
        std::getline(std::ifstream{each.path() / "comm"}, name);
        names.insert(name);
    }
    CHECK(names.contains("ferry spool"));
    CHECK(names.contains("ferry log"));
    CHECK(names.contains("ferry signals"));
}

TEST_CASE("cli: put --confirm --json and take --json tell offsets, attempts, stream and group") {
    spool_process spool;
    CHECK(run_ferry({"put", spool.at, "jobs", "x", "--confirm", "--json"}).out ==
          "{\"offset\":0,\"duplicate\":false}\n");
    const finished take = run_ferry({"take", spool.at, "jobs", "--group", "g", "-n", "1", "--json"});
    CHECK(take.out.find("\"stream\":\"jobs\",\"group\":\"g\",\"offset\":0,\"attempt\":1") !=
          std::string::npos);
    CHECK(take.out.find("\"payload\":\"x\"") != std::string::npos);
    run_ferry({"put", spool.at, "jobs", "y"});
    CHECK(run_ferry(
              {"take", spool.at, "jobs", "--group", "g", "-n", "1", "-F", "{offset}/{attempt} {payload}\\n"})
              .out == "1/1 y\n");
}

TEST_CASE("cli: put --in json and take --json give back topic, headers and bytes") {
    spool_process spool;
    const std::string line = R"({"topic":"t","headers":{"a":"1","n":-5},"payload_b64":"/wA="})"
                             "\n";
    CHECK(run_ferry({"put", spool.at, "s", "--in", "json"}, {.input = line}).status == 0);
    const finished take = run_ferry({"take", spool.at, "s", "-n", "1", "--json"});
    CHECK(take.out.find(R"("topic":"t")") != std::string::npos);
    CHECK(take.out.find(R"("headers":{"a":"1","n":-5})") != std::string::npos);
    CHECK(take.out.find(R"("payload_b64":"/wA=")") != std::string::npos);
}

TEST_CASE("cli: an argument with -n is put so many times, empty input puts nothing and waits for nobody") {
    spool_process spool;
    CHECK(run_ferry({"put", spool.at, "s", "x", "-n", "3"}).err == "sent 3, confirmed 3\n");
    CHECK(run_ferry({"take", spool.at, "s", "-n", "3"}).out == "x\nx\nx\n");
    const finished nothing = run_ferry({"put", "tcp://127.0.0.1:1", "s", "-"});
    CHECK(nothing.status == 0);
    CHECK(nothing.err.starts_with("sent 0"));
}

TEST_CASE("cli: a spool killed with SIGKILL comes back with all that was confirmed") {
    spool_process spool;
    std::string input;
    for (int i = 0; i < 2000; ++i) input += std::to_string(i) + "\n";
    CHECK(run_ferry({"put", spool.at, "s"}, {.input = input}).status == 0);
    CHECK(run_ferry({"take", spool.at, "s", "-n", "500"}).status == 0);
    spool.running->kill(SIGKILL);
    CHECK(spool.running->wait() == 128 + SIGKILL);
    spool.start();
    const finished rest = run_ferry({"take", spool.at, "s", "-n", "1500", "-F", "{payload}\\n"});
    CHECK(rest.status == 0);
    CHECK(rest.out == input.substr(input.find("\n500\n") + 1));
}

TEST_CASE("cli: the spool stops within two seconds of SIGTERM with 0, with a waiting consumer too") {
    spool_process spool;
    process take{binary_with({"take", spool.at, "s"})};
    run_ferry({"put", spool.at, "s", "x"});
    take.wait_for_lines(1);
    spool.running->kill(SIGTERM);
    CHECK(spool.running->wait(std::chrono::seconds{2}) == 0);
    take.kill(SIGINT);
    CHECK(take.wait() == 130);
}

TEST_CASE("cli: what a spool cannot do is said in words and by the exit code") {
    spool_process spool;
    CHECK(run_ferry({"put", spool.at, "bad/name", "x"}).status == 2);
    CHECK(run_ferry({"take", spool.at, "bad name"}).status == 2);
    CHECK(run_ferry({"put", spool.at, "none", "x", "--no-create"}).status == 3);
    CHECK(run_ferry({"take", spool.at, "none", "--no-create"}).status == 3);
    CHECK(run_ferry({"put", "tcp://127.0.0.1:1", "s", "x", "--wait", "100ms"}).status == 4);
    CHECK(run_ferry({"take", "tcp://127.0.0.1:1", "s", "--wait", "100ms"}).status == 4);
    const finished header = run_ferry({"put", spool.at, "s", "-H", "priority=3", "x"});
    CHECK(header.status == 2);
    CHECK(header.err.find("say it with its flag, --priority") != std::string::npos);
    const finished twice = run_ferry({"put", spool.at, "s", "-H", "message-id=a", "--message-id", "b", "x"});
    CHECK(twice.status == 2);
    CHECK(twice.err.find("'message-id' say the same") != std::string::npos);
    CHECK(run_ferry({"put", spool.at, "s", "-H", "deliver-at=3", "x"}).status == 2);
    const finished word = run_ferry({"put", spool.at, "s", "--in", "json"},
                                    {.input = R"({"payload":"x","headers":{"priority":"high"}})"});
    CHECK(word.status == 2);
    CHECK(word.err.find("unsupported") != std::string::npos);
    const finished lease = run_ferry({"take", spool.at, "s", "--lease", "13h", "-n", "1"});
    CHECK(lease.status == 2);
    CHECK(lease.err.find("--lease: 1ms to 12h, not '13h'") != std::string::npos);
    CHECK(run_ferry({"group", "create", spool.at, "s", "g0", "--lease-max", "0s"}).status == 2);
    run_ferry({"take", spool.at, "s", "--group", "g", "--from", "new", "--idle", "50ms"});
    const finished differs =
        run_ferry({"take", spool.at, "s", "--group", "g", "--from", "first", "--idle", "50ms"});
    CHECK(differs.status == 2);
    CHECK(differs.err.find("differs: group 'g' exists with other settings: from is 'new', not 'first'") !=
          std::string::npos);
    const finished filter =
        run_ferry({"take", spool.at, "s", "--group", "g", "--filter", "a.*", "--idle", "50ms"});
    CHECK(filter.err.find("other settings: filter is '', not 'a.*'") != std::string::npos);
}

TEST_CASE(
    "cli: a spool refuses a directory in use with the pid, an address in use, and a bind beyond loopback") {
    spool_process spool;
    const finished twice = run_ferry({"spool", "--dir", spool.directory / "spool", "--listen", "@:0"});
    CHECK(twice.status == 9);
    CHECK(twice.err.find("is held by process") != std::string::npos);
    temporary_directory other;
    CHECK(run_ferry({"spool", "--dir", other / "s", "--listen", spool.at}).status == 9);
    const finished open = run_ferry({"spool", "--dir", other / "t", "--listen", "@any:0"});
    CHECK(open.status == 2);
    CHECK(open.err.find("--insecure") != std::string::npos);
    CHECK(run_ferry({"spool", "--dir", "/nonexistent/a/b"}).status == 3);
    CHECK(run_ferry({"spool"}).status == 2);
}

TEST_CASE("cli: take --peek reads without a group and leaves everything where it is") {
    spool_process spool;
    run_ferry({"put", spool.at, "s"}, {.input = "1\n2\n3\n"});
    CHECK(run_ferry({"take", spool.at, "s", "--peek", "-n", "3"}).out == "1\n2\n3\n");
    for (const auto& [flag, word] : {std::pair{"--group", "g"}, std::pair{"--lease", "3s"}})
        CHECK(run_ferry({"take", spool.at, "s", "--peek", flag, word}).status == 2);
    CHECK(run_ferry({"take", spool.at, "s", "--peek", "--idle", "100ms"}).out == "1\n2\n3\n");
    CHECK(run_ferry({"take", spool.at, "s", "-n", "3"}).out == "1\n2\n3\n");
}

TEST_CASE("cli: what take got and did not print goes back without an attempt used") {
    spool_process spool;
    run_ferry({"put", spool.at, "s"}, {.input = "1\n2\n3\n4\n5\n"});
    CHECK(run_ferry({"take", spool.at, "s", "-n", "2"}).out == "1\n2\n");
    CHECK(run_ferry({"take", spool.at, "s", "-n", "3", "-F", "{attempt}:{payload}\\n"}).out ==
          "1:3\n1:4\n1:5\n");
}

TEST_CASE("cli: what take could not print is not acked, and comes again") {
    spool_process spool;
    process taking{binary_with({"take", spool.at, "s"})};
    taking.close_stdout();
    CHECK(run_ferry({"put", spool.at, "s"}, {.input = "1\n2\n3\n"}).status == 0);
    CHECK(taking.wait() == 0);
    CHECK(run_ferry({"take", spool.at, "s", "--idle", "1s"}).out == "1\n2\n3\n");
}

TEST_CASE(
    "cli: a payload of 16 MiB with topic and headers is put and taken whole, and one byte more is too "
    "large") {
    const spool_process spool;
    std::string payload(16 << 20, 'x');
    for (std::size_t at = 0; at < payload.size(); at += 4093) payload[at] = static_cast<char>('a' + at % 23);
    const auto put = [&](const std::string& what) {
        return run_ferry({"put", spool.at, "large", "--in", "raw", "-T", "topic", "-H",
                          "note=" + std::string(30'000, 'n')},
                         {.input = what});
    };
    CHECK(put(payload).status == 0);
    const finished larger = put(payload + "y");
    CHECK(larger.status == 8);
    CHECK(larger.err.find("too-large") != std::string::npos);
    const finished took = run_ferry({"take", spool.at, "large", "-n", "1", "--raw"});
    CHECK(took.status == 0);
    CHECK((took.out == payload));
}

TEST_CASE("cli: put --delay, --ttl and --priority say when a message comes, and whether") {
    spool_process spool;
    CHECK(run_ferry({"put", spool.at, "jobs", "late", "--delay", "700ms"}).status == 0);
    CHECK(run_ferry({"put", spool.at, "jobs", "short", "--ttl", "1ms"}).status == 0);
    CHECK(run_ferry({"put", spool.at, "jobs", "plain"}).status == 0);
    CHECK(run_ferry({"put", spool.at, "jobs", "--in", "json"},
                    {.input = "{\"payload\":\"urgent\",\"headers\":{\"priority\":9}}\n"})
              .status == 0);
    const finished took = run_ferry({"take", spool.at, "jobs", "-n", "3", "--credit", "1"});
    CHECK(took.status == 0);
    CHECK(took.out == "urgent\nplain\nlate\n");
    const finished wrong = run_ferry({"put", spool.at, "jobs", "x", "--priority", "10"});
    CHECK(wrong.status == 2);
    const finished refused = run_ferry({"put", spool.at, "jobs", "x", "-H", "delay=soon"});
    CHECK(refused.status == 2);
    CHECK(refused.err.find("the header 'delay' is a number") != std::string::npos);
}
