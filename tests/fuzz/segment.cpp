// The first block of a segment, and the names of files: raw bytes, and bytes whose checksum was put right.
#include "core/log/segment.hpp"

#include "core/log/bytes.hpp"
#include "core/log/checksum.hpp"
#include "core/log/snapshot.hpp"
#include "tests/fuzz/target.hpp"

using namespace ferry;
using namespace ferry::log;

namespace {

void header_comes_back(std::string_view block) {
    const auto first = decode_segment_header(block);
    if (!first || first->version != format_version) return;
    const std::string again = encode_segment_header(*first);
    fuzz::expect(again.size() == segment_header_bytes, "a header is a block");
    const auto second = decode_segment_header(again);
    fuzz::expect(second && encode_segment_header(*second) == again, "a segment header comes back");
}

void names_come_back(std::string_view name) {
    if (const auto base = segment_base(name))
        fuzz::expect(segment_name(*base) == name, "a segment's name comes back");
    if (const auto base = cold_segment_base(name))
        fuzz::expect(segment_name(*base) == std::string{cold_directory} + "/" + std::string{name},
                     "a cold segment's name comes back");
    if (const auto at = snapshot_position(name))
        fuzz::expect(snapshot_name(*at) == name, "a snapshot's name comes back");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::as_text(data, size);
    names_come_back(bytes);
    header_comes_back(bytes);
    // Its last four bytes are its checksum.
    std::string block{bytes.substr(0, segment_header_bytes)};
    block.resize(segment_header_bytes);
    constexpr std::size_t crc_at = segment_header_bytes - 4;
    put_at(block.data() + crc_at, crc32c({block.data(), crc_at}));
    header_comes_back(block);
    return 0;
}
