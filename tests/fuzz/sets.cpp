// What a snapshot keeps as packed bytes: sets of offsets, message ids, calendars, lanes; and varints.
#include "core/offset_set.hpp"
#include "core/varint.hpp"
#include "devices/spool/calendar.hpp"
#include "devices/spool/id_window.hpp"
#include "devices/spool/lanes.hpp"
#include "tests/fuzz/round_trip.hpp"

using namespace ferry;

namespace {

void set(std::string_view bytes) {
    offset_set first;
    if (!first.load(bytes)) return;
    offset_set second;
    fuzz::expect(second.load(first.save()), "a saved set is one");
    fuzz::expect(second.count() == first.count() && first.count_common(second) == first.count(),
                 "a set comes back");
    fuzz::expect(first.count({0, ~std::uint64_t{0}}) == first.count() || first.contains(~std::uint64_t{0}),
                 "a set counts its members");
}

void ids(std::string_view bytes) {
    id_window first;
    if (!first.load(bytes)) return;
    id_window second;
    fuzz::expect(second.load(first.save()) && second.size() == first.size(), "an id window comes back");
}

void times(std::string_view bytes) {
    calendar::saved packed;
    if (!unpack_struct(bytes, packed)) return;
    calendar first;
    if (!first.merge(packed)) return;
    calendar second;
    fuzz::expect(second.merge(first.save()) && second.near_count() == first.near_count() &&
                     second.next_ms() == first.next_ms() && second.buckets().size() == first.buckets().size(),
                 "a calendar comes back");
    for (std::uint64_t last = 0; first.near_count() > 0;) {
        const appointment next = first.pop();
        fuzz::expect(next.ms >= last, "appointments come in the order of their times");
        last = next.ms;
    }
}

void all_lanes(std::string_view bytes) {
    lanes::saved packed;
    if (!unpack_struct(bytes, packed)) return;
    lanes first;
    if (!first.load(packed)) return;
    lanes second;
    fuzz::expect(second.load(first.save()), "saved lanes are lanes");
    fuzz::expect(pack_struct(second.save()) == pack_struct(first.save()), "lanes come back");
}

void number(std::string_view bytes) {
    std::string_view left = bytes;
    const auto value = take_varint(left);
    if (!value) return;
    std::string again;
    put_varint(again, *value);
    std::string_view back = again;
    fuzz::expect(take_varint(back) == value && back.empty(), "a varint comes back");
    fuzz::expect(unzigzag(7, zigzag(7, *value)) == *value, "a step comes back");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::as_text(data, size);
    set(bytes);
    ids(bytes);
    times(bytes);
    all_lanes(bytes);
    number(bytes);
    return 0;
}
