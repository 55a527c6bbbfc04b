// The state a snapshot holds, and records that are applied to it, as after a checksum that held.
//
// The first piece is a snapshot's state (or nothing), then each piece is a record: its header's fields and
// its payload.
#include "devices/spool/state.hpp"

#include "tests/fuzz/target.hpp"

using namespace ferry;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const instant now{100'000'000'000, 1'700'000'000'000'000'000};
    fuzz::pieces input{fuzz::as_text(data, size)};
    spool_state first;
    if (const std::string_view saved = input.next(); !saved.empty() && !first.load(saved, now)) return 0;
    for (int left = 50; left > 0 && input.any(); --left) {
        std::string_view piece = input.next();
        log::record_header header;
        header.type = static_cast<log::record_type>(fuzz::take_number(piece, 1));
        header.flags = static_cast<std::uint8_t>(fuzz::take_number(piece, 1));
        header.stream = static_cast<std::uint32_t>(fuzz::take_number(piece, 1));
        header.count = static_cast<std::uint32_t>(fuzz::take_number(piece, 2));
        header.first_offset = fuzz::take_number(piece, 4);
        header.wall_ns = now.wall_ns;
        header.length = static_cast<std::uint32_t>(piece.size());
        if (!first.apply(header, piece, now)) return 0;  // the log is refused, and nothing is served
    }
    const std::string saved = first.save(std::nullopt, now);
    spool_state second;
    fuzz::expect(second.load(saved, now), "a state that was saved can be loaded");
    fuzz::expect(second.save(std::nullopt, now) == saved, "a state comes back");
    return 0;
}
