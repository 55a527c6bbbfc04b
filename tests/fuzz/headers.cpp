// The header map of envelopes and batches, and what a spool reads in it: wishes, keys, filters.
#include "core/batch.hpp"
#include "core/header_map.hpp"
#include "devices/spool/filter.hpp"
#include "devices/spool/key_order.hpp"
#include "devices/spool/wishes.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::as_text(data, size);
    constexpr std::uint64_t wall_ms = 1'700'000'000'000;
    std::string problem;
    const auto wanted = read_wishes(bytes, wall_ms, problem);
    if (wanted) {
        fuzz::expect(wanted->wishes.valid(), "wishes that were read are valid");
        fuzz::expect(wanted->id.size() <= 1024, "a message id has at most 1,024 bytes");
    } else {
        fuzz::expect(!problem.empty(), "headers that cannot be obeyed are named");
    }
    item_view item;
    item.headers = bytes;
    static_cast<void>(key_of(item));
    static const filter some{.patterns = {"a.*.c", "b.>"}, .prefixes = {"x"}, .where = {"region=eu", "n=7"}};
    static_cast<void>(some.takes(item));

    const auto headers = read_headers(bytes);
    if (!headers) return 0;
    std::string again;
    pack_writer out{again};
    write_headers(out, *headers);
    const auto back = read_headers(again);
    fuzz::expect(back && *back == *headers, "headers come back");
    return 0;
}
