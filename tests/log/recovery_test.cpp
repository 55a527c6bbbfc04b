// Every case of an opening, by its number in docs/spool_format.md.
#include <doctest/doctest.h>

#include <string>
#include <system_error>

#include "core/log/error.hpp"
#include "core/log/inspection.hpp"
#include "core/log/segment.hpp"
#include "core/log/snapshot.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/support/log_session.hpp"

using namespace ferry;
using test::fault_disk;
using test::log_session;
using texts = std::vector<std::string>;

namespace {

std::string last_segment(const fault_disk& disk) {
    std::string last;
    for (const std::string& name : disk.names_with(".log"))
        if (log::segment_base(name)) last = name;
    return last;
}

std::string first_segment(const fault_disk& disk) {
    return disk.names_with(".log").front();
}

void flip(fault_disk& disk, const std::string& name, std::uint64_t at) {
    const char was = disk.contents(name).at(at);
    const char now = static_cast<char>(was ^ 0x10);
    disk.overwrite(name, at, {&now, 1});
}

// Where `text` stands in the file.
std::uint64_t find(const fault_disk& disk, const std::string& name, std::string_view text) {
    const std::size_t at = disk.contents(name).find(text);
    REQUIRE(at != std::string::npos);
    return at;
}

// The whole position of the first record, as a file offset.
constexpr std::uint64_t first_record = log::segment_header_bytes;

}  // namespace

TEST_CASE("log: case 1, an empty directory becomes a log that begins at its beginning") {
    fault_disk disk;
    log_session log{disk};
    CHECK(log->opened().owner_epoch == 1);
    CHECK(log->opened().spool_id != 0);
    CHECK(log->opened().snapshot.empty());
    CHECK(log->end() == first_record);
    CHECK(log->durable() == log->end());
    CHECK(log->read(1, 0, 100).at_end);
    CHECK(disk.has("00000000000000000000.log"));
}

TEST_CASE("log: case 2, a log that was settled opens without notes, damage or rewriting") {
    fault_disk disk;
    {
        log_session log{disk};
        log.put("one");
        log.put("two");
        log.settle();
    }
    disk.power_cut();
    log_session log{disk};
    CHECK(log.replayed == texts{"one", "two", ""});
    CHECK(log->opened().damages.empty());
    CHECK(log->opened().notes.empty());
    CHECK(log->opened().owner_epoch == 2);
    // The watermark record itself was above the watermark it wrote; nothing else was.
    CHECK(log->opened().records_rewritten == 1);
    CHECK(log.texts() == texts{"one", "two"});
}

TEST_CASE(
    "log: case 3, whole records above the watermark are written again and synced before anything is served") {
    fault_disk disk;
    {
        log_session log{disk};
        log.put("one");
        log.put("two");
    }
    disk.kill();
    {
        log_session log{disk};
        CHECK(log.replayed == texts{"one", "two"});
        CHECK(log->opened().records_rewritten == 2);
        CHECK(log->durable() == log->end());
    }
    // What only the page cache held before is on disk now.
    disk.power_cut_losing_all();
    log_session log{disk};
    CHECK(log.replayed == texts{"one", "two"});
    CHECK(log->opened().records_rewritten == 0);
    CHECK(log.texts() == texts{"one", "two"});
}

TEST_CASE("log: case 4, a torn last record is cut into quarantine and everything before it survives") {
    fault_disk disk;
    log::position torn = 0;
    {
        log_session log{disk};
        log.keep("kept");
        torn = log.put(log_session::numbered(1, 3000));
        log.put("behind the torn one");
    }
    disk.kill();
    const std::string segment = first_segment(disk);
    flip(disk, segment, torn + 700);
    log_session log{disk};
    CHECK(log.replayed == texts{"kept"});
    REQUIRE(log->opened().damages.size() == 1);
    const log::damage& found = log->opened().damages.front();
    CHECK(found.torn_tail);
    CHECK(found.file == segment);
    CHECK(found.from == torn);
    const std::string copy = "quarantine/" + log::numbered_name(segment + ".", torn, "");
    REQUIRE(disk.has(copy));
    // Aside, not away: what stood behind the torn record is in the copy as well.
    CHECK(disk.contents(copy).find("behind the torn one") != std::string::npos);
    CHECK(disk.contents(segment).find("behind the torn one") == std::string::npos);
    CHECK(log.texts() == texts{"kept"});
    log.expect_next(1);
    log.keep("new");
    CHECK(log.texts() == texts{"kept", "new"});
}

TEST_CASE("log: case 4, of a torn tail no more is copied than was written") {
    fault_disk disk;
    log::position torn = 0;
    {
        log_session log{disk};
        log.keep("kept");
        torn = log.put("torn");
    }
    disk.kill();
    const std::string segment = first_segment(disk);
    flip(disk, segment, torn);  // the header: nothing says how long the record is
    log_session log{disk};
    REQUIRE(log->opened().damages.size() == 1);
    CHECK(log->opened().damages.front().to == torn + log::record_bytes(4));
    CHECK(disk.contents("quarantine/" + log::numbered_name(segment + ".", torn, "")).size() ==
          log::record_bytes(4));
}

TEST_CASE("log: case 4, where there is no room for a copy the torn tail is told of and the log opens") {
    for (std::uint64_t call = 1; call <= 3; ++call) {  // the copy is made, written and synced
        CAPTURE(call);
        fault_disk disk;
        log::position torn = 0;
        {
            log_session log{disk};
            log.keep("kept");
            while (log->prepare_spare(log_session::segment_bytes)) {}
            torn = log.put("torn");
        }
        disk.kill();
        const std::string segment = first_segment(disk);
        flip(disk, segment, torn + log::record_header_bytes);
        disk.fail_call(call, test::fault::no_space);
        log_session log{disk};
        CHECK(disk.failed());
        CHECK(log.replayed == texts{"kept"});
        REQUIRE(log->opened().damages.size() == 1);
        CHECK(log->opened().damages.front().torn_tail);
        REQUIRE(log->opened().notes.size() == 1);
        CHECK(log->opened().notes.front().find("no room for a copy") != std::string::npos);
        CHECK(disk.names_with("quarantine/").empty());
        log.expect_next(1);
        log.keep("new");
        CHECK(log.texts() == texts{"kept", "new"});
    }
}

TEST_CASE("log: case 5, a tail that came back as zeros is a clean end") {
    fault_disk disk;
    {
        log_session log{disk};
        log.keep("kept");
        log.put("lost");
    }
    disk.power_cut_losing_all();
    log_session log{disk};
    CHECK(log.replayed == texts{"kept"});
    CHECK(log->opened().damages.empty());
}

TEST_CASE(
    "log: case 6, a payload that rotted below the watermark is named with its offset, the rest is "
    "delivered") {
    fault_disk disk;
    log::position rotten = 0;
    {
        log_session log{disk};
        log.put("zero");
        rotten = log.put("the payload that rots");
        log.put("two");
        log.settle();
    }
    const std::string segment = first_segment(disk);
    flip(disk, segment, find(disk, segment, "payload that rots"));
    log_session log{disk};
    CHECK(log.replayed == texts{"zero", "two", ""});
    REQUIRE(log->opened().damages.size() == 1);
    const log::damage& found = log->opened().damages.front();
    CHECK_FALSE(found.torn_tail);
    CHECK(found.file == segment);
    CHECK(found.from == rotten);
    CHECK(found.stream == 1);
    CHECK(found.first_offset == 1);
    CHECK(found.count == 1);
    CHECK(disk.has("quarantine/" + log::numbered_name(segment + ".", rotten, "")));
    CHECK(log.texts() == texts{"zero", "two"});
    REQUIRE_FALSE(log.damages.empty());
    CHECK(log.damages.front().first_offset == 1);
}

TEST_CASE("log: case 7, behind a rotten header the next record is found and the offsets between are named") {
    fault_disk disk;
    log::position rotten = 0;
    {
        log_session log{disk};
        log.put("zero");
        rotten = log.put(log_session::numbered(1, 2000));
        log.put("other", 2);
        log.put("two");
        log.settle();
    }
    flip(disk, first_segment(disk), rotten + 9);
    log_session log{disk};
    CHECK(log.replayed == texts{"zero", "other", "two", ""});
    REQUIRE(log->opened().damages.size() == 1);
    const log::damage& found = log->opened().damages.front();
    CHECK(found.from == rotten);
    CHECK(found.to == rotten + log::record_bytes(2000));
    CHECK(found.stream == 1);
    CHECK(found.first_offset == 1);
    CHECK(found.count == 1);
}

TEST_CASE(
    "log: case 8, damage reaching from below the watermark to above it is damage below and torn above") {
    fault_disk disk;
    log::position watermark = 0;
    log::position first = 0;
    {
        log_session log{disk};
        first = log.put("zero");
        log->sync();
        log.put("one");  // carries the watermark behind "zero"
        log->sync();
        watermark = log->end();
        log.put("two");  // carries the watermark behind "one"
        log.put("three");
    }
    disk.kill();
    const std::string segment = first_segment(disk);
    // "one" and "two" lose their headers, "three" still tells the watermark.
    const std::uint64_t one = first + log::record_bytes(4);
    disk.overwrite(segment, one, std::string(watermark - one + 48, '\x77'));
    log_session log{disk};
    CHECK(log.replayed == texts{"zero"});
    REQUIRE(log->opened().damages.size() == 2);
    CHECK_FALSE(log->opened().damages[0].torn_tail);
    CHECK(log->opened().damages[0].from == one);
    CHECK(log->opened().damages[0].to == watermark);
    CHECK(log->opened().damages[1].torn_tail);
    CHECK(log->opened().damages[1].from == watermark);
}

TEST_CASE("log: case 9, damage in the middle of a sealed segment costs what it covers and no more") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(100);
        log.settle();
    }
    REQUIRE(disk.names_with(".log").size() > 3);
    const std::string segment = disk.names_with(".log")[1];
    const std::uint64_t at = disk.contents(segment).size() / 2 / 8 * 8;
    disk.overwrite(segment, at, std::string(1024, '\x55'));
    log_session log{disk};
    CHECK(log.bad_at_open() >= 1);
    std::uint64_t lost = 0;
    for (const log::damage& d : log->opened().damages) {
        CHECK(d.file == segment);
        CHECK(d.stream == 1);
        lost += d.count;
    }
    CHECK(lost >= 2);
    CHECK(lost <= 4);
    CHECK(log.replayed.size() == 100 - lost + 1);
    CHECK(log.texts().size() == 100 - lost);
    std::uint64_t told = 0;
    for (const log::damage& d : log.damages) told += d.count;
    CHECK(told == lost);
}

TEST_CASE("log: case 10, a segment missing in the middle is reported and those behind it are replayed") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(100);
        log.settle();
    }
    const std::string missing = disk.names_with(".log")[1];
    disk.drop_file(missing);
    log_session log{disk};
    REQUIRE(log.bad_at_open() == 1);
    CHECK(log->opened().damages.front().file == missing);
    CHECK(log.replayed.size() < 80);
    CHECK(log.replayed[log.replayed.size() - 2] == log_session::numbered(99));
}

TEST_CASE("log: case 10, a missing segment that a snapshot lists is named with streams and offsets") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(100);
        log->save_snapshot("state");
    }
    const std::string missing = disk.names_with(".log")[1];
    disk.drop_file(missing);
    log_session log{disk};
    CHECK(log->opened().snapshot == "state");
    REQUIRE(log.bad_at_open() == 1);
    const log::damage& found = log->opened().damages.front();
    CHECK(found.file == missing);
    CHECK(found.stream == 1);
    CHECK(found.first_offset > 20);
    CHECK(found.count > 20);
    CHECK(log.texts().size() == 100 - found.count);
}

TEST_CASE("log: case 11, a segment whose header rotted is read with what its successor remembers") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(100);
        log.settle();
    }
    const std::string segment = disk.names_with(".log")[1];
    flip(disk, segment, 20);
    log_session log{disk};
    REQUIRE(log.bad_at_open() == 1);
    CHECK(log->opened().damages.front().file == segment);
    CHECK(log.replayed.size() == 101);
    CHECK(log.texts().size() == 100);
}

TEST_CASE(
    "log: case 11, a last segment whose header rotted is set aside whole and everything before it is there") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(40);
        log.settle();
    }
    const std::string segment = last_segment(disk);
    flip(disk, segment, 20);
    {
        log_session log{disk};
        CHECK(log.bad_at_open() == 1);
        CHECK(log.replayed.size() > 20);
        CHECK(log.replayed.size() < 40);
        CHECK(disk.has("quarantine/" + segment));
        CHECK_FALSE(disk.has(segment));
        log.keep("afterwards", 2);
    }
    log_session log{disk};
    CHECK(log.bad_at_open() == 0);
    CHECK(log.texts(2) == texts{"afterwards"});
}

TEST_CASE("log: case 12, a footer that rotted is reported, made again, and reads go on") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(100);
        log.settle();
    }
    const std::string segment = disk.names_with(".log")[1];
    flip(disk, segment, disk.contents(segment).size() - 30);
    {
        log_session log{disk};
        REQUIRE(log.bad_at_open() == 1);
        CHECK(log->opened().damages.front().reason == "footer does not verify");
        CHECK(log.replayed.size() == 101);
        CHECK(log.texts().size() == 100);
    }
    log_session log{disk};
    CHECK(log.bad_at_open() == 0);
}

TEST_CASE("log: case 13, a bad newest snapshot is set aside and the older one serves") {
    fault_disk disk;
    std::string newest;
    {
        log_session log{disk};
        log.keep("one");
        log->save_snapshot("older");
        log.keep("two");
        log->save_snapshot("newer");
        newest = log::snapshot_name(log->end());
        log.keep("three");
    }
    flip(disk, newest, disk.contents(newest).find("newer"));
    {
        log_session log{disk};
        CHECK(log->opened().snapshot == "older");
        CHECK(log.replayed == texts{"two", "three"});
        REQUIRE(log.bad_at_open() == 1);
        CHECK(log->opened().damages.front().file == newest);
        CHECK(disk.has("quarantine/" + newest));
    }
    log_session log{disk};
    CHECK(log.bad_at_open() == 0);
}

TEST_CASE("log: case 14, with both snapshots bad a log that begins at its beginning is replayed whole") {
    fault_disk disk;
    {
        log_session log{disk};
        log.keep("one");
        log->save_snapshot("older");
        log.keep("two");
        log->save_snapshot("newer");
        log.keep("three");
    }
    for (const std::string& name : disk.names_with("snapshot-")) flip(disk, name, 70);
    log_session log{disk};
    CHECK(log->opened().snapshot.empty());
    CHECK(log.replayed == texts{"one", "two", "three"});
    CHECK(log.bad_at_open() == 2);
}

TEST_CASE(
    "log: case 15, with both snapshots bad and its beginning released the log refuses and changes nothing") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(60);
        log->release(1, 60);
        log->save_snapshot("older");
        log.fill(60);
        log->save_snapshot("newer");
    }
    REQUIRE_FALSE(disk.has("00000000000000000000.log"));
    for (const std::string& name : disk.names_with("snapshot-")) flip(disk, name, 70);
    const auto before = disk.names_with("");
    CHECK_THROWS_AS(log_session{disk}, log::format_error);
    CHECK(disk.names_with("") == before);
}

TEST_CASE("log: case 16, temporary files somebody did not finish are removed and mentioned") {
    fault_disk disk;
    {
        log_session log{disk};
        log.keep("one");
    }
    disk.put_file("segment.part", "half");
    disk.put_file("snapshot.part", "half");
    disk.put_file("spare-00000000000000000007.part", "half");
    disk.put_file("spare-00000000000000000008", std::string(log_session::segment_bytes, '\x01'));
    log_session log{disk};
    CHECK(log.replayed == texts{"one"});
    CHECK(log->opened().notes.size() == 4);
    CHECK(log->opened().damages.empty());
    CHECK(disk.names_with("part").empty());
    CHECK(disk.names_with("spare").empty());
}

TEST_CASE("log: case 17, a newer format version is refused and the text says which is read") {
    fault_disk disk;
    {
        log_session log{disk};
        log.keep("one");
    }
    const std::string segment = first_segment(disk);
    const std::string block = disk.contents(segment).substr(0, log::segment_header_bytes);
    log::segment_header header = *log::decode_segment_header(block);
    header.version = 2;
    disk.overwrite(segment, 0, log::encode_segment_header(header));
    CHECK_THROWS_WITH_AS(log_session{disk}, doctest::Contains("version 2"), log::format_error);
}

TEST_CASE(
    "log: case 18, a directory that holds other files and no log is refused; beside a log they are left "
    "alone") {
    fault_disk disk;
    disk.put_file("letter.txt", "dear");
    CHECK_THROWS_WITH_AS(log_session{disk}, doctest::Contains("letter.txt"), log::format_error);
    CHECK(disk.names_with("") == texts{"letter.txt"});
    disk.drop_file("letter.txt");
    { log_session log{disk}; }
    disk.put_file("letter.txt", "dear");
    log_session log{disk};
    CHECK(log->opened().notes.size() == 1);
    CHECK(disk.contents("letter.txt") == "dear");
}

TEST_CASE("log: case 18, a segment of another spool is refused by name") {
    fault_disk disk;
    fault_disk other;
    {
        log_session log{disk, log_session::segment_bytes, 1};
        log.fill(60);
        log_session stranger{other, log_session::segment_bytes, 2};
        stranger.fill(60);
    }
    const std::string name = disk.names_with(".log")[1];
    disk.put_file(name, other.contents(other.names_with(".log")[1]));
    CHECK_THROWS_WITH_AS(log_session{disk}, doctest::Contains("another spool"), log::format_error);
}

TEST_CASE("log: case 19, an opening that fails or dies anywhere in the middle is harmless") {
    // A disk left by a crash with a torn tail and whole unsynced records, for each way to interrupt the
    // opening.
    for (const bool power : {false, true}) {
        for (std::uint64_t n = 1; n < 200; ++n) {
            INFO("call ", n, power ? " then a power cut" : " then a kill");
            fault_disk disk{n};
            {
                log_session log{disk};
                log.fill(40);
                log.keep("kept");
                log.put("whole");
                log.put("torn");
            }
            disk.kill();
            const std::string segment = last_segment(disk);
            flip(disk, segment, find(disk, segment, "torn"));
            disk.fail_call(n, test::fault::io_error);
            bool failed = false;
            try {
                log_session log{disk};
            } catch (const std::system_error&) {
                failed = true;
            }
            disk.heal();
            power ? disk.power_cut() : disk.kill();
            log_session log{disk};
            REQUIRE(log.replayed.size() >= 41);
            REQUIRE(log.replayed[40] == "kept");
            REQUIRE(log.bad_at_open() == 0);
            REQUIRE(log.texts().size() == log.replayed.size());
            if (!power) REQUIRE(log.replayed.back() == "whole");
            if (!failed) break;
            REQUIRE(n < 199);
        }
    }
}

TEST_CASE("log: case 20, a file cut short below the watermark is damage up to where it should reach") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(10);
        log->save_snapshot("state");
    }
    const std::string segment = first_segment(disk);
    const std::string bytes = disk.contents(segment);
    disk.put_file(segment, bytes.substr(0, 2048));
    log_session log{disk};
    CHECK(log.bad_at_open() >= 1);
    CHECK(log.texts().size() == 2);
    log.expect_next(10);
    log.keep("after");
    CHECK(log.texts().back() == "after");
}

TEST_CASE("log: what the older snapshot needs for replay stays while the newer one may prove bad") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(30);
        log->save_snapshot("thirty");
        log.fill(60);
        log->release(1, 90);
        log->save_snapshot("ninety");
    }
    flip(disk, disk.names_with("snapshot-").back(), 70);
    log_session log{disk};
    CHECK(log->opened().snapshot == "thirty");
    CHECK(log.replayed.size() == 60);
}

TEST_CASE("log: what a snapshot let go is removed once the snapshot is on disk for certain") {
    // The process dies between the snapshot's name and the sync of the directory.
    bool named = false;
    for (std::uint64_t call = 1; !named; ++call) {
        REQUIRE(call < 50);
        fault_disk disk;
        {
            log_session log{disk};
            log.fill(60);
            log->save_snapshot("one");
            log.fill(60);
            log->save_snapshot("two");
            log->release(1, log.next());
            log.fill(60);
            disk.fail_call(call, test::fault::io_error);
            CHECK_THROWS(log->save_snapshot("three"));
            named = disk.has(log::snapshot_name(log->end()));
        }
        disk.kill();
        const auto segments = disk.names_with(".log");
        disk.fail_call(2, test::fault::io_error, true);  // the first one is that sync
        CHECK_THROWS((log_session{disk}));
        CHECK(disk.names_with(".log") == segments);
    }
}

TEST_CASE("log: a segment whose removal was undone is let go again") {
    fault_disk disk;
    std::string bytes;
    {
        log_session log{disk};
        log.fill(60);
        bytes = disk.contents("00000000000000000000.log");
        log->release(1, 40);
        log->save_snapshot("a");
        log->save_snapshot("a, again at the same place");
        log.fill(1);
        log->save_snapshot("b");
    }
    REQUIRE_FALSE(disk.has("00000000000000000000.log"));
    disk.put_file("00000000000000000000.log", bytes);
    log_session log{disk};
    CHECK(log->opened().snapshot == "b");
    CHECK(log.bad_at_open() == 0);
    CHECK_FALSE(disk.has("00000000000000000000.log"));
    CHECK(log.texts(1, 40).size() == 21);
}
