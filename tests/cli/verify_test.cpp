// ferry verify and dump on directories that a real spool wrote.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
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

namespace fs = std::filesystem;

constexpr int messages = 20;

spool_options options_for(const std::string& directory) {
    return {.directory = directory, .listen = {ferry::bind("tcp://127.0.0.1:*")}, .segment_bytes = 1 << 20};
}

// Twenty orders, each a record of its own, five of them acked; stopped in order.
void fill(const std::string& directory) {
    context context;
    const spool spool{context, options_for(directory)};
    const endpoint at = ferry::connect(spool.endpoints().at(0));
    producer to{context, at, {.stream = "orders"}};
    for (int i = 0; i < messages; ++i) {
        to.put("this is order " + std::to_string(100 + i));
        REQUIRE(to.flush(20s) == outcome::done);
    }
    consumer work{context, at, {.stream = "orders", .group = "billing"}};
    for (int i = 0; i < 5; ++i) {
        auto next = work.next(20s);
        REQUIRE(next);
        next->ack();
    }
    REQUIRE(work.leave(20s) == outcome::done);
}

finished verify(const std::string& directory, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {FERRY_BINARY, "verify", directory});
    return run(std::move(flags));
}

finished dump(const std::string& directory, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {FERRY_BINARY, "dump", directory});
    return run(std::move(flags));
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string read_file(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

// The file that holds `bytes`, and where.
struct place {
    fs::path file;
    std::uint64_t at;
};
std::optional<place> find_bytes(const std::string& directory, const std::string& bytes) {
    for (const auto& each : fs::directory_iterator{directory}) {
        if (each.path().extension() != ".log") continue;
        const auto at = read_file(each.path()).find(bytes);
        if (at != std::string::npos) return place{each.path(), at};
    }
    return std::nullopt;
}

void overwrite(const place& where, const std::string& bytes) {
    std::fstream file{where.file, std::ios::binary | std::ios::in | std::ios::out};
    file.seekp(static_cast<std::streamoff>(where.at));
    file << bytes;
}

}  // namespace

TEST_CASE("cli: verify counts what a sound directory holds and says 0 bad") {
    const temporary_directory room;
    fill(room / "spool");
    const finished got = verify(room / "spool");
    CHECK(got.status == 0);
    CHECK(got.err.empty());
    std::uint64_t segments = 0, records = 0, stored = 0, bad = 1;
    REQUIRE(std::sscanf(got.out.c_str(), "%lu segments, %lu records, %lu messages, %lu bad\n", &segments,
                        &records, &stored, &bad) == 4);
    CHECK(segments >= 1);
    CHECK(records > messages);
    CHECK(stored == messages);
    CHECK(bad == 0);
    const auto json = nlohmann::json::parse(verify(room / "spool", {"--json"}).out);
    CHECK(json.at("v") == 1);
    CHECK(json.at("records") == records);
    CHECK(json.at("bad") == 0);
    CHECK(json.at("damages").empty());
    CHECK(verify(room / "spool").out == got.out);
}

TEST_CASE("cli: verify names file, position, stream, offsets and count of damage, and exits 6") {
    const temporary_directory room;
    fill(room / "spool");
    const auto where = find_bytes(room / "spool", "this is order 107");
    REQUIRE(where);
    overwrite(*where, "THIS");
    const finished got = verify(room / "spool");
    CHECK(got.status == 6);
    const auto said = lines_of(got.out);
    REQUIRE(said.size() == 2);
    CHECK(said[0].starts_with("damage " + where->file.filename().string() + " position "));
    CHECK(said[0].find("stream orders offsets 7..7 (1 messages)") != std::string::npos);
    CHECK(said[1].ends_with(" 19 messages, 1 bad"));
    CHECK(got.err.find(said[0]) != std::string::npos);

    const finished machine = verify(room / "spool", {"--json"});
    CHECK(machine.status == 6);
    const auto damage = nlohmann::json::parse(machine.out).at("damages").at(0);
    CHECK(damage.at("file") == where->file.filename().string());
    CHECK(damage.at("stream") == "orders");
    CHECK(damage.at("first_offset") == 7);
    CHECK(damage.at("count") == 1);
    CHECK(damage.at("torn_tail") == false);
    CHECK(damage.at("from").get<std::uint64_t>() < damage.at("to").get<std::uint64_t>());

    const finished dumped = dump(room / "spool");
    CHECK(dumped.status == 6);
    CHECK(dumped.out.find("  7..7 ") == std::string::npos);
    CHECK(dumped.out.find("  8..8 ") != std::string::npos);
    // Also when it is not to go to the end: what it met counts, what lies behind does not.
    const auto some = [&](std::size_t count) {
        return dump(room / "spool", {"-n", std::to_string(count)}).status;
    };
    const auto before = static_cast<std::size_t>(
        std::count(dumped.out.begin(),
                   dumped.out.begin() + static_cast<std::ptrdiff_t>(dumped.out.find("  8..8 ")), '\n'));
    CHECK(some(before + 1) == 6);
    CHECK(some(before - 1) == 0);
}

TEST_CASE("cli: verify reports a torn tail and exits 0") {
    const temporary_directory room;
    {
        // A copy of what a spool that still runs has written: it was not stopped in order.
        context context;
        const spool spool{context, options_for(room / "running")};
        producer to{context, ferry::connect(spool.endpoints().at(0)), {.stream = "orders"}};
        for (int i = 0; i < messages; ++i) {
            to.put("this is order " + std::to_string(100 + i));
            REQUIRE(to.flush(20s) == outcome::done);
        }
        fs::copy(room / "running", room / "spool", fs::copy_options::recursive);
    }
    const auto last = find_bytes(room / "spool", "this is order 119");
    REQUIRE(last);
    // Nothing behind the last message survived, and of that only the beginning.
    std::string bytes = read_file(last->file);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(last->at), bytes.end(), '\0');
    std::ofstream{last->file, std::ios::binary} << bytes;

    const finished got = verify(room / "spool");
    CAPTURE(got.out);
    CHECK(got.status == 0);
    const auto said = lines_of(got.out);
    REQUIRE(said.size() == 2);
    CHECK(said[0].starts_with("torn " + last->file.filename().string() + " position "));
    CHECK(said[1].ends_with(" 19 messages, 0 bad"));
    const auto json = nlohmann::json::parse(verify(room / "spool", {"--json"}).out);
    CHECK(json.at("damages").at(0).at("torn_tail") == true);
    CHECK(json.at("bad") == 0);
}

TEST_CASE("cli: dump prints one line a record, in order, with the names of the streams") {
    const temporary_directory room;
    fill(room / "spool");
    const auto summary = nlohmann::json::parse(verify(room / "spool", {"--json"}).out);
    const finished text = dump(room / "spool");
    CHECK(text.status == 0);
    const auto lines = lines_of(text.out);
    CHECK(lines.size() == summary.at("records"));
    CHECK(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
              return line.find("  messages  ") != std::string::npos &&
                     line.find("  orders  ") != std::string::npos;
          }) == messages);
    CHECK(text.out.find("stream_settings") != std::string::npos);
    CHECK(text.out.find("group_settings") != std::string::npos);

    const auto objects = lines_of(dump(room / "spool", {"--json"}).out);
    CHECK(objects.size() == lines.size());
    std::uint64_t position = 0;
    std::uint64_t offset = 0;
    for (const std::string& line : objects) {
        const auto record = nlohmann::json::parse(line);
        CHECK(record.at("position") > position);
        position = record.at("position");
        if (record.at("type") != "messages") continue;
        CHECK(record.at("stream") == "orders");
        CHECK(record.at("first_offset") == offset++);
        CHECK(record.at("count") == 1);
        CHECK(record.at("bytes") > 17);
        CHECK(record.at("ts").get<std::string>().ends_with("Z"));
    }
    CHECK(offset == messages);

    CHECK(lines_of(dump(room / "spool", {"-n", "3"}).out) ==
          std::vector<std::string>(lines.begin(), lines.begin() + 3));
    CHECK(dump(room / "spool", {"-n", "0"}).status == 2);
}

TEST_CASE("cli: verify and dump on a running spool are exit 9 with the pid, and change nothing") {
    const temporary_directory room;
    context context;
    const spool spool{context, options_for(room / "spool")};
    for (const char* command : {"verify", "dump"}) {
        const finished got = run({FERRY_BINARY, command, room / "spool"});
        CHECK(got.status == 9);
        CHECK(got.out.empty());
        CHECK(got.err.find("process " + std::to_string(::getpid()) + " ") != std::string::npos);
    }
}

TEST_CASE("cli: verify and dump read a directory in which they may not write") {
    const temporary_directory room;
    fill(room / "spool");
    // Root may write everywhere, so there it is another user who looks, with a program it can reach.
    std::vector<std::string> as_reader;
    std::string program = FERRY_BINARY;
    if (::geteuid() == 0) {
        as_reader = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
        fs::copy_file(FERRY_BINARY, room / "ferry");
        program = room / "ferry";
    }
    constexpr auto read_only = fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read;
    constexpr auto enter = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
    for (const auto& each : fs::directory_iterator{room / "spool"})
        fs::permissions(each.path(), each.is_directory() ? read_only | enter : read_only);
    fs::permissions(room / "spool", read_only | enter);
    fs::permissions(room.path(), read_only | enter | fs::perms::owner_write);
    for (const char* command : {"verify", "dump"}) {
        CAPTURE(command);
        std::vector<std::string> words = as_reader;
        words.insert(words.end(), {program, command, room / "spool"});
        const finished got = run(std::move(words));
        CHECK(got.err == "");
        CHECK(got.status == 0);
        CHECK(got.out == run({FERRY_BINARY, command, room / "spool"}).out);
    }
    fs::permissions(room / "spool", fs::perms::owner_all);
}

TEST_CASE("cli: verify and dump say in a sentence what is no spool's directory") {
    const temporary_directory room;
    fs::create_directory(room / "empty");
    fs::create_directory(room / "foreign");
    std::ofstream{room / "foreign/notes.txt"} << "mine";
    fs::create_directory(room / "rubbish");
    std::ofstream{room / "rubbish/00000000000000000000.log"} << "not a segment";
    for (const char* command : {"verify", "dump"}) {
        const finished missing = run({FERRY_BINARY, command, room / "missing"});
        CHECK(missing.status == 3);
        CHECK(missing.err.find("missing") != std::string::npos);
        CHECK(run({FERRY_BINARY, command, room / "foreign/notes.txt"}).status == 3);
        const finished empty = run({FERRY_BINARY, command, room / "empty"});
        CHECK(empty.status == 3);
        CHECK(empty.err.find("holds no spool") != std::string::npos);
        CHECK(run({FERRY_BINARY, command, room / "foreign"}).status == 3);
        const finished rubbish = run({FERRY_BINARY, command, room / "rubbish"});
        CAPTURE(rubbish.err);
        CHECK(rubbish.status == 6);
        CHECK(rubbish.err.find(command == std::string{"verify"} ? "00000000000000000000.log"
                                                                : "ferry verify ") != std::string::npos);
        CHECK(run({FERRY_BINARY, command}).status == 2);
        CHECK(run({FERRY_BINARY, command, room / "a", room / "b"}).status == 2);
        CHECK(run({FERRY_BINARY, command, room / "a", "--bogus"}).status == 2);
    }
    CHECK(fs::is_empty(room / "empty"));
}
