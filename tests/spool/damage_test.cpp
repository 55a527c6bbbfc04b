// What a spool makes of damage to its own records, beyond the messages in them.
#include <doctest/doctest.h>

#include <string>

#include "core/log/inspection.hpp"
#include "core/log/segment.hpp"
#include "tests/spool/table.hpp"

using namespace ferry;
using namespace ferry::test;

namespace {

// Flips a byte in the header of a record of this type, the first one behind some others.
void damage(fault_disk& disk, log::record_type type, int others = 0) {
    std::string file;
    std::uint64_t at = 0;
    log::inspect(disk, [&](const std::string& segment, const log::stored_record& record) {
        if (!file.empty() || record.header.type != type || others-- > 0) return;
        file = segment;
        at = record.at - *log::segment_base(segment) + 8;
    });
    REQUIRE(!file.empty());
    const char flipped = static_cast<char>(disk.contents(file).at(at) ^ 0x40);
    disk.overwrite(file, at, {&flipped, 1});
}

// Where the record of a message stands.
struct place {
    std::string file;
    std::uint64_t from = 0, to = 0;
};

place place_of(fault_disk& disk, std::uint64_t offset) {
    place found;
    log::inspect(disk, [&](const std::string& segment, const log::stored_record& record) {
        if (record.header.type != log::record_type::messages || record.header.first_offset != offset) return;
        const std::uint64_t at = record.at - *log::segment_base(segment);
        found = {segment, at, at + log::record_bytes(record.header.length)};
    });
    REQUIRE(!found.file.empty());
    return found;
}

// Five messages of a block each, of which the third is on blocks that the disk does not give.
void put_on_bad_blocks(table& t) {
    for (char each = 'a'; each < 'f'; ++each) t.put({message{std::string(20'000, each)}});
    t.settle();
    t.restart(true);
    const place bad = place_of(t.disk(), 2);
    t.disk().make_unreadable(bad.file, bad.from + 8000, bad.to - 8000);
}

std::vector<std::string> read_all(table& t, const std::string& stream) {
    static int readers = 0;
    const std::string name = "reader " + std::to_string(++readers);
    consumer_session& reader = t.consumer(name, {.stream = stream, .group = std::nullopt, .create = false});
    t.settle();
    std::vector<std::string> bodies;
    while (const auto item = reader.next(t.now().monotonic_ns)) {
        bodies.emplace_back(item->item.payload);
        t.settle();
    }
    t.cut_off(name);
    return bodies;
}

}  // namespace

TEST_CASE(
    "damage: a stream whose settings are lost comes back by another name, and no new one is given its "
    "messages") {
    table t;
    t.put({message{"old 0"}, message{"old 1"}});
    t.pass(second_ns);
    t.die(false);
    damage(t.disk(), log::record_type::stream_settings);
    t.crash(false);
    CHECK(t.put({message{"new"}}).empty());
    t.pass(second_ns);
    for (int round = 0; round < 3; ++round) {
        CHECK(read_all(t, "s") == std::vector<std::string>{"new"});
        CHECK(read_all(t, "recovered.1") == std::vector<std::string>{"old 0", "old 1"});
        if (round == 0)
            t.restart(false);
        else
            t.restart(true);
    }
}

TEST_CASE("damage: a stream whose settings are lost comes back, though others were made after it") {
    table t;
    for (const char* name : {"s", "other"}) REQUIRE(t.tell("stream.create", {{"stream", name}}).empty());
    t.put({message{"old 0"}, message{"old 1"}});
    t.pass(second_ns);
    t.die(false);
    damage(t.disk(), log::record_type::stream_settings);
    t.crash(false);
    CHECK(read_all(t, "recovered.1") == std::vector<std::string>{"old 0", "old 1"});
    t.restart(true);
    CHECK(read_all(t, "recovered.1") == std::vector<std::string>{"old 0", "old 1"});
    CHECK(t.tell("stream.remove", {{"stream", "recovered.1"}}).empty());
    t.restart(false);
    CHECK(t.find("recovered.1") == nullptr);
}

TEST_CASE(
    "damage: a stream of which only acks are left, or a damage with its number, leaves its number unused") {
    for (const bool acked : {false, true}) {
        CAPTURE(acked);
        table t;
        t.consumer("w");
        t.settle();
        t.put({message{"a"}, message{"b"}});
        if (acked) CHECK(t.work("w").size() == 2);
        t.pass(second_ns);
        t.die(false);
        damage(t.disk(), log::record_type::stream_settings);
        const place lost = place_of(t.disk(), 0);
        const std::uint64_t byte = lost.from + (acked ? 8 : 60);  // of the header, of the payload
        const char flipped = static_cast<char>(t.disk().contents(lost.file).at(byte) ^ 0x40);
        t.disk().overwrite(lost.file, byte, {&flipped, 1});
        t.crash(false);
        CHECK(t.put({message{"new"}}).empty());
        CHECK(t.find("s")->number == 2);
        CHECK(read_all(t, "s") == std::vector<std::string>{"new"});
    }
}

TEST_CASE("damage: what the disk does not give is asked for again, and comes when the disk is well again") {
    table t;
    put_on_bad_blocks(t);
    t.consumer("w");
    CHECK(t.work("w") == std::vector<std::uint64_t>{0, 1});
    t.pass(5 * second_ns);
    CHECK(t.work("w").empty());
    t.disk().heal();
    t.pass(8 * second_ns);
    CHECK(t.work("w") == std::vector<std::uint64_t>{2, 3, 4});
    CHECK(t.counters().messages_damaged == 0);
}

TEST_CASE("damage: what the disk does not give for ten seconds is removed and counted, and nothing else is") {
    table t;
    put_on_bad_blocks(t);
    t.consumer("w");
    CHECK(t.work("w") == std::vector<std::uint64_t>{0, 1});
    t.pass(10 * second_ns);
    CHECK(t.work("w") == std::vector<std::uint64_t>{3, 4});
    CHECK(t.counters().messages_damaged == 1);
}

TEST_CASE("damage: a reader without a group waits for the disk, and then steps over what it does not give") {
    table t;
    put_on_bad_blocks(t);
    CHECK(read_all(t, "s").size() == 2);
    consumer_session& reader = t.consumer("r", {.stream = "s", .group = std::nullopt, .create = false});
    t.pass(10 * second_ns);
    std::vector<std::uint64_t> seen;
    while (const auto item = reader.next(t.now().monotonic_ns)) {
        seen.push_back(item->offset);
        t.settle();
    }
    CHECK(seen == std::vector<std::uint64_t>{0, 1, 3, 4});
}

TEST_CASE("damage: a segment that cannot be opened for a while is opened later") {
    table t;
    put_on_bad_blocks(t);
    t.disk().heal();
    const std::string file = place_of(t.disk(), 2).file;
    const std::string bytes = t.disk().contents(file);
    t.disk().drop_file(file);
    t.consumer("w");
    t.pass(2 * second_ns);
    CHECK(t.work("w").empty());
    CHECK_FALSE(t.read_only());
    t.disk().put_file(file, bytes);
    t.pass(8 * second_ns);
    CHECK(t.work("w") == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("damage: a segment that stays away makes the spool read-only, and removes nothing") {
    table t;
    put_on_bad_blocks(t);
    t.disk().heal();
    const std::string file = place_of(t.disk(), 0).file;
    const std::string bytes = t.disk().contents(file);
    t.disk().drop_file(file);
    t.consumer("w");
    t.pass(10 * second_ns);
    CHECK(t.read_only());
    t.disk().put_file(file, bytes);
    t.crash(false);
    t.consumer("another");
    t.pass(5 * second_ns);
    CHECK(t.work("another") == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("damage: what is put after a lost record is given to everybody, though the lost one was acked") {
    for (const std::uint64_t byte : {8, 60}) {  // of the header, of the payload
        CAPTURE(byte);
        table t;
        t.consumer("w");
        t.settle();
        t.put({message{"a"}, message{"b"}});
        CHECK(t.work("w").size() == 2);
        t.put({message{"c"}, message{"d"}, message{"e"}});
        CHECK(t.work("w").size() == 3);
        t.pass(second_ns);
        t.die(false);
        const place lost = place_of(t.disk(), 2);
        const char flipped = static_cast<char>(t.disk().contents(lost.file).at(lost.from + byte) ^ 0x40);
        t.disk().overwrite(lost.file, lost.from + byte, {&flipped, 1});
        t.crash(false);
        t.consumer("another");
        t.pass(3 * second_ns);
        CHECK(t.put({message{"f"}, message{"g"}}).empty());
        t.pass(3 * second_ns);
        CHECK(t.work("another").size() == 2);
    }
}
