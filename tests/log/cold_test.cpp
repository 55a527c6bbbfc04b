// Messages that move: cold segments, adoptions, and what an opening makes of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <system_error>

#include "core/log/adoption.hpp"
#include "core/log/inspection.hpp"
#include "core/log/log.hpp"
#include "core/log/segment.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/support/log_session.hpp"

using namespace ferry;
using test::fault;
using test::fault_disk;
using test::log_session;
using texts = std::vector<std::string>;

namespace {

// The sealed segments of the chain, lowest first.
std::vector<log::position> chain(log::segmented_log& of) {
    std::vector<log::position> bases;
    for (const log::held_segment& each : of.held().sealed)
        if (!log::is_cold(each.base)) bases.push_back(each.base);
    return bases;
}

// Moves the messages of `offsets` (of the stream) out of the sources.
void move_out(log::segmented_log& of, const std::vector<log::position>& sources,
              const std::vector<std::uint64_t>& offsets, std::uint32_t stream = 1) {
    for (const std::uint64_t offset : offsets) {
        const log::read_result found = of.read(stream, offset, 1);
        REQUIRE(!found.records.empty());
        const log::stored_record& each = found.records.front();
        REQUIRE(each.header.first_offset == offset);
        const log::record copy{each.header.type,    each.header.flags, stream, offset, 1,
                               each.header.wall_ns, each.payload,      {}};
        of.move({&copy, 1}, sources);
    }
}

// Every offset the log finds from 0 on, each once.
std::vector<std::uint64_t> offsets_in(log_session& of, std::uint32_t stream = 1) {
    std::vector<std::uint64_t> found;
    for (const std::string& text : of.texts(stream)) found.push_back(std::stoull(text));
    return found;
}

}  // namespace

TEST_CASE("cold: moved messages keep their offsets and are found once, between those that stayed") {
    fault_disk disk;
    std::vector<std::uint64_t> expected;
    {
        log_session log{disk};
        log.fill(120);
        const auto bases = chain(*log);
        REQUIRE(bases.size() >= 3);
        const log::stream_share first = log->held().sealed[0].shares.at(0);
        const log::stream_share third = log->held().sealed[2].shares.at(0);
        const std::vector<log::position> sources{bases[0], bases[2]};
        const std::vector<std::uint64_t> live{first.first_offset + 3, third.first_offset + 1,
                                              third.end_offset - 1};
        move_out(*log, sources, live);
        CHECK(offsets_in(log).size() == 120);  // nothing counts before the adoption
        log->adopt(sources);
        for (std::uint64_t offset = 0; offset < 120; ++offset) {
            const bool emptied =
                offset < first.end_offset || (offset >= third.first_offset && offset < third.end_offset);
            if (!emptied || std::ranges::find(live, offset) != live.end()) expected.push_back(offset);
        }
        CHECK(offsets_in(log) == expected);
        const auto cold = log->held().sealed.back();
        CHECK(log::is_cold(cold.base));
        CHECK(cold.shares.size() == 2);  // the second segment stands between them
        CHECK(log.texts(1, third.first_offset).front() == log_session::numbered(third.first_offset + 1));
        CHECK(log->read(1, live[0], 1).records.front().header.wall_ns == live[0] + 1);
    }
    disk.kill();
    log_session log{disk};
    CHECK(log.bad_at_open() == 0);
    CHECK(offsets_in(log) == expected);
    CHECK(log.damages.empty());
}

TEST_CASE("cold: emptied segments leave with the snapshots, and the messages stay") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(100);
        const auto bases = chain(*log);
        const log::stream_share first = log->held().sealed[0].shares.at(0);
        move_out(*log, {bases[0]}, {first.first_offset + 5});
        log->adopt(std::vector{bases[0]});
        for (const char* state : {"a", "b", "c"}) {
            log->save_snapshot(state);
            log.fill(1);
        }
        CHECK_FALSE(disk.has(log::segment_name(bases[0])));
        CHECK(disk.names_with("cold/").size() == 1);
        CHECK(log.texts(1, 0).front() == log_session::numbered(first.first_offset + 5));
    }
    disk.kill();
    {
        log_session log{disk};
        CHECK(log.bad_at_open() == 0);
        CHECK(log.texts(1, 0).front() == log_session::numbered(5));
        log->release(1, 50);
        log->save_snapshot("d");
        CHECK(disk.names_with("cold/").empty());
        CHECK(offsets_in(log).back() == 102);
        CHECK(offsets_in(log).front() > 5);
    }
}

TEST_CASE("cold: a cold segment is emptied into another, and what is needed of it moves on") {
    fault_disk disk;
    log_session log{disk};
    log.fill(120);
    const auto bases = chain(*log);
    move_out(*log, {bases[0]}, {2, 7});
    log->adopt(std::vector{bases[0]});
    const log::position cold = log->held().sealed.back().base;
    std::vector<log::position> sources{bases[1], cold};
    const std::uint64_t second = log->held().sealed[1].shares.at(0).first_offset;
    move_out(*log, sources, {7, second + 4});
    log->adopt(sources);
    CHECK(log.texts(1, 0)[0] == log_session::numbered(7));
    CHECK(log.texts(1, 0)[1] == log_session::numbered(second + 4));
    // They are neighbours now: one share.
    CHECK(log->held().sealed.back().shares.size() == 1);
    log->save_snapshot("a");
    CHECK(disk.names_with("cold/").size() == 1);
}

TEST_CASE("cold: segments in which nothing is needed are emptied without a cold one") {
    fault_disk disk;
    log_session log{disk};
    log.fill(120);
    const auto bases = chain(*log);
    const std::uint64_t end = log->held().sealed[1].shares.at(0).end_offset;
    log->adopt(std::vector{bases[0], bases[1]});
    CHECK(disk.names_with("cold/").empty());
    CHECK(offsets_in(log).front() == end);
}

TEST_CASE("cold: whichever call of a move fails, and whatever a crash leaves, each message is found once") {
    std::set<std::string> outcomes;
    bool failed = true;
    for (std::uint64_t n = 1; failed; ++n) {
        for (const fault kind : {fault::io_error, fault::no_space, fault::short_write}) {
            for (int cut = 0; cut < 4; ++cut) {
                CAPTURE(n);
                CAPTURE(cut);
                fault_disk disk{n * 31 + static_cast<std::uint64_t>(cut)};
                std::uint64_t end = 0;
                std::size_t stored = 65;
                bool adopted = false;
                {
                    log_session log{disk};
                    log.fill(60);
                    log->sync();
                    log->save_snapshot("before");
                    log.fill(5);
                    log->sync();
                    const auto bases = chain(*log);
                    end = log->held().sealed[0].shares.at(0).end_offset;
                    disk.fail_call(n, kind);
                    try {
                        move_out(*log, {bases[0]}, {3});
                        move_out(*log, {bases[0]}, {9});
                        log->adopt(std::vector{bases[0]});
                        adopted = true;
                    } catch (const std::system_error&) {
                        CHECK(disk.failed());
                    }
                    failed = disk.failed();
                    disk.heal();
                    if (!log->broken() && !adopted) {
                        CHECK(offsets_in(log).size() == 65);
                        log.fill(1);
                        stored = 66;
                    }
                    outcomes.insert(adopted ? "adopted" : log->broken() ? "broken" : "given up");
                }
                cut == 0 ? disk.kill() : cut == 1 ? disk.power_cut_losing_all() : disk.power_cut();
                log_session log{disk};
                CHECK(log.bad_at_open() == 0);
                const auto found = offsets_in(log);
                const std::size_t kept = 65 - (end - 2);
                CHECK((found.size() == 65 || found.size() == stored || found.size() == kept));
                if (adopted) CHECK(found.size() == kept);
                CHECK(std::ranges::is_sorted(found));
                CHECK(std::ranges::find(found, 3) != found.end());
                CHECK(std::ranges::find(found, 9) != found.end());
                CHECK(log.damages.empty());
                // What was not adopted is not left lying about.
                const bool moved = found.size() == kept;
                CHECK(disk.names_with("cold/").size() == (moved ? 1 : 0));
            }
        }
    }
    CHECK(outcomes == std::set<std::string>{"adopted", "broken", "given up"});
}

TEST_CASE("cold: with the newest snapshot bad, the older one and the adoption above it find what moved") {
    for (const bool lose_source : {false, true}) {
        fault_disk disk;
        {
            log_session log{disk};
            log.fill(60);
            log->save_snapshot("oldest");
            log.fill(40);
            log->save_snapshot("older");
            const auto bases = chain(*log);
            move_out(*log, {bases[0]}, {4});
            log->adopt(std::vector{bases[0]});
            log.put("x");
            log->save_snapshot("newest");
            CHECK(disk.has(log::segment_name(bases[0])) == false);
        }
        disk.kill();
        const auto snapshots = disk.names_with("snapshot-");
        REQUIRE(snapshots.size() == 2);
        if (lose_source) disk.overwrite(snapshots.back(), 70, "rot");
        log_session log{disk};
        CHECK(log->opened().snapshot == (lose_source ? "older" : "newest"));
        CHECK(log.bad_at_open() == (lose_source ? 1 : 0));
        CHECK(log.texts(1, 0).front() == log_session::numbered(4));
        CHECK(log.damages.empty());
    }
}

TEST_CASE("cold: an adopted segment that is missing, cut or rotten is damage, named by its offsets") {
    for (const int how : {0, 1, 2}) {
        CAPTURE(how);
        fault_disk disk;
        std::string name;
        {
            log_session log{disk};
            log.fill(60);
            const auto bases = chain(*log);
            move_out(*log, {bases[0]}, {4, 6});
            log->adopt(std::vector{bases[0]});
            if (how != 1) log->save_snapshot("state");
            name = disk.names_with("cold/").at(0);
        }
        disk.kill();
        if (how == 0 || how == 1) disk.drop_file(name);
        if (how == 2) disk.overwrite(name, 600, "rot");
        const log::inspection seen = log::inspect(disk);
        CHECK(seen.bad() == 1);
        CHECK(seen.damages.front().file == name);
        log_session log{disk};
        texts found = log.texts(1, 0);
        if (how == 2) {
            CHECK(log.damages.size() == 1);
            CHECK(log.damages.front().first_offset == 4);
            CHECK(found.front() == log_session::numbered(6));
        } else {
            CHECK(log.bad_at_open() == 1);
            const log::damage& lost = log->opened().damages.front();
            CHECK(lost.file == name);
            CHECK(lost.stream == 1);
            CHECK(lost.first_offset == 4);
            CHECK(lost.count == 3);
        }
    }
}

TEST_CASE("cold: records that rot together with the footer are damage, named by their offsets") {
    for (const std::uint64_t lost : {4, 6, 8}) {
        CAPTURE(lost);
        fault_disk disk;
        {
            log_session log{disk};
            log.fill(60);
            const auto bases = chain(*log);
            move_out(*log, {bases[0]}, {4, 6, 8});
            log->adopt(std::vector{bases[0]});
        }
        disk.kill();
        const std::string name = disk.names_with("cold/").at(0);
        const std::size_t at = disk.contents(name).find(log_session::numbered(lost));
        REQUIRE(at != std::string::npos);
        disk.overwrite(name, at - 40, "rot");
        disk.overwrite(name, disk.contents(name).size() - 4, "rot");
        log_session log{disk};
        texts expected{log_session::numbered(4), log_session::numbered(6), log_session::numbered(8)};
        std::erase(expected, log_session::numbered(lost));
        texts found = log.texts(1, 0);
        found.resize(2);
        CHECK(found == expected);
        REQUIRE(log.damages.size() == 1);
        CHECK(log.damages.front().file == name);
        CHECK(log.damages.front().stream == 1);
        CHECK(log.damages.front().first_offset <= lost);
        CHECK(log.damages.front().first_offset + log.damages.front().count > lost);
    }
}

TEST_CASE("cold: a lookout counts moved messages once, and what was not adopted not at all") {
    fault_disk disk;
    {
        log_session log{disk};
        log.fill(100);
        const auto bases = chain(*log);
        move_out(*log, {bases[0]}, {4, 6});
        log->adopt(std::vector{bases[0]});
        const std::size_t found = offsets_in(log).size();
        log->sync();
        log->save_snapshot("state");
        const log::inspection seen = log::inspect(disk);
        CHECK(seen.messages == found);
        CHECK(seen.bad() == 0);
        CHECK(seen.segments == chain(*log).size() + 2);
        move_out(*log, {bases[1]}, {40});
        CHECK(log::inspect(disk).messages == found);
    }
    CHECK(disk.names_with("cold/").size() == 1);  // the one in the making is gone with the log
}

TEST_CASE("cold: an unadopted file goes at the next opening, and aside where damage may hide its adoption") {
    for (const bool damaged : {false, true}) {
        fault_disk disk;
        {
            log_session log{disk};
            log.fill(60);
            log.settle();
        }
        disk.kill();
        const std::string first = disk.names_with(".log").at(0);
        if (damaged) disk.overwrite(first, 700, "rot");
        disk.put_file("cold/00000000000000012345.log", "nobody knows");
        disk.put_file("cold/00000000000000012345.log.part", "nor this");
        log_session log{disk};
        CHECK(disk.names_with("cold/").empty());
        CHECK(disk.names_with("quarantine/cold-").size() == (damaged ? 1 : 0));
        CHECK(log->opened().notes.size() >= 2);
    }
}

TEST_CASE("log: a snapshot that finds no room takes a spare's, and is refused without breaking anything") {
    fault_disk disk;
    log_session log{disk};
    while (log->prepare_spare(1 << 20)) {}
    REQUIRE(disk.names_with("spare-").size() == 2);
    log.keep("one");
    const std::uint64_t used = log->space_now().used;
    disk.set_capacity(used + 1000);
    CHECK(log->save_snapshot(std::string(8000, 's')));
    CHECK(disk.names_with("spare-").size() == 1);
    log.keep("two");
    CHECK_FALSE(log->save_snapshot(std::string(100'000, 's')));
    CHECK_FALSE(log->broken());
    log.keep("three");
    disk.set_capacity(1 << 20);
    CHECK(log->save_snapshot(std::string(100'000, 's')));
    CHECK(log.texts() == texts{"one", "two", "three"});
}
