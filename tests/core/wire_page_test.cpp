// Every byte example of docs/wire.md, encoded here and looked up there. The examples were made by another
// msgpack implementation, from the tables of the page.
#include <doctest/doctest.h>

#include <string>

#include "core/batch.hpp"
#include "core/envelope.hpp"
#include "core/envelope_batch.hpp"
#include "core/log/checksum.hpp"
#include "core/protocol.hpp"
#include "core/ticket.hpp"
#include "tests/support/page.hpp"

using namespace ferry;
using namespace ferry::protocol;
using ferry::test::hex;

namespace {

constexpr std::uint64_t some_lease = 0x1122334455667788;
const std::string some_id = "\x01\x02\x03\x04\x05\x06\x07\x08";

std::string shown(const std::string& digits) {
    return ferry::test::shown("docs/wire.md", digits);
}

// The page's bytes are what is written, and what is written can be read.
template <typename Message>
void holds(const Message& message, const std::string& digits) {
    const std::string frame = encode(message);
    CHECK(hex(frame) == shown(digits));
    Message back;
    REQUIRE(decode(frame, back));
    CHECK(encode(back) == frame);
    CHECK(kind_of(frame) == Message::id);
}

std::string some_batch() {
    std::string batch;
    append_item(batch, message{"a"});
    append_item(batch, message{frame{"t"}, frame{"b"}});
    return batch;
}

}  // namespace

TEST_CASE("wire page: the envelope's header frame") {
    CHECK(hex(encode_header({some_id, 3, 7, 1'000'000'000}, {{"key", std::string{"a"}}})) ==
          shown("c166790195c40801020304050607080307ce3b9aca0081a36b6579a161"));
}

TEST_CASE("wire page: a batch in an envelope") {
    std::string items;
    append_payload(items, "1");
    append_payload(items, "2");
    CHECK(hex(encode_batch_header({some_id, 3, 7, 1'000'000'000}, 2)) ==
          shown("c166790295c40801020304050607080307ce3b9aca0002"));
    CHECK(hex(items) == shown("91c4013191c40132"));
}

TEST_CASE("wire page: a batch and its checksum") {
    CHECK(hex(some_batch()) == shown("91c4016192c40162c40174"));
    CHECK(log::crc32c(some_batch()) == 0xdc112d23);
    CHECK(log::crc32c(std::string_view{"123456789"}) == 0xe3069283);
    shown("dc112d23");
    shown("e3069283");
}

TEST_CASE("wire page: a queue's tickets, and what its workers say") {
    const std::string requester{"\0\x6b\x8b\x45\x67", 5};
    CHECK(hex(make_ticket(ticket_kind::request, requester)) == shown("c1667101006b8b4567"));
    CHECK(hex(make_ticket(ticket_kind::offer, requester)) == shown("c1667102006b8b4567"));
    CHECK(hex(make_ticket(ticket_kind::given_back, some_id)) == shown("c16671030102030405060708"));
    CHECK(hex(make_notice(ticket_kind::taken, some_id, 0)) == shown("c166710401020304050607080000"));
    const std::string notice = make_notice(ticket_kind::free, some_id, 258);
    CHECK(hex(notice) == shown("c166710501020304050607080102"));
    const auto back = read_ticket(notice);
    REQUIRE(back.has_value());
    CHECK(back->kind == ticket_kind::free);
    CHECK(back->worker == some_id);
    CHECK(back->free == 258);
    CHECK(read_ticket(make_ticket(ticket_kind::offer, requester))->requester == requester);
    CHECK(!read_ticket(notice.substr(1)).has_value());
    CHECK(!read_ticket(notice.substr(0, notice.size() - 1)).has_value());
    CHECK(!read_ticket("\xC1"
                       "fq\x06")
               .has_value());
    CHECK(!read_ticket("\xC1"
                       "fq")
               .has_value());
}

TEST_CASE("wire page: the session's messages") {
    holds(hello{1, "camera 3", 0}, "940101c40863616d657261203300");
    holds(welcome{1,
                  9,
                  {{"frame_bytes_max", std::int64_t{262144}},
                   {"message_bytes_max", std::int64_t{16776192}},
                   {"ping_ms", std::int64_t{2000}}}},
          "9421010983af6672616d655f62797465735f6d6178ce00040000b16d6573736167655f62797465735f6d6178ce00fffc00"
          "a770696e675f6d73cd07d0");
    holds(ping{7, 2}, "930f0702");
    holds(pong{7, 9, 1}, "942a070901");
    holds(protocol::error{0, "no-session", "say HELLO first"},
          "942200c40a6e6f2d73657373696f6ec40f7361792048454c4c4f206669727374");
}

TEST_CASE("wire page: a producer's messages") {
    holds(protocol::open{1, "jobs", "line-3", std::nullopt, 0, {{"create", std::int64_t{1}}}},
          "970201c4046a6f6273c4066c696e652d33c00081a663726561746501");
    holds(opened{1, some_id, 3, 12, 64, 8388608}, "972301c4080102030405060708030c40ce00800000");
    holds(put{1, 0, 1, 2, 1, 0xdc112d23, 1'000'000'000}, "98030100010201cedc112d23ce3b9aca00");
    holds(part{1, 0, 2}, "9404010002");
    holds(stored{1, 9, 14, {{13, 2, 1000, false}}, 0, 65, 8388642},
          "982401090e91940d02cd03e8c20041ce00800022");
    holds(refused{1, 15, 4, "out-of-order", "the batch does not follow the last one stored", 15},
          "9825010f04c40c6f75742d6f662d6f72646572c42d74686520626174636820646f6573206e6f7420666f6c6c6f77207468"
          "65206c"
          "617374206f6e652073746f7265640f00");
}

TEST_CASE("wire page: a consumer's messages") {
    holds(join{2, "jobs", "thumbs", {{"create", std::int64_t{1}}, {"from", std::string{"first"}}}, {}},
          "960502c4046a6f6273c4067468756d627382a663726561746501a466726f6da5666972737490");
    holds(join{2, "jobs", "thumbs", {}, {{some_lease, {{1000, 2}}}}},
          "960502c4046a6f6273c4067468756d627380"
          "9192cf11223344556677889192cd03e802");
    holds(joined{2, 30'000, 1000, {}, 0, 0}, "972602cd7530cd03e8900000");
    holds(credit{2, 1000, 4 << 20, 0}, "950702cd03e8ce0040000000");
    holds(deliver{2, some_lease, 30'000, {{1000, 2, 1, 1'700'000'000'000'000'000}}, 1, 0xdc112d23},
          "972702cf1122334455667788cd75309194cd03e80201cf17979cfe362a000001cedc112d23");
    holds(ack{2, some_lease, {{1000, 3}}}, "940802cf11223344556677889192cd03e803");
    holds(done{2, 9, some_lease, {{1000, 3}}, {}, {}, {}}, "98280209cf11223344556677889192cd03e803909090");
    holds(nack{2, some_lease, {{1000, 1}}, std::nullopt, "broken"},
          "960902cf11223344556677889192cd03e801c0c40662726f6b656e");
    holds(dead{2, some_lease, {{1000, 1}}, "not an image"},
          "950c02cf11223344556677889192cd03e801c40c6e6f7420616e20696d616765");
    holds(release{2, some_lease, {{1001, 2}}}, "940a02cf11223344556677889192cd03e902");
    holds(extend{2, {some_lease}}, "930b0291cf1122334455667788");
    holds(leave{2, 3}, "93060203");
    holds(commit{2, some_lease, {{1000, 1}}, 1, {{"thumbs", 2, 1, 0xdc112d23, 1'000'000'000, 11}}},
          "960d02cf11223344556677889192cd03e801019196c4067468756d62730201cedc112d23ce3b9aca000b");
}

TEST_CASE("wire page: an administrator's messages") {
    holds(admin{1, "stream.info", {{"stream", std::string{"jobs"}}}},
          "940e01c40b73747265616d2e696e666f81a673747265616da46a6f6273");
    holds(result{1, "", "", {{{"name", std::string{"jobs"}}, {"next", std::int64_t{1002}}}}},
          "952901c400c4009182a46e616d65a46a6f6273a46e657874cd03ea");
}
