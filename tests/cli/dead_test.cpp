// ferry dead, stream set and purge, group seek, pause and resume against a real spool.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ferry/consumer.hpp"
#include "ferry/producer.hpp"
#include "ferry/spool.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace ferry::test;
using namespace std::chrono_literals;

namespace {

struct running_spool {
    temporary_directory directory;
    ferry::context context;
    ferry::spool spool{context,
                       {.directory = directory / "spool",
                        .listen = {ferry::bind("tcp://127.0.0.1:*")},
                        .segment_bytes = 4 << 20}};
    std::string where = spool.endpoints().at(0);

    finished run(std::vector<std::string> words) {
        words.insert(words.begin() + 2, where);
        words.insert(words.begin(), FERRY_BINARY);
        return ferry::test::run(std::move(words));
    }
    std::vector<nlohmann::json> json(std::vector<std::string> words) {
        words.emplace_back("--json");
        const finished got = run(std::move(words));
        CAPTURE(got.err);
        REQUIRE(got.status == 0);
        std::vector<nlohmann::json> rows;
        std::istringstream in{got.out};
        for (std::string line; std::getline(in, line);) rows.push_back(nlohmann::json::parse(line));
        return rows;
    }
    // Messages 0 to n - 1 with topics image.0 and page.1 in turn; each dies at its first nack.
    void bury(int messages, const std::string& group = "thumbs") {
        producer to{context, ferry::connect(where), {.stream = "jobs"}};
        for (int i = 0; i < messages; ++i) {
            message m{i % 2 == 0 ? "image.0" : "page.1", "job " + std::to_string(i)};
            m.set_header("n", std::int64_t{i});
            to.put(m);
        }
        REQUIRE(to.flush(20s) == outcome::done);
        consumer work{context, ferry::connect(where), {.stream = "jobs", .group = group, .max_attempts = 1}};
        for (int i = 0; i < messages; ++i) {
            auto d = work.next(20s);
            REQUIRE(d);
            d->nack(std::nullopt, "cannot resize");
        }
        REQUIRE(work.flush(20s) == outcome::done);
    }
    std::uint64_t dead(const std::string& group = "thumbs") {
        return json({"group", "info", "jobs", group}).at(0).at("dead");
    }
};

}  // namespace

TEST_CASE(
    "cli: dead ls tells offset, attempt, reason, topic, headers and payload of each, and changes nothing") {
    running_spool at;
    at.bury(4);
    for (int round = 0; round < 2; ++round) {
        const auto rows = at.json({"dead", "ls", "jobs", "--group", "thumbs"});
        REQUIRE(rows.size() == 4);
        CHECK(rows[1].at("offset") == 1);
        CHECK(rows[1].at("attempt") == 1);
        CHECK(rows[1].at("reason") == "cannot resize");
        CHECK(rows[1].at("topic") == "page.1");
        CHECK(rows[1].at("headers").at("n") == 1);
        CHECK(rows[1].at("payload") == "job 1");
        CHECK(rows[1].at("group") == "thumbs");
        CHECK(rows[1].at("stream") == "jobs");
    }
    const finished table = at.run({"dead", "ls", "jobs"});
    CHECK(table.status == 0);
    CHECK(std::count(table.out.begin(), table.out.end(), '\n') == 5);
    CHECK(table.out.starts_with("group "));
    CHECK(table.out.find("cannot resize") != std::string::npos);
    CHECK(at.json({"dead", "ls", "jobs", "-m", "image.*", "-n", "1"}).size() == 1);
    CHECK(at.json({"dead", "ls", "jobs", "-m", "page.>"}).at(1).at("offset") == 3);
    CHECK(at.run({"dead", "peek", "jobs", "--offsets", "1..2"}).out == "job 1\njob 2\n");
    CHECK(at.run({"dead", "peek", "jobs", "-n", "1", "-F", "{offset} {topic} {payload}\\n"}).out ==
          "0 image.0 job 0\n");
    CHECK(at.dead() == 4);
}

TEST_CASE("cli: dead ls shows what a consumer gave up at its first attempt, with the reason") {
    running_spool at;
    producer to{at.context, ferry::connect(at.where), {.stream = "jobs"}};
    REQUIRE(to.put("page").wait(20s));
    consumer work{at.context, ferry::connect(at.where), {.stream = "jobs", .group = "thumbs"}};
    auto d = work.next(20s);
    REQUIRE(d);
    d->dead_letter("not an image");
    REQUIRE(work.flush(20s) == outcome::done);
    const auto rows = at.json({"dead", "ls", "jobs"});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].at("reason") == "not an image");
    CHECK(rows[0].at("attempt") == 1);
    CHECK(rows[0].at("payload") == "page");
}

TEST_CASE("cli: dead ls --json says of what expired unseen which group it is of, and attempt 0") {
    running_spool at;
    REQUIRE(at.run({"stream", "create", "s", "--expired", "dead-letter"}).status == 0);
    for (const char* group : {"a", "b"}) REQUIRE(at.run({"group", "create", "s", group}).status == 0);
    ferry::context context;
    producer jobs{context, ferry::connect(at.where), {.stream = "s"}};
    message brief{"x"};
    brief.set_header("ttl", std::int64_t{10});
    REQUIRE(jobs.put(brief).wait());
    std::vector<nlohmann::json> rows;
    for (int look = 0; look < 1000 && rows.size() < 2; ++look) rows = at.json({"dead", "ls", "s"});
    REQUIRE(rows.size() == 2);
    CHECK(rows[0]["group"] != rows[1]["group"]);
    for (const auto& row : rows) CHECK(row["attempt"] == 0);
}

TEST_CASE("cli: dead ls without dead letters is empty, and what is not there is exit 3") {
    running_spool at;
    at.bury(1);
    CHECK(at.run({"dead", "redrive", "jobs", "--yes"}).err == "redrove 1 dead letters of stream 'jobs'\n");
    CHECK(at.json({"dead", "ls", "jobs"}).empty());
    CHECK(at.run({"dead", "redrive", "jobs", "--yes"}).err == "redrove 0 dead letters of stream 'jobs'\n");
    CHECK(at.run({"dead", "ls", "nothing"}).status == 3);
    CHECK(at.run({"dead", "ls", "jobs", "--group", "nobody"}).status == 3);
    CHECK(at.run({"dead", "drop", "jobs", "--group", "nobody", "--yes"}).status == 3);
}

TEST_CASE("cli: dead redrive moves what a pattern and offsets choose, and a dry run moves nothing") {
    running_spool at;
    at.bury(10);
    CHECK(at.run({"dead", "redrive", "jobs"}).status == 2);
    CHECK(at.run({"dead", "redrive", "jobs", "--dry-run"}).out ==
          "would redrive 10 dead letters of stream 'jobs'\n");
    CHECK(at.run({"dead", "redrive", "jobs", "-m", "page.*", "--offsets", "2..9", "--dry-run"}).out ==
          "would redrive 4 dead letters of stream 'jobs'\n");
    CHECK(at.dead() == 10);
    CHECK(at.json({"dead", "redrive", "jobs", "--group", "thumbs", "-m", "page.*", "--offsets", "2..9",
                   "--yes"})
              .at(0)
              .at("messages") == 4);
    CHECK(at.dead() == 6);
    consumer work{at.context, ferry::connect(at.where), {.stream = "jobs", .group = "thumbs"}};
    for (const std::uint64_t offset : {3U, 5U, 7U, 9U}) {
        auto d = work.next(20s);
        REQUIRE(d);
        CHECK(d->offset() == offset);
        CHECK(d->attempt() == 1);
        d->ack();
    }
    REQUIRE(work.flush(20s) == outcome::done);
}

TEST_CASE("cli: dead redrive --rate takes its time") {
    running_spool at;
    at.bury(6);
    const auto begun = std::chrono::steady_clock::now();
    CHECK(at.run({"dead", "redrive", "jobs", "--rate", "20/s", "--yes"}).err ==
          "redrove 6 dead letters of stream 'jobs'\n");
    // Two at once, then two each 100 ms.
    CHECK(std::chrono::steady_clock::now() - begun >= 200ms);
    CHECK(at.dead() == 0);
}

TEST_CASE("cli: dead drop takes them for good") {
    running_spool at;
    at.bury(5);
    CHECK(at.run({"dead", "drop", "jobs"}).status == 2);
    CHECK(at.run({"dead", "drop", "jobs", "--offsets", "0..1", "-y"}).err ==
          "dropped 2 dead letters of stream 'jobs'\n");
    CHECK(at.dead() == 3);
    CHECK(at.run({"dead", "drop", "jobs", "--group", "thumbs", "-y"}).err ==
          "dropped 3 dead letters of group 'thumbs' of stream 'jobs'\n");
    const auto info = at.json({"stream", "info", "jobs"}).at(0);
    CHECK(info.at("messages") == 0);
    CHECK(info.at("removed_dropped") == 5);
}

TEST_CASE("cli: a large dead letter is shown whole") {
    running_spool at;
    const std::string large(700'000, 'x');
    producer to{at.context, ferry::connect(at.where), {.stream = "big"}};
    REQUIRE(to.put(large).wait(20s));
    consumer work{at.context, ferry::connect(at.where), {.stream = "big", .max_attempts = 1}};
    auto d = work.next(20s);
    REQUIRE(d);
    d->nack();
    REQUIRE(work.flush(20s) == outcome::done);
    CHECK(at.run({"dead", "peek", "big"}).out == large + "\n");
}

TEST_CASE("cli: stream set changes limits live, and dead letters above them go") {
    running_spool at;
    at.bury(5);
    CHECK(at.run({"stream", "set", "jobs", "--dead-max-messages", "2", "--sync", "written"}).err ==
          "set stream 'jobs'\n");
    const auto info = at.json({"stream", "info", "jobs"}).at(0);
    CHECK(info.at("dead") == 2);
    CHECK(info.at("dead_max_messages") == 2);
    CHECK(info.at("sync") == "written");
    CHECK(info.at("removed_retention") == 3);
    CHECK(at.run({"stream", "info", "jobs"}).out.find("dead-max-messages 2\n") != std::string::npos);
    CHECK(at.json({"stream", "set", "jobs", "--dead-max-messages", "none"}).at(0).at("dead_max_messages") ==
          0);
    CHECK(at.json({"stream", "set", "jobs", "--dead-max-age", "7d"}).at(0).at("dead_max_age_ms") ==
          604'800'000);
    CHECK(at.run({"stream", "set", "nothing", "--sync", "written"}).status == 3);
}

TEST_CASE("cli: dead letters older than their limit go") {
    running_spool at;
    at.bury(3);
    REQUIRE(at.run({"stream", "set", "jobs", "--dead-max-age", "1ms"}).status == 0);
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (at.dead() != 0) REQUIRE(std::chrono::steady_clock::now() < deadline);
    CHECK(at.json({"stream", "info", "jobs"}).at(0).at("removed_retention") == 3);
}

TEST_CASE("cli: stream purge empties a stream, and asks before") {
    running_spool at;
    at.bury(3);
    CHECK(at.run({"stream", "purge", "jobs"}).status == 2);
    CHECK(at.run({"stream", "purge", "jobs", "--dry-run"}).out ==
          "would purge stream 'jobs': 3 messages, 3 dead letters\n");
    CHECK(at.json({"stream", "info", "jobs"}).at(0).at("messages") == 3);
    CHECK(at.run({"stream", "purge", "jobs", "--yes"}).err == "purged stream 'jobs': 3 messages\n");
    const auto info = at.json({"stream", "info", "jobs"}).at(0);
    CHECK(info.at("messages") == 0);
    CHECK(info.at("first") == 3);
    CHECK(info.at("removed_purged") == 3);
    CHECK(at.run({"stream", "purge", "nothing", "--yes"}).status == 3);
}

TEST_CASE("cli: group pause, resume and seek do what they say, and info shows it") {
    running_spool at;
    at.bury(2);
    REQUIRE(at.run({"group", "create", "jobs", "keeper"}).status == 0);
    CHECK(at.run({"group", "pause", "jobs", "keeper"}).err == "paused group 'keeper' of stream 'jobs'\n");
    CHECK(at.json({"group", "info", "jobs", "keeper"}).at(0).at("paused") == true);
    CHECK(at.run({"group", "ls", "jobs"}).out.find("yes") != std::string::npos);
    CHECK(at.json({"group", "resume", "jobs", "keeper"}).at(0).at("paused") == false);
    CHECK(at.run({"group", "seek", "jobs", "keeper", "new"}).err ==
          "group 'keeper' of stream 'jobs' goes on at 2\n");
    CHECK(at.json({"group", "info", "jobs", "keeper"}).at(0).at("ready") == 0);
    CHECK(at.json({"group", "seek", "jobs", "thumbs", "first"}).at(0).at("start") == 0);
    CHECK(at.run({"group", "seek", "jobs", "thumbs", "-5m"}).status == 0);
    CHECK(at.run({"group", "seek", "jobs", "thumbs", "2026-01-31T12:00:00Z"}).status == 0);
    CHECK(at.dead() == 2);
    CHECK(at.run({"group", "seek", "jobs", "nobody", "first"}).status == 3);
    CHECK(at.run({"group", "pause", "jobs", "nobody"}).status == 3);
    CHECK(at.run({"group", "seek", "jobs", "thumbs"}).status == 2);
    CHECK(at.run({"group", "seek", "jobs", "thumbs", "soon"}).status == 2);
}

TEST_CASE("cli: take --from a time starts a new group there, and the same words name the same group again") {
    running_spool at;
    at.bury(2);
    const auto take = [&](const std::string& from) {
        return ferry::test::run(
            {FERRY_BINARY, "take", at.where, "jobs", "--group", "late", "--from=" + from, "-n", "1"});
    };
    CHECK(take("-1h").out == "job 0\n");
    CHECK(take("-1h").out == "job 1\n");
    CHECK(take("-2h").status == 2);
    CHECK(at.json({"group", "info", "jobs", "late"}).at(0).at("from") == "-3600000ms");
}

TEST_CASE("cli: dead refuses wrong words before it asks anybody, with exit 2") {
    for (const std::vector<std::string>& wrong :
         std::vector<std::vector<std::string>>{{"dead"},
                                               {"dead", "list", ":1", "jobs"},
                                               {"dead", "ls", ":1"},
                                               {"dead", "ls", ":1", "no/name"},
                                               {"dead", "ls", ":1", "jobs", "--group", "a b"},
                                               {"dead", "ls", ":1", "jobs", "--offsets", "2..1"},
                                               {"dead", "ls", ":1", "jobs", "--yes"},
                                               {"dead", "ls", ":1", "jobs", "--rate", "1/s"},
                                               {"dead", "peek", ":1", "jobs", "-m", ""},
                                               {"dead", "redrive", ":1", "jobs", "--yes", "--dry-run"},
                                               {"dead", "drop", ":1", "jobs", "more", "--yes"},
                                               {"stream", "set", ":1", "jobs", "--dead-max-age", "0s"}}) {
        std::vector<std::string> words = wrong;
        words.insert(words.begin(), FERRY_BINARY);
        const finished got = run(words);
        CAPTURE(got.err);
        CHECK(got.status == 2);
        CHECK(got.out.empty());
        CHECK(got.err.find("usage: ferry " + wrong[0]) != std::string::npos);
    }
}
