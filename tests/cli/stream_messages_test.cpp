// Transcripts of stream peek, get, export and import.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "tests/cli/spool_process.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// An exported line without what another stream has of its own.
std::string as_put(const std::string& line) {
    auto object = nlohmann::json::parse(line);
    for (const char* own : {"n", "ts", "stream", "offset"}) REQUIRE(object.erase(own) == 1);
    return object.dump();
}

}  // namespace

TEST_CASE("cli: stream peek shows what is stored and ends, and nobody's messages move") {
    spool_process spool;
    std::string input;
    for (int i = 0; i < 12; ++i) input += std::to_string(i) + "\n";
    run_ferry({"put", spool.at, "jobs"}, {.input = input});
    CHECK(run_ferry({"stream", "peek", spool.at, "jobs"}).out == "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    CHECK(run_ferry({"stream", "peek", spool.at, "jobs", "-n", "2", "--from", "3"}).out == "3\n4\n");
    CHECK(run_ferry({"stream", "peek", spool.at, "jobs", "-n", "50", "--from", "11"}).out == "11\n");
    CHECK(run_ferry({"stream", "peek", spool.at, "jobs", "--from", "new"}).out.empty());
    CHECK(run_ferry({"stream", "peek", spool.at, "jobs", "--from", "99"}).out.empty());
    const auto line =
        nlohmann::json::parse(run_ferry({"stream", "peek", spool.at, "jobs", "-n", "1", "--json"}).out);
    CHECK(line.at("stream") == "jobs");
    CHECK(line.at("offset") == 0);
    CHECK_FALSE(line.contains("group"));
    CHECK_FALSE(line.contains("attempt"));
    const finished missing = run_ferry({"stream", "peek", spool.at, "nothing"});
    CHECK(missing.status == 3);
    CHECK(run_ferry({"take", spool.at, "jobs", "-n", "12", "-F", "{attempt}"}).out == "111111111111");
}

TEST_CASE("cli: stream peek ends where the last messages are gone, and while a consumer holds others") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = "0\n1\n2\n"});
    context context;
    consumer work{context, ferry::connect(spool.at), {.stream = "jobs"}};
    for (int i = 0; i < 3; ++i) {
        auto next = work.next(20s);
        REQUIRE(next);
        if (i != 1) next->ack();
        if (i == 1) next->nack(1h);
    }
    REQUIRE(work.flush(20s) == outcome::done);
    CHECK(run_ferry({"stream", "peek", spool.at, "jobs", "-F", "{offset} "}).out.find("1 ") == 0);
    CHECK(run_ferry({"stream", "get", spool.at, "jobs", "1"}).out == "1\n");
    CHECK(run_ferry({"stream", "get", spool.at, "jobs", "0"}).status == 3);
}

TEST_CASE("cli: stream get prints the message at an offset, and is exit 3 where there is none") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs", "-T", "t"}, {.input = "a\nb\nc\n"});
    CHECK(run_ferry({"stream", "get", spool.at, "jobs", "1", "-F", "{offset} {topic} {payload}\\n"}).out ==
          "1 t b\n");
    const finished beyond = run_ferry({"stream", "get", spool.at, "jobs", "3"});
    CHECK(beyond.status == 3);
    CHECK(beyond.out.empty());
    CHECK(beyond.err.find("stream 'jobs' has no message at offset 3") != std::string::npos);
    CHECK(run_ferry({"stream", "get", spool.at, "nothing", "0"}).status == 3);
    CHECK(run_ferry({"stream", "get", spool.at, "jobs"}).status == 2);
    CHECK(run_ferry({"stream", "get", spool.at, "jobs", "x"}).status == 2);
    CHECK(run_ferry({"stream", "get", "tcp://127.0.0.1:1", "jobs", "0", "--wait", "50ms"}).status == 4);
}

TEST_CASE("cli: export and import give back every byte of topics, headers, frames and payloads") {
    spool_process spool;
    std::vector<message> put;
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    put.emplace_back("");
    put.emplace_back("text \"quoted\" \\ \n \xC3\xA4");
    put.emplace_back(bytes);
    put.emplace_back(message{frame{bytes}, frame{bytes}});
    put.emplace_back(message{frame{""}, frame{"an empty topic"}});
    put.emplace_back(message{frame{"t"}, frame{"headers"}});
    put.back().set_header("text", "a\"b");
    put.back().set_header("not utf-8", std::string{"\xFF\x00x", 3});
    put.back().set_header("binary", binary{bytes});
    put.back().set_header("number", std::int64_t{-9'223'372'036'854'775'807 - 1});
    put.back().set_header(std::string{"name \xFE"}, "v");
    put.emplace_back("no topic, two frames");
    put.back().add_frame(frame{bytes});
    put.back().add_frame(frame{""});
    put.emplace_back(message{frame{"large"}, frame{std::string(700'000, '\xF0')}});

    context context;
    const endpoint at = ferry::connect(spool.at);
    {
        producer to{context, at, {.stream = "one"}};
        for (const message& each : put) to.put(each);
        REQUIRE(to.flush(20s) == outcome::done);
    }
    const finished exported = run_ferry({"stream", "export", spool.at, "one"});
    CHECK(exported.status == 0);
    CHECK(exported.err == "exported 8\n");
    const finished imported = run_ferry({"stream", "import", spool.at, "two"}, {.input = exported.out});
    CHECK(imported.status == 0);
    CHECK(imported.err == "sent 8, confirmed 8\n");

    consumer reader{context, at, {.stream = "two", .group = std::nullopt, .until = put.size()}};
    for (const message& each : put) {
        auto next = reader.next(20s);
        REQUIRE(next);
        const message got = next->content();
        CHECK(got.has_topic() == each.has_topic());
        CHECK(got.topic() == each.topic());
        CHECK(got.body() == each.body());
        CHECK(got.headers() == each.headers());
        REQUIRE(got.frames().size() == each.frames().size());
        for (std::size_t i = 0; i < got.frames().size(); ++i)
            CHECK(got.frames()[i].view() == each.frames()[i].view());
    }
    CHECK_FALSE(reader.next(20s));
    CHECK(reader.at_end());
    const auto first = lines_of(exported.out);
    const auto second = lines_of(run_ferry({"stream", "export", spool.at, "two"}).out);
    REQUIRE(first.size() == second.size());
    for (std::size_t i = 0; i < first.size(); ++i) CHECK(as_put(first[i]) == as_put(second[i]));
}

TEST_CASE("cli: a hundred thousand messages are exported and imported through a pipe, and stay the same") {
    spool_process spool;
    constexpr std::size_t messages = 100'000;
    context context;
    {
        producer to{context, ferry::connect(spool.at), {.stream = "one"}};
        for (std::size_t i = 0; i < messages; ++i) {
            message next{frame{"topic." + std::to_string(i % 7)}, frame{std::string(i % 90, 'x') + "\xFF"}};
            if (i % 10 == 0) next.set_header("n", static_cast<std::int64_t>(i));
            to.put(std::move(next));
        }
        REQUIRE(to.flush(20s) == outcome::done);
    }
    const std::string line = std::string{FERRY_BINARY} + " stream export " + spool.at + " one | " +
                             FERRY_BINARY + " stream import " + spool.at + " two";
    const finished piped = run({"/bin/sh", "-c", line});
    CHECK(piped.status == 0);
    CHECK(piped.err.find("exported 100000\n") != std::string::npos);
    CHECK(piped.err.find("sent 100000, confirmed 100000\n") != std::string::npos);

    consumer one{
        context, ferry::connect(spool.at), {.stream = "one", .group = std::nullopt, .until = messages}};
    consumer two{
        context, ferry::connect(spool.at), {.stream = "two", .group = std::nullopt, .until = messages}};
    std::size_t same = 0;
    while (auto a = one.next(20s)) {
        const auto b = two.next(20s);
        REQUIRE(b);
        same += a->body() == b->body() && a->topic() == b->topic() &&
                        a->content().headers() == b->content().headers()
                    ? 1
                    : 0;
    }
    CHECK(same == messages);
    CHECK(one.at_end());
    CHECK_FALSE(two.next(20s));
    CHECK(two.at_end());
}

TEST_CASE("cli: export ends where the stream ended when it began, and -n and --from bound it") {
    spool_process spool;
    run_ferry({"put", spool.at, "jobs"}, {.input = "a\nb\nc\n"});
    const finished part = run_ferry({"stream", "export", spool.at, "jobs", "--from", "1", "-n", "1"});
    CHECK(part.err == "exported 1\n");
    CHECK(part.out.find("\"payload\":\"b\"") != std::string::npos);
    run_ferry({"take", spool.at, "jobs", "-n", "3"});
    const finished gone = run_ferry({"stream", "export", spool.at, "jobs"});
    CHECK(gone.status == 0);
    CHECK(gone.err == "exported 0\n");
    CHECK(run_ferry({"stream", "export", spool.at, "nothing"}).status == 3);
}

TEST_CASE("cli: import ends as put does: bad input is named, nothing creates what it may not") {
    spool_process spool;
    const finished bad =
        run_ferry({"stream", "import", spool.at, "s"}, {.input = "{\"payload\":\"x\"}\nnope\n"});
    CHECK(bad.status == 7);
    CHECK(bad.err.find("sent 1, confirmed 1") != std::string::npos);
    const finished none = run_ferry({"stream", "import", spool.at, "s"}, {.input = ""});
    CHECK(none.status == 0);
    CHECK(run_ferry({"stream", "import", spool.at, "new", "--no-create"}, {.input = "{\"payload\":\"x\"}\n"})
              .status == 3);
    CHECK(run_ferry({"stream", "import", "tcp://127.0.0.1:1", "s", "--wait", "50ms"},
                    {.input = "{\"payload\":\"x\"}\n"})
              .status == 4);
    CHECK(run_ferry({"stream", "import", spool.at, "bad/name"}, {.input = ""}).status == 2);
}
