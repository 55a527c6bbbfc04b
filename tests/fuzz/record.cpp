// A record of the log: bytes that were never one, and one of which something changed.
//
// The first piece is nonce, position and fields of a record, the second its payload, the third says which
// bits change.
#include "core/log/record.hpp"

#include "tests/fuzz/target.hpp"

using namespace ferry;
using namespace ferry::log;

namespace {

void spoiled_is_seen(std::string bytes, std::string_view changes, std::uint64_t nonce, position at) {
    const std::string whole = bytes;
    const std::size_t length = bytes.size() - record_header_bytes;
    while (changes.size() >= 3) {
        const auto where = fuzz::take_number(changes, 2) % bytes.size();
        bytes[where] = static_cast<char>(bytes[where] ^ static_cast<char>(fuzz::take_number(changes, 1)));
    }
    const auto header = decode_header(bytes.data(), nonce, at);
    // A checksum of 32 bits may be met by chance, but not within the 4 bytes of one burst.
    std::size_t from = 0, to = whole.size();
    while (from < to && bytes[from] == whole[from]) ++from;
    while (to > from && bytes[to - 1] == whole[to - 1]) --to;
    if (from == to || to - from > 4) return;
    const std::string_view payload = std::string_view{bytes}.substr(record_header_bytes, length);
    fuzz::expect(!header || !payload_intact(bytes.data(), payload, nonce), "a burst of four bytes is seen");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view all = fuzz::as_text(data, size);
    if (all.size() >= record_header_bytes) {
        const auto header = decode_header(all.data(), 0, 0);
        static_cast<void>(payload_intact(all.data(), all.substr(record_header_bytes), 0));
        static_cast<void>(header);
    }
    fuzz::pieces input{all};
    std::string_view fields = input.next();
    const std::string_view payload = input.next();
    const std::uint64_t nonce = fuzz::take_number(fields, 8);
    const position at = fuzz::take_number(fields, 8);
    record one{.type = static_cast<record_type>(fuzz::take_number(fields, 1) % 255 + 1),
               .flags = static_cast<std::uint8_t>(fuzz::take_number(fields, 1)),
               .stream = static_cast<std::uint32_t>(fuzz::take_number(fields, 4)),
               .first_offset = fuzz::take_number(fields, 8),
               .count = static_cast<std::uint32_t>(fuzz::take_number(fields, 4)),
               .wall_ns = fuzz::take_number(fields, 8)};
    one.head = payload.substr(0, payload.size() / 3);
    one.body = payload.substr(one.head.size());
    std::string bytes;
    encode_record(one, at / 2, nonce, at, bytes);
    fuzz::expect(bytes.size() == record_bytes(payload.size()), "a record has the size it should");
    const auto back = decode_header(bytes.data(), nonce, at);
    fuzz::expect(back && back->type == one.type && back->flags == one.flags && back->stream == one.stream &&
                     back->first_offset == one.first_offset && back->count == one.count &&
                     back->wall_ns == one.wall_ns && back->durable == at / 2 &&
                     back->length == payload.size(),
                 "a header comes back");
    fuzz::expect(payload_intact(bytes.data(), payload, nonce), "a payload is the one it was written with");
    fuzz::expect(!decode_header(bytes.data(), nonce, at + 8), "a record is none in another place");
    bytes.resize(record_header_bytes + payload.size());
    spoiled_is_seen(std::move(bytes), input.next(), nonce, at);
    return 0;
}
