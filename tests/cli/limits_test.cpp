// What a stream can be told, from the shell: what it keeps, its limits, and message ids.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/spool_process.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

nlohmann::json info(const spool_process& at, const std::string& stream) {
    const finished got = run_ferry({"stream", "info", at.at, stream, "--json"});
    REQUIRE(got.status == 0);
    return nlohmann::json::parse(got.out);
}

std::string lines(int count) {
    std::string text;
    for (int i = 1; i <= count; ++i) text += std::to_string(i) + '\n';
    return text;
}

}  // namespace

TEST_CASE("cli: a stream with a limit takes what fits, says full, and takes more when there is room") {
    spool_process at;
    REQUIRE(run_ferry({"stream", "create", at.at, "s", "--max-messages", "10"}).status == 0);
    REQUIRE(run_ferry({"group", "create", at.at, "s", "default"}).status == 0);
    const finished some = run_ferry({"put", at.at, "s", "--confirm"}, {.input = lines(15)});
    CHECK(some.status == 7);
    CHECK(some.out == "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    CHECK(some.err.find("full") != std::string::npos);
    CHECK(some.err.find("confirmed 10, refused 5 (full)") != std::string::npos);
    const finished none = run_ferry({"put", at.at, "s", "x"});
    CHECK(none.status == 8);
    CHECK(run_ferry({"take", at.at, "s", "-n", "4"}).out == "1\n2\n3\n4\n");
    CHECK(run_ferry({"put", at.at, "s"}, {.input = lines(4)}).status == 0);
    CHECK(info(at, "s")["messages"] == 10);
    REQUIRE(run_ferry({"stream", "set", at.at, "s", "--max-messages", "none"}).status == 0);
    CHECK(run_ferry({"put", at.at, "s"}, {.input = lines(100)}).status == 0);
}

TEST_CASE("cli: what is counted while more is read is counted to the number, and the first refused is named") {
    spool_process at;
    REQUIRE(run_ferry({"stream", "create", at.at, "s", "--max-messages", "4500"}).status == 0);
    const finished all = run_ferry({"put", at.at, "s"}, {.input = lines(7000)});
    CHECK(all.status == 7);
    CHECK(all.err.find("sent 7000, confirmed 4500, refused 2500 (full)") != std::string::npos);
    CHECK(all.err.find("message 4501: full") != std::string::npos);
}

TEST_CASE("cli: a stream that drops the oldest keeps the last, and counts the others") {
    spool_process at;
    REQUIRE(run_ferry({"stream", "create", at.at, "s", "--max-messages", "3", "--when-full", "drop-oldest"})
                .status == 0);
    CHECK(run_ferry({"put", at.at, "s"}, {.input = lines(10)}).status == 0);
    const auto row = info(at, "s");
    CHECK(row["messages"] == 3);
    CHECK(row["removed_oldest"] == 7);
    CHECK(row["when_full"] == "drop-oldest");
    CHECK(run_ferry({"take", at.at, "s", "-n", "3"}).out == "8\n9\n10\n");
}

TEST_CASE("cli: a put waits in front of a full stream that blocks until somebody takes") {
    spool_process at;
    REQUIRE(
        run_ferry({"stream", "create", at.at, "s", "--max-messages", "5", "--when-full", "block"}).status ==
        0);
    REQUIRE(run_ferry({"group", "create", at.at, "s", "default"}).status == 0);
    CHECK(run_ferry({"put", at.at, "s", "-t", "300ms"}, {.input = lines(8)}).status == 7);
    process waiting{binary_with({"put", at.at, "s", "--confirm"}), {.input = lines(7)}};
    const finished got = run_ferry({"take", at.at, "s", "-n", "12", "-t", "20s"});
    CHECK(got.status == 0);
    CHECK(waiting.wait() == 0);
}

TEST_CASE("cli: what a stream keeps and for how long can be told and changed") {
    spool_process at;
    REQUIRE(run_ferry({"stream", "create", at.at, "s", "--retain", "all", "--ttl", "1h", "--expired",
                       "dead-letter", "--max-message", "1KiB", "--dedup", "5m", "--max-bytes", "1MB"})
                .status == 0);
    auto row = info(at, "s");
    CHECK(row["retain"] == "all");
    CHECK(row["ttl_ms"] == 3'600'000);
    CHECK(row["expired"] == "dead-letter");
    CHECK(row["max_message_bytes"] == 1024);
    CHECK(row["dedup_ms"] == 300'000);
    CHECK(row["max_bytes"] == 1'000'000);
    CHECK(run_ferry({"put", at.at, "s", std::string(1025, 'x')}).status != 0);
    CHECK(run_ferry({"put", at.at, "s"}, {.input = lines(5)}).status == 0);
    CHECK(run_ferry({"take", at.at, "s", "-n", "5"}).status == 0);
    CHECK(info(at, "s")["messages"] == 5);
    REQUIRE(run_ferry({"stream", "set", at.at, "s", "--retain", "7d"}).status == 0);
    CHECK(info(at, "s")["retain"] == "604800000ms");
    REQUIRE(run_ferry({"stream", "set", at.at, "s", "--retain", "acked"}).status == 0);
    CHECK(info(at, "s")["messages"] == 0);
    for (const auto& wrong : std::vector<std::vector<std::string>>{{"--retain", "some"},
                                                                   {"--when-full", "cry"},
                                                                   {"--expired", "x"},
                                                                   {"--max-bytes", "0"},
                                                                   {"--ttl", "0s"}}) {
        std::vector<std::string> words = {"stream", "set", at.at, "s"};
        words.insert(words.end(), wrong.begin(), wrong.end());
        CHECK(run_ferry(words).status == 2);
    }
}

TEST_CASE("cli: a message id is stored once, and the confirm says duplicate with the true offset") {
    spool_process at;
    CHECK(run_ferry({"put", at.at, "s", "a", "--message-id", "7", "--confirm"}).out == "0\n");
    CHECK(run_ferry({"put", at.at, "s", "b", "--message-id", "7", "--confirm"}).out == "0 duplicate\n");
    const std::string json =
        "{\"payload\":\"x\",\"headers\":{\"message-id\":\"8\"}}\n{\"payload\":\"y\",\"headers\":{\"message-"
        "id\":\"7\"}}\n";
    const finished both =
        run_ferry({"put", at.at, "s", "--in", "json", "--confirm", "--json"}, {.input = json});
    CHECK(both.status == 0);
    CHECK(both.out == "{\"offset\":2,\"duplicate\":false}\n{\"offset\":0,\"duplicate\":true}\n");
    CHECK(info(at, "s")["messages"] == 2);
    CHECK(run_ferry({"put", at.at, "s", "--message-id", "9"}, {.input = lines(2)}).status == 2);
    CHECK(run_ferry({"put", at.at, "s", "x", "-n", "2", "--message-id", "9"}).status == 2);
    CHECK(info(at, "s")["messages"] == 2);
    at.running->kill(9);
    at.running->wait();
    at.start();
    CHECK(run_ferry({"put", at.at, "s", "b", "--message-id", "7", "--confirm", "--wait", "10s"}).out ==
          "0 duplicate\n");
}
