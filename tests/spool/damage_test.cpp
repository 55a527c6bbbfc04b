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
