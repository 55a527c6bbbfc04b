// Every record type's payload against the golden bytes of docs/spool_format.md. They were made by another
// msgpack implementation, from the tables of the page.
#include "devices/spool/record_payload.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/batch.hpp"
#include "core/log/checksum.hpp"
#include "devices/spool/state.hpp"
#include "tests/support/page.hpp"

using namespace ferry;
using namespace ferry::records;
using ferry::test::from_hex;
using ferry::test::hex;

namespace {

const std::string some_id = "\x01\x02\x03\x04\x05\x06\x07\x08";

std::string shown(const std::string& digits) {
    return ferry::test::shown("docs/spool_format.md", digits);
}

std::string some_batch() {
    std::string batch;
    append_item(batch, message{"a"});
    append_item(batch, message{frame{"t"}, frame{"b"}});
    return batch;
}

messages_head some_head() {
    return {"", some_id, 3, 7, 1'000'000'000, 1, log::crc32c(some_batch()), {}, {}, {}};
}

// What one side writes, the other must read: the same again, and nothing from fewer bytes.
template <typename Payload>
void holds(const Payload& payload, const std::string& digits) {
    const std::string bytes = pack_struct(payload);
    CHECK(hex(bytes) == shown(digits));
    Payload back;
    REQUIRE(unpack_struct(bytes, back));
    CHECK(pack_struct(back) == bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        Payload cut;
        CHECK_FALSE(unpack_struct(std::string_view{bytes}.substr(0, size), cut));
    }
}

const std::string golden_head = "9cc400c40801020304050607080307ce3b9aca0001cedc112d23909000c0c400";
const std::string golden_batch = "91c4016192c40162c40174";
const std::string golden_stream = "940107c4046a6f62739c0000000000000000000000ce000927c0";
const std::string golden_group =
    "97010701c4067468756d62739acd7530109400cd03e8cd1388cd7530c4056669727374c2ce02932e000093909090c2c2cd03e8cd"
    "23"
    "e"
    "8";
const std::string golden_snapshot =
    "9701c00802919b07c4046a6f62739c0000000000000000000000ce000927c0"
    "cd03eecd03e800989192cd03e9019090c40093c400900093c400900093c400900000"
    "919b01c40674"
    "68756d6273"
    "9acd7530109400cd03e8"
    "cd1388cd7530c4056669727374c2ce02932e000093909090c2c29391cd03edc400c400cd23e89195cd03eb010201009195cd03ec"
    "0110c4"
    "06"
    "6e61636b"
    "6564cf17979c"
    "fe362a00"
    "00"
    "900001909197c400c4080102030405060708c0030ccf17979cfe362a000091940706cd03e890949192cd03e80000cd03ee789700"
    "01"
    "0000"
    "000000c40091"
    "92cf11223344556677889192cd03e802";

}  // namespace

TEST_CASE("record payload: messages are a head and the batch as it was received") {
    CHECK(hex(some_batch()) == golden_batch);
    const std::string payload = pack_struct(some_head()) + some_batch();
    CHECK(hex(payload) == shown(golden_head + golden_batch));

    messages_head head;
    std::string_view batch;
    REQUIRE(split_messages(payload, head, batch));
    CHECK(pack_struct(head) == pack_struct(some_head()));
    CHECK(batch == some_batch());
    CHECK_FALSE(split_messages(payload.substr(0, 20), head, batch));
}

TEST_CASE(
    "record payload: acks, attempt, dead, redrive, marks, removed and appointments have the bytes the page "
    "shows") {
    holds(acks{{{7, 1, {{1000, 3}, {1010, 1}}}}}, "91919307019292cd03e80392cd03f201");
    holds(attempt{7, 1, static_cast<std::uint64_t>(attempt_reason::nacked), {{1000, 3, 2, 1, 0}}},
          "940701019195cd03e803020100");
    holds(dead{7, 1, {{1000, 1, 16, "nacked", 1'700'000'000'000'000'000}}},
          "9307019195cd03e80110c4066e61636b6564cf17979cfe362a0000");
    holds(redrive{7, 1, {{1000, 1}}}, "9307019192cd03e801");
    holds(mark{static_cast<std::uint64_t>(mark_kind::delivered), 7, 1, 16384}, "94010701cd4000");
    holds(mark{static_cast<std::uint64_t>(mark_kind::seen), 7, 1, 16384}, "94050701cd4000");
    holds(mark{static_cast<std::uint64_t>(mark_kind::told), 7, 0, 65536}, "94020700ce00010000");
    calendar found;
    found.add({1'700'003'000'000, 1001, 2, 0}, {1000, 4}, 1'700'006'400'000);
    offset_set read;
    read.add(1000);
    holds(appointments{7, true, 1'700'002'800'000, 3'600'000, read.save(), found.save()},
          "9607c3cf0000018bd0102180ce0036ee80c405000101e80393c40a80bb9981fa62d20f02009000");
    holds(removed{7, static_cast<std::uint64_t>(removal_reason::damage), {{1000, 3}}, 0, 3},
          "9507019192cd03e8030003");
    holds(removed{7, static_cast<std::uint64_t>(removal_reason::dropped), {{1000, 1}}, 1, 1},
          "9507069192cd03e8010101");
}

TEST_CASE("record payload: stream and group settings and producers have the bytes the page shows") {
    const auto set = static_cast<std::uint64_t>(settings_change::set);
    holds(stream_change{set, 7, "jobs", {0}}, golden_stream);
    holds(group_change{set, 7, 1, "thumbs", {}, 1000, 9192}, golden_group);
    const auto seek = static_cast<std::uint64_t>(settings_change::seek);
    CHECK(hex(pack_struct(group_change{seek, 7, 1, "thumbs", {}, 1000, 9192})) ==
          "9703" + golden_group.substr(4));
    holds(producer_change{static_cast<std::uint64_t>(producer_change_kind::epoch_issued), 7, "", some_id,
                          "line-3", 3},
          "960107c400c4080102030405060708c4066c696e652d3303");
}

TEST_CASE("record payload: a commit has the bytes the page shows") {
    holds(commit{{{7, 1, {{1000, 1}}}}, {{8, 500, 2}}, 0x1122334455667788},
          "93919307019192cd03e8019193"
          "08cd01f402cf1122334455667788");
}

TEST_CASE("record payload: fields that a newer version appends are skipped") {
    removed read;
    REQUIRE(unpack_struct(from_hex("9607019192cd03e8030003a36e6577"), read));
    CHECK(read.runs == std::vector<run>{{1000, 3}});
}

TEST_CASE("spool state: a snapshot has the bytes the page shows, and is the state again when loaded") {
    const std::string bytes = from_hex(shown(golden_snapshot));
    const instant now{1'000, 1'700'000'000'000'000'000};
    spool_state state;
    REQUIRE(state.load(bytes, now));
    CHECK(hex(state.save(std::nullopt, now)) == golden_snapshot);

    stream* jobs = state.find("jobs");
    REQUIRE(jobs != nullptr);
    CHECK(jobs->number == 7);
    CHECK(jobs->next == 1006);
    group* thumbs = jobs->find_group("thumbs");
    REQUIRE(thumbs != nullptr);
    CHECK(thumbs->dead_count() == 1);
    CHECK(thumbs->returned_count() == 1);
    CHECK(thumbs->delivered_mark() == 9192);
    CHECK(state.next_stream_number() == 8);

    for (std::size_t size = 0; size < bytes.size(); ++size) {
        spool_state cut;
        CHECK_FALSE(cut.load(std::string_view{bytes}.substr(0, size), now));
    }
}

TEST_CASE("spool state: an orderly stop is told from a run that wrote nothing by its incarnation") {
    const instant now{1'000, 1'700'000'000'000'000'000};
    spool_state stopped;
    REQUIRE(stopped.load(spool_state{}.save(5, now), now));
    CHECK(stopped.stopped_before(6));
    CHECK_FALSE(stopped.stopped_before(7));
    REQUIRE(stopped.apply({.type = log::record_type::stream_settings}, from_hex(golden_stream), now));
    CHECK_FALSE(stopped.stopped_before(6));
}

TEST_CASE("spool state: a record that an older version cannot know is not applied by half") {
    spool_state state;
    const instant now{1'000, 1'700'000'000'000'000'000};
    CHECK_FALSE(state.apply({.type = static_cast<log::record_type>(99)}, from_hex("929090"), now));
}
