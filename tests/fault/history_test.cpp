// The checker finds each kind of fault in a history made for it. It must be able to fail before its silence
// about real runs means anything.
#include "tests/fault/history.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/fault/roles.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace ferry::test;

namespace {

// Two producers, five messages each at offsets in turn, one consumer that saw and acked them all.
history good() {
    history all;
    all.puts = {{{1, 0}, 2}, {{1, 2}, 3}, {{2, 0}, 5}};
    all.shows.emplace_back();
    for (std::uint64_t offset = 0; offset < 10; ++offset) {
        const message_name name{static_cast<unsigned>(1 + offset % 2), offset / 2};
        all.confirms.push_back({name, offset});
        all.shows[0].push_back({name, offset, 1, 100 + offset});
        all.acks.push_back({offset, 1000});
    }
    return all;
}

}  // namespace

TEST_CASE("history: a good one is faultless, with redeliveries that say so") {
    history all = good();
    CHECK(judge(all).faultless());
    all.shows.push_back({{{1, 1}, 2, 2, 500}});
    const verdict found = judge(all);
    CHECK(found.faultless());
    CHECK(found.confirmed == 10);
    CHECK(found.seen == 10);
    CHECK(found.flagged == 1);
}

TEST_CASE("history: a confirmed message nobody saw is lost") {
    history all = good();
    all.shows[0].erase(all.shows[0].begin() + 4);
    CHECK(judge(all).lost == 1);
    CHECK_FALSE(judge(all).faultless());
}

TEST_CASE("history: what nobody put, or stands in another's place, is a phantom") {
    history all = good();
    all.shows[0].push_back({{1, 5}, 10, 1, 200});
    CHECK(judge(all).phantom == 1);
    all = good();
    all.confirms[9].offset = 8;
    all.shows[0][9].offset = 8;
    CHECK(judge(all).phantom == 1);
}

TEST_CASE("history: another body than was put is corrupted") {
    history all = good();
    all.shows[0][3].intact = false;
    CHECK(judge(all).corrupted == 1);
}

TEST_CASE("history: a second first attempt, or a second place in the stream, is an unflagged duplicate") {
    history all = good();
    all.shows.push_back({{{1, 1}, 2, 1, 500}});
    CHECK(judge(all).unflagged == 1);
    all = good();
    all.shows[0].push_back({{2, 4}, 10, 1, 500});
    CHECK(judge(all).unflagged == 1);
}

TEST_CASE("history: a producer's messages stored the wrong way round are misplaced") {
    history all = good();
    std::swap(all.confirms[2].offset, all.confirms[4].offset);
    std::swap(all.shows[0][2].name, all.shows[0][4].name);
    const verdict found = judge(all);
    CHECK(found.misplaced == 1);
    CHECK(found.out_of_order == 0);
}

TEST_CASE("history: first attempts shown out of order are told, redeliveries may be") {
    history all = good();
    std::swap(all.shows[0][2], all.shows[0][3]);
    CHECK(judge(all).out_of_order == 1);
    all.shows[0][3].attempt = 2;
    CHECK(judge(all).out_of_order == 0);
}

TEST_CASE("history: a message shown after the answer to its ack has returned") {
    history all = good();
    all.shows.push_back({{{1, 1}, 2, 2, 2000}});
    CHECK(judge(all).returned == 1);
}

TEST_CASE("history: logs are read back as they are written, without a last line that was cut off") {
    temporary_directory directory;
    std::ofstream{directory / "p"} << "put 1 0 2\nconfirm 1 0 7\nconfirm 1 1 8\nput 1 2 1";
    std::ofstream{directory / "c"}
        << "show 7 1 10 1 0 1\nack 7\nshow 8 2 11 1 1 1\nack 8\nstale 8 8\nanswered 20\nack 9\n";
    history all;
    all.read_producer(directory / "p");
    all.read_consumer(directory / "c");
    CHECK(all.puts.size() == 1);
    CHECK(all.confirms.at(1).offset == 8);
    CHECK(all.shows.at(0).at(1).attempt == 2);
    REQUIRE(all.acks.size() == 1);
    CHECK(all.acks[0].offset == 7);
    CHECK(judge(all).faultless());
    std::ofstream{directory / "bad"} << "nonsense\n";
    CHECK_THROWS(all.read_producer(directory / "bad"));
}

TEST_CASE("history: a body tells its name, and no other body is taken for it") {
    for (std::uint64_t number = 0; number < 100; ++number) {
        const std::string body = body_of({2, number});
        CHECK(name_in(body) == message_name{2, number});
        CHECK(body != body_of({2, number + 1}));
    }
    CHECK_FALSE(name_in("no name"));
}
