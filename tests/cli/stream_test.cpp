// ferry stream and group against a real spool.
#include <doctest/doctest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

// A spool of the test's own, and the command line pointed at it.
struct running_spool {
    temporary_directory directory;
    ferry::context context;
    ferry::spool spool{context,
                       {.directory = directory / "spool",
                        .listen = {ferry::bind("tcp://127.0.0.1:*")},
                        .segment_bytes = 1 << 20}};
    std::string where = spool.endpoints().at(0);

    finished run(std::vector<std::string> words, process_options options = {}) {
        words.insert(words.begin() + 2, where);
        words.insert(words.begin(), FERRY_BINARY);
        return ferry::test::run(std::move(words), std::move(options));
    }
    nlohmann::json json(std::vector<std::string> words) {
        words.emplace_back("--json");
        const finished got = run(std::move(words));
        REQUIRE(got.status == 0);
        return nlohmann::json::parse(got.out);
    }
    void put(const std::string& stream, int messages) {
        producer to{context, ferry::connect(where), {.stream = stream}};
        for (int i = 0; i < messages; ++i) to.put("12345678");
        REQUIRE(to.flush(20s) == outcome::done);
    }
};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

}  // namespace

TEST_CASE("cli: stream create, ls, info and rm do what they say, with exit codes for what is not there") {
    running_spool at;
    const finished empty = at.run({"stream", "ls"});
    CHECK(empty.status == 0);
    CHECK(empty.out == "name  first  next  messages  bytes  groups  dead  retain  sync\n");
    CHECK(at.run({"stream", "ls", "--json"}).out.empty());

    const finished created = at.run({"stream", "create", "orders", "--sync", "written"});
    CHECK(created.status == 0);
    CHECK(created.out.empty());
    CHECK(created.err == "created stream 'orders'\n");
    const finished again = at.run({"stream", "create", "orders"});
    CHECK(again.status == 2);
    CHECK(again.err.find("stream 'orders' exists") != std::string::npos);

    at.put("orders", 12);
    const auto table = lines_of(at.run({"stream", "ls"}).out);
    REQUIRE(table.size() == 2);
    CHECK(table[1].starts_with("orders "));
    CHECK(table[0].find("messages") + 8 == table[1].rfind("12") + 2);
    CHECK(table[1].ends_with("written"));
    CHECK(at.json({"stream", "info", "orders"}).at("messages") == 12);

    CHECK(at.run({"stream", "info", "nothing"}).status == 3);
    CHECK(at.run({"stream", "rm", "nothing", "--yes"}).status == 3);
    CHECK(at.run({"stream", "rm", "orders", "--yes"}).err ==
          "removed stream 'orders': 12 messages, 0 groups\n");
    CHECK(at.run({"stream", "info", "orders"}).status == 3);
}

TEST_CASE("cli: stream info --json is one object with the stream's numbers and those of its groups") {
    running_spool at;
    at.put("orders", 10);
    REQUIRE(at.run({"group", "create", "orders", "untouched"}).status == 0);
    consumer work{at.context, ferry::connect(at.where), {.stream = "orders", .group = "billing"}};
    std::vector<delivery> held;
    for (int i = 0; i < 6; ++i) {
        auto next = work.next(20s);
        REQUIRE(next);
        held.push_back(std::move(*next));
    }
    for (std::size_t i = 0; i < 4; ++i) held[i].ack();
    REQUIRE(work.flush(20s) == outcome::done);

    const auto info = at.json({"stream", "info", "orders"});
    CHECK(info.at("v") == 1);
    CHECK(info.at("name") == "orders");
    CHECK(info.at("first") == 0);
    CHECK(info.at("next") == 10);
    CHECK(info.at("messages") == 10);
    CHECK(info.at("bytes") >= 80);
    REQUIRE(info.at("groups").size() == 2);
    const auto& untouched = info["groups"][0];
    CHECK(untouched.at("name") == "untouched");
    CHECK(untouched.at("ready") == 10);
    CHECK(untouched.at("acked_floor") == 0);
    CHECK(untouched.at("consumers") == 0);
    const auto& billing = info["groups"][1];
    CHECK(billing.at("name") == "billing");
    CHECK(billing.at("ready").get<int>() + billing.at("leased").get<int>() == 6);
    CHECK(billing.at("leased") >= 2);
    CHECK(billing.at("delayed") == 0);
    CHECK(billing.at("dead") == 0);
    CHECK(billing.at("acked_floor") == 4);
    CHECK(billing.at("consumers") == 1);
    CHECK(at.json({"group", "info", "orders", "billing"}).at("stream") == "orders");

    const auto text = lines_of(at.run({"stream", "info", "orders"}).out);
    REQUIRE(text.size() == 6);
    CHECK(text[2].empty());
    CHECK(text[3].starts_with("name "));
    CHECK(text[4].starts_with("untouched "));
}

TEST_CASE("cli: group create sets where it starts, its lease and its attempts; ls and rm follow") {
    running_spool at;
    at.put("orders", 10);
    const auto made = at.json(
        {"group", "create", "orders", "audit", "--from", "4", "--lease", "5m", "--max-attempts", "3"});
    CHECK(made.at("name") == "audit");
    CHECK(made.at("from") == "4");
    CHECK(made.at("lease_ms") == 300000);
    CHECK(made.at("max_attempts") == 3);
    CHECK(made.at("ready") == 6);
    CHECK(made.at("backoff_ms") == "0,1000,5000,30000");
    const auto told = at.json({"group", "create", "orders", "told", "--lease-max", "1h", "--backoff",
                               "250ms,2s", "--max-in-flight", "7"});
    CHECK(told.at("lease_max_ms") == 3'600'000);
    CHECK(told.at("backoff_ms") == "250,2000");
    CHECK(told.at("max_in_flight") == 7);
    CHECK(at.run({"group", "create", "orders", "x", "--backoff", "soon"}).status == 2);
    CHECK(at.run({"group", "create", "orders", "x", "--lease", "2h", "--lease-max", "1h"}).status == 2);
    CHECK(at.run({"group", "rm", "orders", "told", "--yes"}).status == 0);
    CHECK(at.json({"group", "create", "orders", "late", "--from", "new"}).at("acked_floor") == 10);
    CHECK(at.run({"group", "create", "orders", "audit"}).status == 2);
    CHECK(at.run({"group", "create", "nothing", "audit"}).status == 3);

    const auto table = lines_of(at.run({"group", "ls", "orders"}).out);
    REQUIRE(table.size() == 3);
    CHECK(table[0].starts_with("name "));
    CHECK(table[1].starts_with("audit "));
    CHECK(lines_of(at.run({"group", "ls", "orders", "--json"}).out).size() == 2);

    CHECK(at.run({"group", "info", "orders", "nobody"}).status == 3);
    CHECK(at.run({"group", "rm", "orders", "audit", "-y"}).err ==
          "removed group 'audit' of stream 'orders': 6 ready, 0 leased, 0 delayed, 0 dead\n");
    CHECK(at.run({"group", "info", "orders", "audit"}).status == 3);
    CHECK(at.run({"group", "rm", "orders", "audit", "-y"}).status == 3);
}

TEST_CASE("cli: group create and take tell a group what it wants, and it gets no more") {
    running_spool at;
    const auto take = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {FERRY_BINARY, "take", at.where, "orders"});
        return run(std::move(words));
    };
    at.run({"stream", "import", "orders"},
           {.input = R"({"topic":"order.1.eu","headers":{"tier":"gold"},"payload":"a"})"
                     "\n"
                     R"({"topic":"order.2.us","headers":{"tier":"gold"},"payload":"b"})"
                     "\n"
                     R"({"topic":"order.3.eu","headers":{"tier":"tin"},"payload":"c"})"
                     "\n"
                     R"({"topic":"refund.1.eu","headers":{"tier":"gold"},"payload":"d"})"
                     "\n"});
    REQUIRE(at.run({"group", "create", "orders", "all"}).status == 0);
    const auto made =
        at.json({"group", "create", "orders", "europe", "--filter", "order.*.eu", "--where", "tier=gold"});
    CHECK(made.at("filter") == "order.*.eu");
    CHECK(made.at("filter_prefix") == "");
    CHECK(made.at("where") == "tier=gold");
    CHECK(take({"--group", "europe", "--idle", "200ms"}).out == "a\n");
    CHECK(at.json({"group", "info", "orders", "europe"}).at("acked_floor") == 4);

    CHECK(take({"--group", "some", "-T", "ref", "-m", "*.2.>", "--idle", "200ms"}).out == "b\nd\n");
    CHECK(take({"--group", "some", "-m", "*.2.>", "-T", "ref", "--idle", "50ms"}).status == 0);
    const finished differs = take({"--group", "some", "-T", "order", "--idle", "50ms"});
    CHECK(differs.status == 2);
    CHECK(differs.err.find("differs") != std::string::npos);
    CHECK(take({"--peek", "-T", "order"}).status == 2);
    CHECK(take({"--group", "bad", "-m", ">.x"}).status == 2);
    const auto table = lines_of(at.run({"group", "ls", "orders"}).out);
    REQUIRE(table.size() == 4);
    CHECK(table[0].ends_with("filter      filter_prefix  where"));
}

TEST_CASE("cli: rm without --yes is exit 2 where nobody can be asked, and --dry-run leaves all there") {
    running_spool at;
    at.put("orders", 3);
    REQUIRE(at.run({"group", "create", "orders", "audit"}).status == 0);
    const finished unasked = at.run({"stream", "rm", "orders"});
    CHECK(unasked.status == 2);
    CHECK(unasked.err.find("--yes") != std::string::npos);
    CHECK(at.run({"group", "rm", "orders", "audit"}).status == 2);
    CHECK(at.run({"stream", "rm", "orders", "--yes", "--dry-run"}).status == 2);

    const finished dry = at.run({"stream", "rm", "orders", "--dry-run"});
    CHECK(dry.status == 0);
    CHECK(dry.out == "would remove stream 'orders': 3 messages, 1 groups\n");
    CHECK(at.run({"group", "rm", "orders", "audit", "--dry-run"}).out ==
          "would remove group 'audit' of stream 'orders': 3 ready, 0 leased, 0 delayed, 0 dead\n");
    CHECK(at.json({"stream", "info", "orders"}).at("groups").size() == 1);
}

TEST_CASE("cli: on a terminal rm asks, and only a yes removes") {
    running_spool at;
    at.put("orders", 3);
    // util-linux's script gives the command a terminal and passes our lines on to it.
    const auto on_terminal = [&](const std::string& answer) {
        const std::string command = std::string{FERRY_BINARY} + " stream rm " + at.where + " orders";
        process asked{{"script", "-qec", command, "/dev/null"}, {.keep_stdin_open = true}};
        asked.write(answer + "\n");
        return std::pair{asked.wait(), asked.out()};
    };
    const auto [refused, question] = on_terminal("n");
    CHECK(refused == 1);
    CHECK(question.find("remove stream 'orders': 3 messages, 0 groups? [y/N]") != std::string::npos);
    CHECK(at.json({"stream", "info", "orders"}).at("messages") == 3);
    CHECK(on_terminal("y").first == 0);
    CHECK(at.run({"stream", "info", "orders"}).status == 3);
}

TEST_CASE("cli: stream and group refuse wrong words before they ask anybody, with exit 2") {
    for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
             {"stream"},
             {"stream", "ls"},
             {"stream", "list", ":1"},
             {"stream", "set", ":1", "orders"},
             {"stream", "ls", ":1", "orders"},
             {"stream", "info", ":1"},
             {"stream", "info", ":1", "no/name"},
             {"stream", "info", ":1", ""},
             {"stream", "info", ":1", std::string(129, 'x')},
             {"stream", "info", ":1", "a", "b"},
             {"stream", "info", "@:0", "orders"},
             {"stream", "info", "-b", ":0", "orders"},
             {"stream", "info", "-c", ":1", "-c", ":2", "orders"},
             {"stream", "create", ":1", "orders", "--sync", "never"},
             {"stream", "create", ":1", "orders", "--retain", "some"},
             {"stream", "create", ":1", "orders", "--max-bytes", "0"},
             {"stream", "ls", ":1", "--yes"},
             {"stream", "info", ":1", "orders", "--sync", "synced"},
             {"group"},
             {"group", "ls", ":1"},
             {"group", "info", ":1", "orders"},
             {"group", "info", ":1", "orders", "a b"},
             {"group", "create", ":1", "orders", "audit", "--lease", "0s"},
             {"group", "create", ":1", "orders", "audit", "--max-attempts", "0"},
             {"group", "create", ":1", "orders", "audit", "--filter", "a.>.b"},
             {"group", "create", ":1", "orders", "audit", "--where", "region"},
             {"group", "create", ":1", "orders", "audit", "--match", "x"}}) {
        std::vector<std::string> words = wrong;
        words.insert(words.begin(), FERRY_BINARY);
        const finished got = run(words);
        CAPTURE(got.err);
        CHECK(got.status == 2);
        CHECK(got.out.empty());
        const auto said = lines_of(got.err);
        REQUIRE(said.size() == 4);
        CHECK(said[1].starts_with("usage: ferry " + wrong[0]));
    }
}

TEST_CASE("cli: no spool within --wait is exit 4, and -t before that is 5") {
    const std::string nobody = "tcp://127.0.0.1:1";
    const finished got = run({FERRY_BINARY, "stream", "ls", nobody, "--wait", "50ms"});
    CHECK(got.status == 4);
    CHECK(got.err.find("no spool answered at " + nobody) != std::string::npos);
    CHECK(run({FERRY_BINARY, "group", "ls", nobody, "orders", "--wait", "50ms"}).status == 4);
    CHECK(run({FERRY_BINARY, "stream", "ls", nobody, "-t", "50ms"}).status == 5);
}

TEST_CASE("cli: stream says which end binds after a second without a spool, and a signal ends the wait") {
    process waiting{{FERRY_BINARY, "stream", "ls", "tcp://127.0.0.1:1", "--wait", "1m"}};
    CHECK(waiting.wait_for_error("nobody at ").find("the spool must bind") != std::string::npos);
    waiting.kill(SIGINT);
    CHECK(waiting.wait() == 130);
}

TEST_CASE("cli: stream takes its endpoint from --connect and from the environment too") {
    running_spool at;
    at.put("orders", 1);
    CHECK(run({FERRY_BINARY, "stream", "info", "-c", at.where, "orders"}).status == 0);
    CHECK(run({FERRY_BINARY, "stream", "info", "orders"}, {.environment = {{"FERRY_ENDPOINT", at.where}}})
              .status == 0);
}

TEST_CASE("cli: help of stream and group tells the flags that are built, and no others") {
    const std::string stream = run({FERRY_BINARY, "help", "stream"}).out;
    for (const char* flag : {"--sync", "--dead-max-messages", "--yes", "--dry-run", "--json", "--wait"})
        CHECK(stream.find(flag) != std::string::npos);
    for (const char* flag : {"--retain", "--max-bytes", "--max-messages", "--when-full", "--ttl", "--expired",
                             "--max-message", "--dedup"})
        CHECK(stream.find(flag) != std::string::npos);
    const std::string group = run({FERRY_BINARY, "group", "--help"}).out;
    for (const char* flag : {"--from START", "--lease DUR", "--max-attempts N"})
        CHECK(group.find(flag) != std::string::npos);
    CHECK(run({FERRY_BINARY, "group", "ls", "--help"}).out.find("--lease DUR") == std::string::npos);
}
