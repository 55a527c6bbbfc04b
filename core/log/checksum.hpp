// CRC32C (Castagnoli), the checksum of records, batches and snapshots.
//
// A checksum finds accidents of disk and network; it authenticates nothing. Check value: "123456789" ->
// e3069283.
#pragma once

#include <cstdint>
#include <string_view>

namespace ferry::log {

/// The CRC32C of `bytes`. `seed` is the CRC of what came before, so a checksum can be taken in pieces:
/// crc32c(b, crc32c(a)) == crc32c(a + b).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

/// The same by table, on any machine. Built everywhere and compared with the fast one in the tests.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace ferry::log
