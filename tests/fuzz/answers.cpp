// What a spool says to its clients, message by message.
#include "tests/fuzz/round_trip.hpp"

using namespace ferry;
using namespace ferry::protocol;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::messages_come_back<welcome, error, opened, stored, refused, joined, deliver, done, result, pong>(
        fuzz::as_text(data, size));
    return 0;
}
