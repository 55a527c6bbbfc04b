// Snapshot files: raw bytes, and bytes whose checksums were put right, so that the decoder is met behind
// them.
#include "core/log/snapshot.hpp"

#include "core/log/bytes.hpp"
#include "core/log/checksum.hpp"
#include "core/log/error.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/fault_disk.hpp"

using namespace ferry;
using namespace ferry::log;

namespace {

constexpr std::size_t header_bytes = 64;
constexpr std::size_t nonce_at = 24;

// As docs/spool_format.md draws the file: a header, then chunks of {checksum, size, bytes}.
std::string put_right(std::string file) {
    if (file.size() < header_bytes) return file;
    put_at(file.data() + header_bytes - 4, crc32c({file.data(), header_bytes - 4}));
    const auto nonce = get<std::uint64_t>(file.data() + nonce_at);
    std::uint64_t number = 0;
    for (std::size_t at = header_bytes; at + 8 <= file.size(); ++number) {
        const auto size = get<std::uint32_t>(file.data() + at + 4);
        if (size > file.size() - at - 8) break;
        std::string seed;
        put(seed, nonce);
        put(seed, number);
        put(seed, size);
        put_at(file.data() + at, crc32c({file.data() + at + 8, size}, crc32c(seed)));
        at += 8 + size;
    }
    return file;
}

bool reads_and_comes_back(std::string_view bytes) {
    const std::string name = snapshot_name(4096);
    test::fault_disk disk;
    disk.put_file(name, bytes);
    std::optional<snapshot> first;
    try {
        first = read_snapshot(disk, name);
    } catch (const format_error&) {
        return true;  // another version, and said so
    }
    if (!first) return false;
    disk.drop_file(name);
    write_snapshot(disk, name, *first, first->state);
    const auto second = read_snapshot(disk, name);
    fuzz::expect(second && second->state == first->state && second->segments == first->segments &&
                     second->at == first->at && second->spool_id == first->spool_id,
                 "a snapshot comes back");
    return true;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::as_text(data, size);
    reads_and_comes_back(bytes);
    reads_and_comes_back(put_right(std::string{bytes}));
    return 0;
}
