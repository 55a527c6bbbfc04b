// The bytes on disk. docs/spool_format.md quotes the golden ones; a change here is a new format version.
#include <doctest/doctest.h>

#include <string>

#include "core/log/adoption.hpp"
#include "core/log/error.hpp"
#include "core/log/footer.hpp"
#include "core/log/record.hpp"
#include "core/log/segment.hpp"
#include "core/log/snapshot.hpp"
#include "tests/support/fault_disk.hpp"

using namespace ferry::log;

namespace {

constexpr std::uint64_t nonce = 0x0123456789abcdef;

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

const record example{.type = record_type::messages,
                     .flags = 1,
                     .stream = 7,
                     .first_offset = 1000,
                     .count = 3,
                     .wall_ns = 1700000000000000000,
                     .head = "hello ",
                     .body = "log"};

std::string encoded(const record& what, position at) {
    std::string bytes;
    encode_record(what, 512, nonce, at, bytes);
    return bytes;
}

}  // namespace

TEST_CASE("record: the golden bytes") {
    CHECK(hex(encoded(example, 1024)) ==
          "a82b588a22e165ef09000000010100000700000003000000e80300000000000000002a36fe9c97170002000000000000"
          "68656c6c6f206c6f6700000000000000");
}

TEST_CASE("record: what is encoded is decoded") {
    const std::string bytes = encoded(example, 1024);
    REQUIRE(bytes.size() == record_bytes(9));
    const auto header = decode_header(bytes.data(), nonce, 1024);
    REQUIRE(header);
    CHECK(header->type == record_type::messages);
    CHECK(header->flags == 1);
    CHECK(header->stream == 7);
    CHECK(header->first_offset == 1000);
    CHECK(header->count == 3);
    CHECK(header->wall_ns == 1700000000000000000);
    CHECK(header->durable == 512);
    CHECK(header->length == 9);
    CHECK(payload_intact(bytes.data(), "hello log", nonce));
    CHECK_FALSE(payload_intact(bytes.data(), "hello lag", nonce));
}

TEST_CASE("record: no bit of header or payload can change unseen") {
    const std::string bytes = encoded(example, 1024);
    for (std::size_t bit = 0; bit < (record_header_bytes + 9) * 8; ++bit) {
        std::string changed = bytes;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        const auto header = decode_header(changed.data(), nonce, 1024);
        if (bit / 8 < record_header_bytes)
            REQUIRE_FALSE(header);
        else
            REQUIRE_FALSE(payload_intact(changed.data(), {changed.data() + record_header_bytes, 9}, nonce));
    }
}

TEST_CASE("record: the same bytes in another segment or place are no record") {
    const std::string bytes = encoded(example, 1024);
    CHECK(decode_header(bytes.data(), nonce, 1024));
    CHECK_FALSE(decode_header(bytes.data(), nonce + 1, 1024));
    CHECK_FALSE(decode_header(bytes.data(), nonce, 1032));
    CHECK_FALSE(decode_header(std::string(record_header_bytes, '\0').data(), nonce, 1024));
}

TEST_CASE("segment header: the golden bytes, and back") {
    const segment_header header{.spool_id = 0x1111111111111111,
                                .nonce = nonce,
                                .base = 65536,
                                .owner_epoch = 3,
                                .previous_base = 512,
                                .previous_end = 60000,
                                .previous_nonce = 0x2222222222222222,
                                .durable = 66048};
    const std::string block = encode_segment_header(header);
    REQUIRE(block.size() == segment_header_bytes);
    CHECK(hex(block.substr(0, 80)) ==
          "46455252594c4f4701000000000000001111111111111111efcdab896745230100000100000000000300000000000000"
          "000200000000000060ea00000000000022222222222222220002010000000000");
    CHECK(block.substr(80, 428) == std::string(428, '\0'));
    CHECK(hex(block.substr(508)) == "1e609b5b");
    const auto back = decode_segment_header(block);
    REQUIRE(back);
    CHECK(back->spool_id == header.spool_id);
    CHECK(back->nonce == nonce);
    CHECK(back->base == 65536);
    CHECK(back->owner_epoch == 3);
    CHECK(back->previous_base == 512);
    CHECK(back->previous_end == 60000);
    CHECK(back->previous_nonce == header.previous_nonce);
    CHECK(back->durable == 66048);
    for (std::size_t at = 0; at < block.size(); ++at) {
        std::string changed = block;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        REQUIRE_FALSE(decode_segment_header(changed));
    }
}

TEST_CASE("segment: names and numbers turn into each other, and nothing else is a segment's name") {
    CHECK(segment_name(512) == "00000000000000000512.log");
    CHECK(segment_base("00000000000000000512.log") == position{512});
    CHECK(segment_base("09223372036854775807.log") == ~cold_bit);
    for (const char* name : {"512.log", "00000000000000000512.txt", "0000000000000000051x.log",
                             "99999999999999999999.log", "00000000000000000512.log.1", ""})
        CHECK_FALSE(segment_base(name));
}

TEST_CASE("segment: a cold one has a directory and a name by where the log stood, and is in no chain") {
    CHECK(segment_name(cold_bit | 4096) == "cold/00000000000000004096.log");
    CHECK(cold_segment_base("00000000000000004096.log") == (cold_bit | 4096));
    CHECK(segment_base("00000000000000004096.log") == 4096);
    CHECK_FALSE(cold_segment_base("09223372036854780000.log"));
    CHECK_FALSE(segment_base("09223372036854780000.log"));
}

TEST_CASE("footer: the golden bytes, and back, columns of unknown kinds included") {
    footer what;
    what.extents.push_back({.stream = 7,
                            .records = 2,
                            .first_offset = 1000,
                            .end_offset = 1006,
                            .from = 66048,
                            .to = 66200,
                            .messages = 6,
                            .bytes = 120});
    what.columns.push_back(
        {.kind = 9, .width = 2, .stream = 7, .first_offset = 1000, .count = 3, .data = "abcdef"});
    const std::string payload = encode_footer(what, 664);
    CHECK(hex(payload) ==
          "01000000010000000700000002000000e803000000000000ee0300000000000000020100000000009802010000000000"
          "060000000000000078000000000000000900020007000000e80300000000000003000000000000006162636465660000"
          "9802000000000000");
    const auto back = decode_footer(payload);
    REQUIRE(back);
    CHECK(back->extents == what.extents);
    CHECK(back->columns == what.columns);
}

TEST_CASE("footer: bytes that contradict themselves are none, whatever they claim to hold") {
    const std::string payload = encode_footer({{{.stream = 1, .from = 8, .to = 16}}, {}}, 99);
    for (std::size_t cut = 0; cut < payload.size(); ++cut)
        REQUIRE_FALSE(decode_footer(payload.substr(0, cut)));
    CHECK_FALSE(decode_footer(payload + "12345678"));
    CHECK_FALSE(decode_footer(std::string(16, '\xff')));
}

TEST_CASE("footer: extents close at 64 KiB and are found by offset") {
    extent_table table;
    position at = 512;
    for (std::uint64_t offset = 0; offset < 400; ++offset) {
        table.add({.type = record_type::messages,
                   .stream = 1 + static_cast<std::uint32_t>(offset % 2),
                   .first_offset = offset / 2,
                   .count = 1},
                  at, at + 1024);
        at += 1024;
    }
    const std::vector<extent> all = table.all();
    CHECK(all.size() == 14);
    for (const extent& e : all) CHECK(e.to - e.from <= extent_table::span_bytes + 1024);
    const auto above = extents_above(all, 2, 150);
    REQUIRE_FALSE(above.empty());
    CHECK(above.front().first_offset <= 150);
    CHECK(above.front().end_offset > 150);
    CHECK(extents_above(all, 2, 200).empty());
    CHECK(extents_above(all, 3, 0).empty());
}

TEST_CASE("footer: very many streams make extents wider, not the table larger without bound") {
    extent_table table;
    position at = 512;
    for (std::uint32_t i = 0; i < 60000; ++i) {
        table.add({.type = record_type::messages, .stream = 1 + i % 500, .first_offset = i, .count = 1}, at,
                  at + 4096);
        at += 4096;
    }
    CHECK(table.all().size() <= extent_table::extents_max);
    std::uint64_t messages = 0;
    for (const extent& e : table.all()) messages += e.messages;
    CHECK(messages == 60000);
}

TEST_CASE("snapshot: the golden bytes, and back") {
    ferry::test::fault_disk disk;
    const snapshot what{.spool_id = 0x1111111111111111,
                        .owner_epoch = 3,
                        .nonce = nonce,
                        .at = 70000,
                        .state = {},
                        .segments = {{65536, 70000, 5, {{7, 1000, 1006, 6, 120}}}}};
    const std::string name = snapshot_name(70000);
    CHECK(name == "snapshot-00000000000000070000");
    write_snapshot(disk, name, what, "state");
    CHECK(hex(disk.contents(name)) ==
          "4645525259534e5001000000000000001111111111111111efcdab896745230170110100000000000300000000000000"
          "050000000000000000000000b4db19a3271d5ef7050000007374617465bdaa3064500000000100000000000000000001"
          "00000000007011010000000000050000000000000001000000000000000700000000000000e803000000000000ee0300"
          "000000000006000000000000007800000000000000");
    const auto back = read_snapshot(disk, name);
    REQUIRE(back);
    CHECK(back->state == "state");
    CHECK(back->at == 70000);
    CHECK(back->owner_epoch == 3);
    CHECK(back->spool_id == what.spool_id);
    CHECK(back->segments == what.segments);
}

TEST_CASE("adoption: the golden bytes, and back, and bytes cut short are none") {
    const adoption what{
        {0, 65536}, {{cold_bit | 70000, cold_bit | 70680, 5, {{7, 3, 4, 1, 56}, {7, 1000, 1006, 2, 112}}}}};
    const std::string bytes = encode_adoption(what);
    CHECK(
        hex(bytes) ==
        "0200000000000000000000000000000000000100000000000100000000000000701101000000008018140100000000800500"
        "0000000000000200000000000000070000000000000003000000000000000400000000000000010000000000000038000000"
        "000000000700000000000000e803000000000000ee0300000000000002000000000000007000000000000000");
    const auto back = decode_adoption(bytes);
    REQUIRE(back);
    CHECK(back->emptied == what.emptied);
    CHECK(back->cold == what.cold);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK_FALSE(decode_adoption(std::string_view{bytes}.substr(0, size)));
}

TEST_CASE("snapshot: a large state comes back, and no byte of the file can change or be missing unseen") {
    ferry::test::fault_disk disk;
    std::string state(600000, '\0');
    for (std::size_t i = 0; i < state.size(); ++i) state[i] = static_cast<char>(i * 31 >> 3);
    const std::string name = snapshot_name(1);
    write_snapshot(disk, name, {.nonce = nonce, .at = 1, .state = {}, .segments = {}}, state);
    CHECK(read_snapshot(disk, name)->state == state);
    const std::string bytes = disk.contents(name);
    for (std::size_t at = 0; at < bytes.size(); at += at < 200 ? 1 : 9973) {
        const char changed = static_cast<char>(bytes[at] ^ 4);
        disk.overwrite(name, at, {&changed, 1});
        REQUIRE_FALSE(read_snapshot(disk, name));
        disk.overwrite(name, at, {&bytes[at], 1});
    }
    for (const std::size_t size : {std::size_t{0}, std::size_t{63}, std::size_t{64}, bytes.size() - 1}) {
        disk.put_file(name, bytes.substr(0, size));
        REQUIRE_FALSE(read_snapshot(disk, name));
    }
    disk.put_file(name, bytes + "x");
    CHECK_FALSE(read_snapshot(disk, name));
}
