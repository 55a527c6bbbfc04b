// The state a snapshot holds, and records that are applied to it, as after a checksum that held.
//
// The first piece is a snapshot's state (or nothing), then each piece is a record: its header's fields and
// its payload. A spool's log gives each offset once, with one priority and one time, and no attempt before
// that time is marked as due. An input that does otherwise says two things of one message: it may be loaded
// in another way than it was saved, and no more.
#include "devices/spool/state.hpp"

#include <algorithm>

#include "tests/fuzz/target.hpp"

using namespace ferry;

namespace {

bool given_again(const stream* into, const log::record_header& header, std::string_view payload) {
    records::messages_head head;
    std::string_view batch;
    if (!records::split_messages(payload, head, batch)) return false;
    if (into != nullptr && header.first_offset < into->next) return true;
    std::uint64_t told = 0;
    for (const wishes& each : head.wishes) {
        if (each.index < told) return true;
        told = each.index + each.count;
    }
    return false;
}

bool some_not_due(const spool_state& state) {
    return std::ranges::any_of(state.streams(), [](const auto& each) {
        const lanes& of = each.second.lanes;
        std::uint64_t marked = 0;
        for (unsigned priority = 0; priority < lanes::priorities; ++priority)
            marked += of.due(priority).count() + of.due_soon(priority).count();
        return of.late().count() > marked;
    });
}

bool says_two_things(spool_state& state, const log::record_header& header, std::string_view payload) {
    if (header.type == log::record_type::messages)
        return given_again(state.find(header.stream), header, payload);
    const bool of_attempts =
        header.type == log::record_type::attempt || header.type == log::record_type::redrive;
    return of_attempts && some_not_due(state);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const instant now{100'000'000'000, 1'700'000'000'000'000'000};
    fuzz::pieces input{fuzz::as_text(data, size)};
    spool_state first;
    if (const std::string_view saved = input.next(); !saved.empty() && !first.load(saved, now)) return 0;
    bool two_things = false;
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
        two_things = two_things || says_two_things(first, header, piece);
        if (!first.apply(header, piece, now)) return 0;  // the log is refused, and nothing is served
    }
    const std::string saved = first.save(std::nullopt, now);
    spool_state second;
    fuzz::expect(second.load(saved, now), "a state that was saved can be loaded");
    fuzz::expect(two_things || second.save(std::nullopt, now) == saved, "a state comes back");
    return 0;
}
