// Single messages cut out of a record of many: the payload is whatever, which are wanted is the first piece.
#include "devices/spool/cut.hpp"

#include "core/batch.hpp"
#include "devices/spool/record_payload.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::pieces input{fuzz::as_text(data, size)};
    std::string_view which = input.next();
    const std::string payload{input.next()};
    log::stored_record from;
    from.header.type = log::record_type::messages;
    from.header.flags = static_cast<std::uint8_t>(fuzz::take_number(which, 1));
    from.header.stream = 1;
    from.header.count = static_cast<std::uint32_t>(fuzz::take_number(which, 1));
    from.header.first_offset = 1000;
    from.header.length = static_cast<std::uint32_t>(payload.size());
    from.payload = payload;
    offset_set wanted;
    while (!which.empty()) wanted.add(1000 + fuzz::take_number(which, 1));
    const auto parts = cut(from, wanted);
    if (!parts) return 0;
    offset_set covered;
    for (const outgoing_record& each : *parts) {
        fuzz::expect(each.first_offset >= 1000 && each.first_offset + each.count <= 1000 + from.header.count,
                     "a part lies within its record");
        fuzz::expect(each.count > 0 && !covered.contains(each.first_offset), "parts do not overlap");
        covered.add({each.first_offset, each.count});
        records::messages_head head;
        std::string_view batch;
        const std::string whole = each.head + std::string{each.body.view};
        fuzz::expect(records::split_messages(whole, head, batch), "a part is a messages record");
    }
    for (std::uint64_t offset = 1000; offset < 1000 + from.header.count; ++offset)
        fuzz::expect(!wanted.contains(offset) || covered.contains(offset), "what is wanted is in a part");
    return 0;
}
