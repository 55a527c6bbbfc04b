// What stands in the records of a spool's log, each type of record.
#include "devices/spool/record_payload.hpp"
#include "devices/spool/stream.hpp"
#include "tests/fuzz/round_trip.hpp"

using namespace ferry;
using namespace ferry::records;

namespace {

template <typename... Structs>
void all_come_back(std::string_view bytes) {
    (fuzz::struct_comes_back<Structs>(bytes), ...);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::as_text(data, size);
    all_come_back<messages_head, acks, attempt, dead, redrive, mark, commit, stream_change, group_change,
                  producer_change, removed, appointments, group::saved, producer_state>(bytes);
    messages_head head;
    std::string_view batch;
    if (!split_messages(bytes, head, batch)) return 0;
    fuzz::expect(bytes.ends_with(batch), "a batch stands at the end of its record");
    std::string again;
    if (each_id(head.ids, [&](std::uint32_t index, const id_hash& id) { append_id(again, index, id); }))
        fuzz::expect(again == head.ids, "message ids come back");
    return 0;
}
