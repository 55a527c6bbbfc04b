// The lists of the log that stand behind a checksum: footers, segment lists, adoptions.
#include "core/log/adoption.hpp"
#include "core/log/footer.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;
using namespace ferry::log;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::as_text(data, size);
    if (const auto first = decode_footer(bytes)) {
        const auto second = decode_footer(encode_footer(*first, 4096));
        fuzz::expect(second && second->extents == first->extents && second->columns == first->columns,
                     "a footer comes back");
        static_cast<void>(extents_above(first->extents, 1, 7));
    }
    if (const auto first = decode_segment_list(bytes)) {
        const auto second = decode_segment_list(encode_segment_list(*first));
        fuzz::expect(second && *second == *first, "a list of segments comes back");
    }
    if (const auto first = decode_adoption(bytes)) {
        const auto second = decode_adoption(encode_adoption(*first));
        fuzz::expect(second && second->emptied == first->emptied && second->cold == first->cold,
                     "an adoption comes back");
        adopted_segments all;
        fuzz::expect(all.take(bytes), "an adoption is taken");
    }
    return 0;
}
