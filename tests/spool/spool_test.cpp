// The spool, its producers and its consumers on real sockets and a real disk.
#include "ferry/spool.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ferry/administrator.hpp"
#include "ferry/consumer.hpp"
#include "ferry/error.hpp"
#include "ferry/producer.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry;
using namespace std::chrono_literals;
using ferry::test::temporary_directory;

namespace {

spool_options in(const temporary_directory& directory, std::string_view where = "tcp://127.0.0.1:*") {
    return {.directory = directory / "spool", .listen = {ferry::bind(where)}, .segment_bytes = 1 << 20};
}

// A quarter of a segment is the largest message.
spool_options for_large_messages(const temporary_directory& directory) {
    spool_options options = in(directory);
    options.segment_bytes = 64 << 20;
    return options;
}

std::int64_t number(const header_map& row, const char* name) {
    return std::get<std::int64_t>(row.at(name));
}

}  // namespace

TEST_CASE("spool: what is put is confirmed, taken in order and acked, and stays done over a restart") {
    temporary_directory directory;
    context context;
    constexpr int messages = 5000;
    {
        spool spool{context, in(directory)};
        const endpoint at = ferry::connect(spool.endpoints().at(0));
        producer jobs{context, at, {.stream = "jobs"}};
        std::vector<receipt> receipts;
        for (int i = 0; i < messages; ++i) receipts.push_back(jobs.put("job " + std::to_string(i)));
        REQUIRE(jobs.flush(20s) == outcome::done);
        for (int i = 0; i < messages; ++i) {
            const auto c = receipts[static_cast<std::size_t>(i)].wait(0s);
            REQUIRE(c);
            REQUIRE(c->is == put_outcome::stored);
            REQUIRE(c->offset == static_cast<std::uint64_t>(i));
        }
        consumer work{context, at, {.stream = "jobs", .group = "g"}};
        for (int i = 0; i < messages / 2; ++i) {
            auto d = work.next(10s);
            REQUIRE(d);
            REQUIRE(d->body() == "job " + std::to_string(i));
            REQUIRE(d->attempt() == 1);
            d->ack();
        }
        REQUIRE(work.flush(10s) == outcome::done);
        CHECK(work.stats().acked == messages / 2);
    }
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    consumer work{context, at, {.stream = "jobs", .group = "g"}};
    for (int i = messages / 2; i < messages; ++i) {
        auto d = work.next(10s);
        REQUIRE(d);
        REQUIRE(d->body() == "job " + std::to_string(i));
        d->ack();
    }
    REQUIRE(work.flush(10s) == outcome::done);
    CHECK_FALSE(work.next(0s));
    administrator admin{context, at};
    const auto rows = admin.call("stream.info", {{"stream", "jobs"}});
    REQUIRE(rows.size() == 2);
    CHECK(number(rows[0], "next") == messages);
    CHECK(number(rows[0], "messages") == 0);
    CHECK(number(rows[1], "acked_floor") == messages);
}

TEST_CASE("spool: topic, headers and frames arrive as they were put, and large messages travel in parts") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory, "inproc://parts")};
    producer jobs{context, ferry::connect("inproc://parts"), {.stream = "s"}};
    message full{"topic", std::string(200'000, 'x')};
    full.set_header("content-type", "text/plain");
    full.set_header("n", std::int64_t{-7});
    full.add_frame("between");
    jobs.put(full);
    consumer work{context, ferry::connect("inproc://parts"), {.stream = "s"}};
    auto d = work.next(10s);
    REQUIRE(d);
    const message got = d->content();
    CHECK(got.topic() == "topic");
    CHECK(got.body() == full.body());
    CHECK(got.headers() == full.headers());
    CHECK(got.frames()[0].view() == "between");
    d->ack();
}

TEST_CASE("spool: a message of many frames' size comes back whole, one above the limit is refused") {
    temporary_directory directory;
    context context;
    spool spool{context, for_large_messages(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer jobs{context, at, {.stream = "s", .outbox_bytes = 64 << 20}};
    std::string large(5'000'000, '\0');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761U >> 24);
    const receipt first = jobs.put(large);
    const receipt refused = jobs.put(std::string(17 << 20, 'x'));
    const receipt after = jobs.put("after");
    const auto c = refused.wait(20s);
    REQUIRE(c);
    CHECK(c->is == put_outcome::refused);
    CHECK(c->code == "too-large");
    REQUIRE(first.wait(20s));
    CHECK(first.wait()->is == put_outcome::stored);
    REQUIRE(after.wait(20s));
    CHECK(after.wait()->is == put_outcome::stored);
    consumer work{context, at, {.stream = "s"}};
    auto d = work.next(10s);
    REQUIRE(d);
    CHECK(d->body() == large);
    d->ack();
    auto last = work.next(10s);
    REQUIRE(last);
    CHECK(last->body() == "after");
    last->ack();
}

TEST_CASE(
    "spool: a message larger than all that is kept at hand holds up neither what is before it nor behind") {
    temporary_directory directory;
    context context;
    spool spool{context, for_large_messages(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    {
        producer jobs{context, at, {.stream = "s", .outbox_bytes = 64 << 20}};
        jobs.put("before");
        REQUIRE(jobs.flush(20s) == outcome::done);
        jobs.put(std::string(15 << 20, 'x'));
        REQUIRE(jobs.flush(20s) == outcome::done);
        jobs.put("behind");
        REQUIRE(jobs.flush(20s) == outcome::done);
    }
    for (const std::optional<std::string>& group : {std::optional<std::string>{}, {"g"}}) {
        consumer work{context, at, {.stream = "s", .group = group}};
        for (const std::size_t size : {std::size_t{6}, std::size_t{15} << 20, std::size_t{6}}) {
            auto d = work.next(20s);
            REQUIRE(d);
            CHECK(d->body().size() == size);
            d->ack();
        }
    }
}

TEST_CASE("spool: consumers of a group share the work, groups get everything") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    administrator admin{context, at};
    admin.call("stream.create", {{"stream", "s"}});
    admin.call("group.create", {{"stream", "s"}, {"group", "a"}});
    admin.call("group.create", {{"stream", "s"}, {"group", "b"}});
    producer jobs{context, at, {.stream = "s"}};
    constexpr std::size_t messages = 2000;
    for (std::size_t i = 0; i < messages; ++i) jobs.put(std::to_string(i));
    REQUIRE(jobs.flush(10s) == outcome::done);
    consumer a1{context, at, {.stream = "s", .group = "a", .credit = 10}};
    consumer a2{context, at, {.stream = "s", .group = "a", .credit = 10}};
    consumer b{context, at, {.stream = "s", .group = "b"}};
    std::set<std::string> seen_a;
    std::size_t by_first = 0;
    while (seen_a.size() < messages) {
        for (consumer* each : {&a1, &a2})
            if (auto d = each->next(20ms)) {
                REQUIRE(seen_a.insert(std::string{d->body()}).second);
                by_first += each == &a1 ? 1 : 0;
                d->ack();
            }
    }
    CHECK(by_first > 0);
    CHECK(by_first < messages);
    for (std::size_t i = 0; i < messages; ++i) {
        auto d = b.next(10s);
        REQUIRE(d);
        REQUIRE(d->body() == std::to_string(i));
        d->ack();
    }
}

TEST_CASE("spool: a delivery destroyed un-acked comes again, flagged; the last attempt makes a dead letter") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer jobs{context, at, {.stream = "s"}};
    jobs.put("poison");
    jobs.flush(10s);
    consumer work{context, at, {.stream = "s", .group = "g", .max_attempts = 2}};
    {
        auto d = work.next(10s);
        REQUIRE(d);
        CHECK(d->attempt() == 1);
    }
    {
        auto d = work.next(10s);
        REQUIRE(d);
        CHECK(d->attempt() == 2);
        d->nack(0ms, "still broken");
    }
    REQUIRE(work.flush(10s) == outcome::done);
    administrator admin{context, at};
    const auto rows = admin.call("group.info", {{"stream", "s"}, {"group", "g"}});
    CHECK(number(rows.at(0), "dead") == 1);
    CHECK(number(rows.at(0), "acked_floor") == 1);
    CHECK(number(admin.call("stream.info", {{"stream", "s"}}).at(0), "messages") == 1);
}

TEST_CASE("spool: what a consumer held and never handed out goes back without an attempt used") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer jobs{context, at, {.stream = "s"}};
    for (int i = 0; i < 100; ++i) jobs.put(std::to_string(i));
    jobs.flush(10s);
    {
        consumer first{context, at, {.stream = "s", .group = "g"}};
        auto d = first.next(10s);
        REQUIRE(d);
        d->ack();
        CHECK(first.leave(10s) == outcome::done);
    }
    // It said so: the spool must not give the next messages to somebody who is gone.
    CHECK(number(administrator{context, at}.call("group.info", {{"stream", "s"}, {"group", "g"}}).at(0),
                 "consumers") == 0);
    consumer second{context, at, {.stream = "s", .group = "g"}};
    for (int i = 1; i < 100; ++i) {
        auto d = second.next(10s);
        REQUIRE(d);
        REQUIRE(d->body() == std::to_string(i));
        REQUIRE(d->attempt() == 1);
        d->ack();
    }
}

TEST_CASE("spool: a consumer that lives keeps its message beyond the length of its lease") {
    temporary_directory directory;
    ferry::context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer jobs{context, at, {.stream = "s"}};
    jobs.put("x");
    jobs.flush(10s);
    consumer slow{context, at, {.stream = "s", .group = "g", .lease = 50ms}};
    auto held = slow.next(10s);
    REQUIRE(held);
    consumer other{context, at, {.stream = "s", .group = "g"}};
    CHECK_FALSE(other.next(300ms));
    held->ack();
    CHECK(slow.flush(10s) == outcome::done);
    CHECK(slow.stats().stale == 0);
}

TEST_CASE("spool: names, unknown streams and differing groups are refused in words") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    CHECK_THROWS_AS(producer(context, at, {.stream = "a/b"}), error);
    producer nowhere{context, at, {.stream = "none", .create = false}};
    try {
        nowhere.wait_for_spool(10s);
        FAIL("opened a stream that is not there");
    } catch (const error& e) {
        CHECK(e.kind() == errc::not_found);
    }
    consumer first{context, at, {.stream = "s", .group = "g", .from = "new"}};
    CHECK(first.wait_for_spool(10s) == outcome::done);
    consumer differs{context, at, {.stream = "s", .group = "g", .from = "first"}};
    CHECK_THROWS_AS(differs.wait_for_spool(10s), error);
    administrator admin{context, at};
    CHECK_THROWS_AS(admin.call("stream.info", {{"stream", "none"}}), error);
    CHECK_THROWS_AS(admin.call("stream.create", {{"stream", "s"}}), error);
    CHECK_THROWS_AS(admin.call("no.such.command"), error);
}

TEST_CASE("spool: a directory in use, an address in use and an open address are refused at construction") {
    temporary_directory directory;
    temporary_directory other;
    context context;
    spool first{context, in(directory)};
    const auto kind_of_failure = [&](const spool_options& options) {
        try {
            spool second{context, options};
        } catch (const error& e) {
            return e.kind();
        }
        return errc::failed;
    };
    CHECK(kind_of_failure(in(directory)) == errc::directory_in_use);
    CHECK(kind_of_failure(in(other, first.endpoints().at(0))) == errc::address_in_use);
    CHECK(kind_of_failure(in(other, "tcp://*:*")) == errc::denied);
    CHECK(kind_of_failure({.directory = "/nonexistent/a/b", .listen = {ferry::bind("inproc://x")}}) ==
          errc::not_found);
}

TEST_CASE("spool: producers and consumers go on when the spool is stopped and started at the same address") {
    temporary_directory directory;
    context context;
    std::string address;
    auto spool = std::make_unique<ferry::spool>(context, in(directory));
    address = spool->endpoints().at(0);
    producer jobs{context, ferry::connect(address), {.stream = "s"}};
    consumer work{context, ferry::connect(address), {.stream = "s", .group = "g"}};
    std::set<std::string> seen;
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 200; ++i) jobs.put(std::to_string(round * 200 + i));
        if (round % 2 == 1) {
            spool.reset();
            spool = std::make_unique<ferry::spool>(context, in(directory, address));
        }
        REQUIRE(jobs.flush(20s) == outcome::done);
        while (seen.size() < static_cast<std::size_t>(200 * (round + 1))) {
            auto d = work.next(20s);
            REQUIRE(d);
            const bool fresh = seen.insert(std::string{d->body()}).second;
            CHECK((fresh || d->attempt() > 1));
            d->ack();
        }
    }
    CHECK(jobs.stats().refused == 0);
}

TEST_CASE("spool: an inproc client finds an embedded spool again that was closed and opened") {
    temporary_directory directory;
    context context;
    auto spool = std::make_unique<ferry::spool>(context, in(directory, "inproc://again"));
    producer jobs{context, ferry::connect("inproc://again"), {.stream = "s"}};
    jobs.put("before");
    REQUIRE(jobs.flush(10s) == outcome::done);
    spool.reset();
    spool = std::make_unique<ferry::spool>(context, in(directory, "inproc://again"));
    const receipt after = jobs.put("after");
    const auto c = after.wait(20s);
    REQUIRE(c);
    CHECK(c->is == put_outcome::stored);
    CHECK(c->offset == 1);
}

TEST_CASE("spool: a producer that takes a name over fences the one before it") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer first{context, at, {.stream = "s", .name = "camera"}};
    first.put("1");
    REQUIRE(first.flush(10s) == outcome::done);
    producer second{context, at, {.stream = "s", .name = "camera"}};
    second.put("2");
    REQUIRE(second.flush(10s) == outcome::done);
    const receipt zombie = first.put("zombie");
    const auto c = zombie.wait(10s);
    REQUIRE(c);
    CHECK(c->is == put_outcome::refused);
    CHECK(c->code == "fenced");
}

TEST_CASE("spool: a header that asks for what cannot be is refused, not ignored") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    producer jobs{context, ferry::connect(spool.endpoints().at(0)), {.stream = "s"}};
    message urgent{"x"};
    urgent.set_header("priority", "urgent");
    const auto c = jobs.put(urgent).wait(10s);
    REQUIRE(c);
    CHECK(c->is == put_outcome::refused);
    CHECK(c->code == "unsupported");
    const auto good = jobs.put("plain").wait(10s);
    REQUIRE(good);
    CHECK(good->is == put_outcome::stored);
}

TEST_CASE("spool: what expires is removed without anybody asking, and counted where one looks") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer jobs{context, at, {.stream = "s"}};
    message short_lived{"x"};
    short_lived.set_header("ttl", std::int64_t{20});
    REQUIRE(jobs.put(short_lived).wait(10s));
    administrator admin{context, at};
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    const auto expired = [&] {
        return std::get<std::int64_t>(admin.call("spool.stats").at(0).at("messages_expired"));
    };
    while (expired() == 0) REQUIRE(std::chrono::steady_clock::now() < deadline);
    CHECK(std::get<std::int64_t>(admin.call("stream.info", {{"stream", "s"}}).at(0).at("messages")) == 0);
    CHECK(spool.stats().messages_expired == 1);
}

TEST_CASE("spool: a reader that catches up with a producer goes on live, without a gap or a double") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    constexpr int messages = 60'000;
    producer jobs{context, at, {.stream = "s"}};
    const auto put = [&](int from, int to) {
        for (int i = from; i < to; ++i) jobs.put(std::to_string(i) + std::string(200, ' '));
    };
    put(0, messages / 2);
    REQUIRE(jobs.flush(20s) == outcome::done);
    std::atomic<int> read = 0;
    std::thread more{[&] {
        // The rest comes while the backlog is read, then behind a reader that waits for it.
        put(messages / 2, messages - 1000);
        jobs.flush(20s);
        for (int i = messages - 1000; i < messages; ++i) {
            for (int seen = read; seen < i - 10; seen = read) read.wait(seen);
            put(i, i + 1);
        }
    }};
    consumer reader{context, at, {.stream = "s", .group = std::nullopt}};
    bool good = true;
    for (int i = 0; good && i < messages; ++i) {
        auto d = reader.next(20s);
        good = d && d->offset() == static_cast<std::uint64_t>(i) && std::stoi(std::string{d->body()}) == i;
        CHECK_MESSAGE(good, "message ", i);
        read = good ? i + 1 : messages;
        read.notify_all();
    }
    more.join();
    CHECK(jobs.flush(20s) == outcome::done);
    CHECK_FALSE(reader.next(0ms));
}

TEST_CASE("spool: a producer and a consumer that are assigned over end as any other") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer jobs{context, at, {.stream = "s"}};
    jobs.put("one");
    REQUIRE(jobs.flush(10s) == outcome::done);
    jobs.put("two");
    jobs = producer{context, at, {.stream = "s"}};  // what was under way is flushed
    consumer work{context, at, {.stream = "s", .group = "g", .credit = 1}};
    REQUIRE(work.next(10s)->body() == "one");
    auto held = work.next(0s);
    work = consumer{context, at, {.stream = "s", .group = "g"}};
    std::set<std::string> got;
    while (got.size() < 2) {
        auto d = work.next(10s);
        REQUIRE(d);
        got.emplace(d->body());
        d->ack();
    }
    CHECK(got == std::set<std::string>{"one", "two"});
}

TEST_CASE("spool: leaving ends when the context stops, and when the spool is gone") {
    temporary_directory directory;
    {
        context context;
        std::optional<spool> one{std::in_place, context, in(directory, "inproc://gone")};
        consumer work{context, ferry::connect("inproc://gone"), {.stream = "s", .linger = 100ms}};
        REQUIRE(work.wait_for_spool(10s) == outcome::done);
        context.request_stop();
        const auto from = std::chrono::steady_clock::now();
        work.leave();
        CHECK(std::chrono::steady_clock::now() - from < 10s);
    }
    context context;
    std::optional<spool> one{std::in_place, context, in(directory)};
    const endpoint at = ferry::connect(one->endpoints().at(0));
    consumer work{context, at, {.stream = "s", .linger = 100ms}};
    REQUIRE(work.wait_for_spool(10s) == outcome::done);
    std::thread waits{[&] { CHECK_FALSE(work.next()); }};
    one.reset();
    work.leave();
    waits.join();
}

TEST_CASE("spool: a receipt that outlives its producer waits for nothing that nobody brings") {
    context context;
    std::optional<producer> out{std::in_place, context, ferry::connect("inproc://nobody"),
                                producer_options{.stream = "s", .linger = 0ms}};
    const receipt late = out->put("late");
    const receipt early = out->put("early");
    auto waits = std::async(std::launch::async, [&] { return early.wait().has_value(); });
    CHECK(waits.wait_for(20ms) == std::future_status::timeout);
    out.reset();
    REQUIRE(waits.wait_for(10s) == std::future_status::ready);
    CHECK_FALSE(waits.get());
    auto waits_late = std::async(std::launch::async, [&] { return late.wait().has_value(); });
    REQUIRE(waits_late.wait_for(10s) == std::future_status::ready);
    CHECK_FALSE(waits_late.get());
}

TEST_CASE("spool: a producer ends though no descriptor is left to wait with") {
    context context;
    std::optional<producer> out{std::in_place, context, ferry::connect("inproc://nobody"),
                                producer_options{.stream = "s", .linger = 50ms}};
    out->put("x");
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int lowest_free = ::dup(STDERR_FILENO);
    REQUIRE(lowest_free >= 0);
    ::close(lowest_free);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(lowest_free);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    out.reset();
    CHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
}

TEST_CASE("spool: leaving lets those go who wait, though no spool is there") {
    context context;
    consumer work{context, ferry::connect("tcp://127.0.0.1:1"), {.stream = "s", .linger = 0ms}};
    std::thread waits{[&] {
        const auto from = std::chrono::steady_clock::now();
        CHECK_FALSE(work.next(20s));
        CHECK(std::chrono::steady_clock::now() - from < 10s);
    }};
    CHECK(work.leave() == outcome::done);
    waits.join();
}

TEST_CASE("spool: who leaves within a limit is answered, though the context stops and nothing lingers") {
    temporary_directory directory;
    context context;
    spool spool{context, in(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer jobs{context, at, {.stream = "s"}};
    for (int i = 0; i < 20; ++i) {
        CAPTURE(i);
        ferry::context own;
        jobs.put("x");
        consumer work{own, at, {.stream = "s", .group = "g", .linger = 0ms}};
        auto d = work.next(10s);
        REQUIRE(d);
        own.request_stop();
        d->ack();
        CHECK(work.leave(10s) == outcome::done);
        CHECK(work.stats().acked == 1);
    }
    consumer rest{context, at, {.stream = "s", .group = "g"}};
    CHECK_FALSE(rest.next(300ms));
}

TEST_CASE("spool: options that cannot be are refused where they are given") {
    context context;
    const endpoint at = ferry::connect("tcp://127.0.0.1:1");
    CHECK_THROWS_AS((producer{context, at, {.stream = "s", .outbox_bytes = 0}}), error);
    CHECK_THROWS_AS((consumer{context, at, {.stream = "s", .credit_bytes = 0}}), error);
    CHECK_THROWS_AS((consumer{context, at, {.stream = "s", .lease = -5ms}}), error);
    CHECK_THROWS_AS((consumer{context, at, {.stream = "s", .dead_of = "g"}}), error);
    CHECK_THROWS_AS((consumer{context, at, {.stream = "s", .group = std::nullopt, .lease = 5s}}), error);
    CHECK_THROWS_AS((consumer{context, at, {.stream = "s", .filter = {"a\nb"}}}), error);
    const endpoints two{at, ferry::connect("tcp://127.0.0.1:2")};
    CHECK_THROWS_AS((producer{context, two, {.stream = "s"}}), error);
    CHECK_THROWS_AS((consumer{context, two, {.stream = "s"}}), error);
    CHECK_THROWS_AS((administrator{context, two}), error);
}
