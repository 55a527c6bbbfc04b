// What clients say to a spool, message by message.
#include "tests/fuzz/round_trip.hpp"

using namespace ferry;
using namespace ferry::protocol;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view frame = fuzz::as_text(data, size);
    fuzz::messages_come_back<hello, open, put, part, join, leave, credit, ack, nack, release, extend, commit,
                             admin, ping>(frame);
    if (ack message; decode(frame, message)) {
        const std::vector<run> once = each_once(message.runs);
        for (std::size_t i = 1; i < once.size(); ++i)
            fuzz::expect(once[i - 1].end() < once[i].first, "each offset is named once");
    }
    return 0;
}
