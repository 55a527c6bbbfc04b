// The log from outside: appending, syncing, reading, snapshots, releasing, spares, space, failures.
#include "core/log/log.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <system_error>

#include "core/log/inspection.hpp"
#include "core/log/snapshot.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/support/log_session.hpp"

using namespace ferry;
using test::fault;
using test::fault_disk;
using test::log_session;
using texts = std::vector<std::string>;

TEST_CASE("log: positions rise, end follows the last record, durable follows the sync") {
    fault_disk disk;
    log_session log{disk};
    const log::position first = log.put("one");
    const log::position second = log.put("two");
    CHECK(first > 0);
    CHECK(second == first + log::record_bytes(3));
    CHECK(log->end() == second + log::record_bytes(3));
    CHECK(log->durable() == first);
    log->sync();
    CHECK(log->durable() == log->end());
}

TEST_CASE("log: one append is one write, and syncing twice syncs once") {
    fault_disk disk;
    log_session log{disk};
    std::vector<log::record> records(20, {.type = log::record_type::acks, .body = "done"});
    std::vector<log::position> positions(records.size());
    const std::uint64_t before = disk.calls();
    log->append(records, positions);
    CHECK(disk.calls() == before + 1);
    log->sync();
    log->sync();
    CHECK(disk.calls() == before + 2);
    CHECK(positions.front() < positions.back());
}

TEST_CASE("log: head and body are one payload") {
    fault_disk disk;
    log_session log{disk};
    const log::record split{
        .type = log::record_type::messages, .stream = 1, .count = 1, .head = "he", .body = "llo"};
    log::position at = 0;
    log->append({&split, 1}, {&at, 1});
    CHECK(log.texts() == texts{"hello"});
}

TEST_CASE("log: large and small bodies of one append come back in their order") {
    fault_disk disk;
    std::vector<std::string> bodies;
    for (std::size_t i = 0; i < 40; ++i)
        bodies.push_back(log_session::numbered(i, i % 3 == 0 ? 20001 + i : 10 + i));
    {
        log_session log{disk, 1 << 20};
        std::vector<log::record> records;
        for (std::size_t i = 0; i < bodies.size(); ++i)
            records.push_back({.type = log::record_type::messages,
                               .stream = 1,
                               .first_offset = i,
                               .count = 1,
                               .head = std::string_view{bodies[i]}.substr(0, i % 4),
                               .body = std::string_view{bodies[i]}.substr(i % 4)});
        std::vector<log::position> positions(records.size());
        const std::uint64_t before = disk.calls();
        log->append(records, positions);
        CHECK(disk.calls() == before + 1);
        CHECK(log.texts() == bodies);
    }
    disk.kill();
    log_session log{disk, 1 << 20};
    CHECK(log.replayed == bodies);
    CHECK(log.texts() == bodies);
}

TEST_CASE("log: what is appended can be read before it is synced") {
    fault_disk disk;
    log_session log{disk};
    log.put("one");
    CHECK(log.texts() == texts{"one"});
}

TEST_CASE("log: a stream is read from any offset, across segments, without the others") {
    fault_disk disk;
    log_session log{disk};
    for (int i = 0; i < 150; ++i) {
        log.fill(1, 1);
        log.fill(1, 2, 300);
    }
    REQUIRE(disk.names_with(".log").size() > 5);
    for (const std::uint64_t from : {0, 1, 77, 149}) {
        const texts found = log.texts(2, from, 700);
        REQUIRE(found.size() == 150 - from);
        for (std::size_t i = 0; i < found.size(); ++i)
            REQUIRE(found[i] == log_session::numbered(from + i, 300));
    }
    CHECK(log.texts(2, 150).empty());
    CHECK(log.texts(3, 0).empty());
    CHECK(log->read(1, 149, 1).at_end);
    CHECK_FALSE(log->read(1, 148, 1).at_end);
}

TEST_CASE("log: a read gives at least one record, and an offset inside a batch gives the whole batch") {
    fault_disk disk;
    log_session log{disk};
    const log::record batch{.type = log::record_type::messages,
                            .stream = 4,
                            .first_offset = 10,
                            .count = 5,
                            .body = "five at once"};
    log::position at = 0;
    log->append({&batch, 1}, {&at, 1});
    const log::read_result found = log->read(4, 12, 0);
    REQUIRE(found.records.size() == 1);
    CHECK(found.records.front().at == at);
    CHECK(found.records.front().header.first_offset == 10);
    CHECK(found.records.front().payload == "five at once");
    CHECK(log->read(4, 0, 0).records.size() == 1);
    CHECK(log->read(4, 15, 0).records.empty());
}

TEST_CASE("log: records without messages are replayed but belong to no stream's reading") {
    fault_disk disk;
    {
        log_session log{disk};
        log.put("one");
        const log::record acks{.type = log::record_type::acks, .stream = 1, .body = "acks"};
        log::position at = 0;
        log->append({&acks, 1}, {&at, 1});
        CHECK(log.texts() == texts{"one"});
    }
    log_session log{disk};
    CHECK(log.replayed == texts{"one", "acks"});
}

TEST_CASE("log: the largest record fits, one byte more is refused and breaks nothing") {
    fault_disk disk;
    log_session log{disk};
    const std::string largest(log->record_bytes_max(), 'x');
    for (int i = 0; i < 9; ++i) log.put(largest);
    CHECK_THROWS_AS(log.put(largest + "y"), std::length_error);
    log.expect_next(9);
    log.keep("after");
    CHECK(log.texts().size() == 10);
    CHECK(log.texts(1, 9) == texts{"after"});
}

TEST_CASE("log: a sealed segment ends with the offset of its footer and is cut to its end") {
    fault_disk disk;
    log_session log{disk};
    log.fill(100);
    const std::string bytes = disk.contents(disk.names_with(".log").front());
    std::uint64_t footer_at = 0;
    for (std::size_t i = 0; i < 8; ++i)
        footer_at |= std::uint64_t{static_cast<unsigned char>(bytes[bytes.size() - 8 + i])} << (8 * i);
    REQUIRE(footer_at < bytes.size());
    CHECK(static_cast<unsigned char>(bytes[footer_at + 12]) == 14);
}

TEST_CASE("log: after a snapshot only what came later is replayed, and reads still reach everything") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(90);
        log->save_snapshot("ninety");
        log.fill(5);
        log->sync();
    }
    disk.power_cut();
    log_session log{disk};
    CHECK(log->opened().snapshot == "ninety");
    CHECK(log.replayed.size() == 5);
    CHECK(log.texts().size() == 95);
}

TEST_CASE("log: a snapshot syncs the log first, so that it never knows more than the disk") {
    fault_disk disk;
    {
        log_session log{disk};
        log.put("one");
        log->save_snapshot("one");
        CHECK(log->durable() == log->end());
    }
    disk.power_cut_losing_all();
    log_session log{disk};
    CHECK(log->opened().snapshot == "one");
    CHECK(log->opened().damages.empty());
    CHECK(log.texts() == texts{"one"});
}

TEST_CASE("log: a snapshot is restored before the first record is replayed, and no copy is kept") {
    fault_disk disk;
    {
        log_session log{disk};
        log.keep("one");
        log->save_snapshot("state");
        log.keep("two");
    }
    texts order;
    const log::segmented_log log{disk,
                                 {.segment_bytes = log_session::segment_bytes},
                                 [&](const log::stored_record& r) { order.emplace_back(r.payload); },
                                 [&](std::string_view state) { order.emplace_back(state); }};
    CHECK(order == texts{"state", "two"});
    CHECK(log.opened().snapshot.empty());
}

TEST_CASE("log: two snapshots are kept") {
    fault_disk disk;
    log_session log{disk};
    for (const char* state : {"a", "b", "c"}) {
        log.put(state);
        log->save_snapshot(state);
    }
    CHECK(disk.names_with("snapshot-").size() == 2);
    log->save_snapshot("c, once more at the same place");
    CHECK(disk.names_with("snapshot-").size() == 2);
}

TEST_CASE("log: released segments leave once they lie before the older snapshot, and not earlier") {
    fault_disk disk;
    log_session log{disk};
    log.fill(100);
    const std::size_t all = disk.names_with(".log").size();
    log->release(1, 60);
    log->save_snapshot("a");
    CHECK(disk.names_with(".log").size() == all);
    log.fill(1);
    log->save_snapshot("b");
    const std::size_t left = disk.names_with(".log").size();
    CHECK(left < all);
    CHECK(log.texts(1, 60).size() == 41);
    log->release(1, 101);
    log.fill(1, 2);
    log->save_snapshot("c");
    CHECK(disk.names_with(".log").size() < left);
    CHECK(log.texts(2).size() == 1);
}

TEST_CASE("log: a segment with one needed message of one stream stays") {
    fault_disk disk;
    log_session log{disk};
    log.put("needed", 2);
    log.fill(100);
    log->release(1, 100);
    for (const char* state : {"a", "b", "c"}) {
        log.fill(1);
        log->save_snapshot(state);
    }
    CHECK(log.texts(2) == texts{"needed"});
    CHECK(disk.has("00000000000000000000.log"));
}

TEST_CASE(
    "log: spares are made in steps, kept to their number, used by the next segments and the next opening") {
    fault_disk disk;
    {
        log_session log{disk};
        int steps = 1;
        while (log->prepare_spare(4096)) ++steps;
        CHECK(steps == 8);
        CHECK(disk.names_with("spare-").size() == 2);
        CHECK_FALSE(log->prepare_spare(4096));
        log.fill(40);
        CHECK(disk.names_with("spare-").size() == 1);
        log->sync();
    }
    disk.power_cut();
    log_session log{disk};
    CHECK(disk.names_with("spare-").empty());
    CHECK(log.texts().size() == 40);
}

TEST_CASE("log: whichever step of making a spare finds no room, it is no failure") {
    for (std::uint64_t step = 1;; ++step) {
        CAPTURE(step);
        REQUIRE(step < 50);
        fault_disk disk;
        log_session log{disk};
        const std::uint64_t before = disk.calls();
        while (log->prepare_spare(4096)) {}
        const std::uint64_t calls = (disk.calls() - before) / 2;
        if (step > calls) break;
        fault_disk full;
        log_session other{full};
        full.fail_call(step, fault::no_space);
        while (other->prepare_spare(4096)) {}
        REQUIRE(full.failed());
        CHECK_FALSE(other->broken());
        CHECK(full.names_with(".part").empty());
        const std::uint64_t spares = full.names_with("spare-").size();  // none is forgotten
        CHECK(other->space_now().used == (1 + spares) * log_session::segment_bytes);
        other.keep("after it");
        CHECK(other.texts() == std::vector<std::string>{"after it"});
        while (other->prepare_spare(4096)) {}
        CHECK(full.names_with("spare-").size() == 2);
    }
}

TEST_CASE("log: blocks that were merely allocated are filled ahead of the records, and synced with them") {
    fault_disk disk;
    constexpr std::uint64_t large = 16 << 20;
    {
        log_session log{disk, large};
        log.put("not synced yet");
        CHECK(log->short_of_blocks());
        int steps = 1;
        while (log->write_ahead()) ++steps;
        CHECK(steps == 4);  // of 1 MiB, to 4 MiB behind the last record
        CHECK(log->durable() == log->end());
        CHECK_FALSE(log->short_of_blocks());
        for (int i = 0; i < 9; ++i) log.fill(1, 1, 100'000);
        CHECK(log->short_of_blocks());
        CHECK_FALSE(log->write_ahead());
        CHECK(log->durable() == log->end());
        log.put("not synced yet");
        CHECK_FALSE(log->write_ahead());  // nothing to do, and so nothing is synced
        CHECK(log->durable() < log->end());
        for (int i = 0; i < 60; ++i) log.fill(1, 1, 100'000);  // beyond what was filled
        while (log->write_ahead()) {}
        log->sync();
    }
    disk.power_cut();
    log_session log{disk, large};
    CHECK(log.texts(1, 0, 1 << 20).size() == 71);
    CHECK(log->opened().damages.empty());
}

TEST_CASE("log: a segment that was a spare is full of zeros already") {
    fault_disk disk;
    log_session log{disk};
    while (log->prepare_spare(1 << 20)) {}
    while (log->write_ahead()) {}
    log.fill(40);
    REQUIRE(disk.names_with(".log").size() == 2);
    CHECK_FALSE(log->short_of_blocks());
}

TEST_CASE("log: no room for blocks ahead is no failure, a sync of them that fails is one") {
    fault_disk full;
    log_session without{full};
    without.put("before");
    full.fail_call(1, fault::no_space);
    CHECK_FALSE(without->write_ahead());
    REQUIRE(full.failed());
    CHECK_FALSE(without->broken());
    CHECK_FALSE(without->short_of_blocks());
    CHECK(without->durable() == without->end());
    fault_disk bad;
    log_session log{bad};
    log.put("doubtful");
    bad.fail_call(2, fault::io_error);
    CHECK_THROWS_AS(log->write_ahead(), std::system_error);
    CHECK(log->broken());
    CHECK(log->durable() < log->end());
}

TEST_CASE("log: without room there is no spare, and that is no failure") {
    fault_disk disk;
    log_session log{disk};
    disk.set_capacity(log_session::segment_bytes + 1000);
    CHECK_FALSE(log->prepare_spare(1 << 20));
    CHECK(disk.names_with("spare-").empty());
    log.keep("still writing");
}

TEST_CASE("log: with little room left a new segment is smaller") {
    fault_disk disk;
    disk.set_capacity(3 * log_session::segment_bytes / 2);
    log_session log{disk};
    log.fill(35);
    log->sync();
    CHECK(disk.names_with(".log").size() == 2);
    CHECK(log.texts().size() == 35);
}

TEST_CASE("log: what can still be appended leaves the reserve out") {
    fault_disk disk;
    const std::uint64_t segment = log_session::segment_bytes;
    disk.set_capacity(100 * segment);
    log_session log{disk};
    const log::space before = log->space_now();
    CHECK(before.used == segment);
    CHECK(before.left <= 98 * segment);
    CHECK(before.left > 80 * segment - 256 * 1024);
    while (log->prepare_spare(1 << 20)) {}
    // Spares are made of the reserve, not of what is left.
    CHECK(log->space_now().left == before.left);
    CHECK(log->space_now().used == 3 * segment);
    disk.set_capacity(3 * segment);
    CHECK(log->space_now().left == 0);
    log.keep("an ack still goes on");
}

TEST_CASE(
    "log: after a failed write or sync nothing is written, nothing is retried, everything durable is "
    "readable") {
    for (const fault kind : {fault::io_error, fault::no_space, fault::short_write}) {
        fault_disk disk;
        log_session log{disk};
        log.keep("kept");
        disk.fail_call(kind == fault::io_error ? 2 : 1, kind);
        bool failed = false;
        try {
            log.put("doubtful");
            log->sync();
        } catch (const std::system_error&) {
            failed = true;
        }
        CHECK(failed);
        const std::uint64_t calls = disk.calls();
        CHECK_THROWS_AS(log->sync(), std::system_error);
        CHECK_THROWS_AS(log.put("more"), std::system_error);
        CHECK_THROWS_AS(log->save_snapshot("more"), std::system_error);
        CHECK_THROWS_AS(log->prepare_spare(100), std::system_error);
        CHECK(disk.calls() == calls);
        CHECK(log.texts().front() == "kept");
    }
}

TEST_CASE(
    "log: every call of the write path fails once, and after a power cut all that was synced is there") {
    const auto work = [](log_session& log, std::size_t& kept) {
        for (int round = 0; round < 6; ++round) {
            log.fill(12);
            log->sync();
            kept = log.next();
            log->prepare_spare(9000);
            log->write_ahead();
            if (round % 2 == 1) log->save_snapshot(std::to_string(kept));
            if (round == 3) log->release(1, 10);
        }
    };
    for (const fault kind : {fault::io_error, fault::no_space, fault::short_write}) {
        bool reached_end = false;
        for (std::uint64_t n = 1; !reached_end; ++n) {
            INFO("call ", n, ", fault ", static_cast<int>(kind));
            REQUIRE(n < 1000);
            fault_disk disk{n * 3 + static_cast<std::uint64_t>(kind)};
            std::size_t kept = 0;
            {
                log_session log{disk};
                disk.fail_call(n, kind);
                try {
                    work(log, kept);
                } catch (const std::system_error&) {
                    REQUIRE_THROWS_AS(log->sync(), std::system_error);
                }
                reached_end = !disk.failed();
            }
            disk.heal();
            disk.power_cut();
            log_session log{disk};
            REQUIRE(log.bad_at_open() == 0);
            const texts found = log.texts(1, 10);
            REQUIRE(found.size() + 10 >= kept);
            for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == log_session::numbered(10 + i));
        }
    }
}

TEST_CASE("inspection: a sound log has its counts and nothing bad") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(70);
        log->save_snapshot("seventy");
        log.put("torn");
    }
    const log::inspection found = log::inspect(disk);
    CHECK(found.segments == disk.names_with(".log").size());
    CHECK(found.records == 71);
    CHECK(found.messages == 71);
    CHECK(found.snapshots == 1);
    CHECK(found.snapshot == "seventy");
    CHECK(found.bad() == 0);
    CHECK(found.damages.empty());
}

TEST_CASE("inspection: a torn tail above the watermark is reported and is not bad") {
    fault_disk disk;
    {
        log_session log{disk};
        log.keep("kept");
        log.put("torn");
    }
    const std::string segment = disk.names_with(".log").front();
    disk.overwrite(segment, disk.contents(segment).find("torn"), "x");
    const auto before = disk.contents(segment);
    const log::inspection found = log::inspect(disk);
    CHECK(found.bad() == 0);
    CHECK(found.records == 1);
    REQUIRE(found.damages.size() == 1);
    CHECK(found.damages.front().torn_tail);
    CHECK(disk.contents(segment) == before);
    CHECK(disk.names_with("quarantine").empty());
}

TEST_CASE("inspection: every kind of damage below the watermark is bad and named") {
    const auto damaged = [](auto&& harm) {
        fault_disk disk;
        {
            log_session log{disk};
            log.fill(100);
            log->save_snapshot("older");
            log.fill(1);
            log->save_snapshot("newer");
            log.settle();
        }
        harm(disk);
        return log::inspect(disk);
    };
    const auto flip_at = [](fault_disk& disk, const std::string& name, std::uint64_t at) {
        const char changed = static_cast<char>(disk.contents(name).at(at) ^ 1);
        disk.overwrite(name, at, {&changed, 1});
    };
    const auto segment = [](fault_disk& disk, std::size_t i) { return disk.names_with(".log").at(i); };

    const auto payload = damaged([&](fault_disk& d) { flip_at(d, segment(d, 1), 700); });
    REQUIRE(payload.bad() == 1);
    CHECK(payload.damages.front().stream == 1);
    CHECK(payload.damages.front().count == 1);
    CHECK(payload.messages == 100);

    const auto header = damaged([&](fault_disk& d) { flip_at(d, segment(d, 1), 520); });
    REQUIRE(header.bad() == 1);
    CHECK(header.damages.front().stream == 1);
    CHECK(header.damages.front().count == 1);
    CHECK(header.damages.front().from > 0);

    CHECK(damaged([&](fault_disk& d) {
              flip_at(d, segment(d, 1), d.contents(segment(d, 1)).size() - 20);
          }).bad() == 1);
    CHECK(damaged([&](fault_disk& d) { flip_at(d, segment(d, 1), 3); }).bad() == 1);
    CHECK(damaged([&](fault_disk& d) { d.drop_file(segment(d, 1)); }).bad() == 1);
    CHECK(damaged([&](fault_disk& d) { flip_at(d, d.names_with("snapshot-").front(), 70); }).bad() == 1);
    CHECK(damaged([&](fault_disk& d) { flip_at(d, d.names_with("snapshot-").back(), 70); }).bad() == 1);
    const auto last = damaged([&](fault_disk& d) { flip_at(d, d.names_with(".log").back(), 600); });
    REQUIRE(last.bad() == 1);
    CHECK_FALSE(last.damages.front().torn_tail);
}

TEST_CASE("inspection: a visitor gets every record in order with the name of its segment") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(70);
        log.settle();
    }
    std::uint64_t next = 0;
    std::vector<std::string> names;
    log::inspect(disk, [&](const std::string& segment, const log::stored_record& r) {
        if (names.empty() || names.back() != segment) names.push_back(segment);
        if (r.header.type == log::record_type::messages) CHECK(r.header.first_offset == next++);
    });
    CHECK(next == 70);
    CHECK(names == disk.names_with(".log"));
}
