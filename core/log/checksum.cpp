#include "core/log/checksum.hpp"

#include <array>

#ifdef FERRY_ISAL
#include <isa-l/crc.h>
#endif

namespace ferry::log {
namespace {

constexpr std::uint32_t polynomial_reflected = 0x82F63B78;

// Eight tables let eight bytes be folded in per step ("slicing by 8", Kounavis and Berry, 2005).
constexpr auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> result{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? polynomial_reflected : 0U);
        result[0][byte] = crc;
    }
    for (std::size_t slice = 1; slice < 8; ++slice)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t previous = result[slice - 1][byte];
            result[slice][byte] = (previous >> 8) ^ result[0][previous & 0xFF];
        }
    return result;
}();

std::uint32_t little_endian(const char* at) {
    const auto byte = [at](int i) { return std::uint32_t{static_cast<unsigned char>(at[i])}; };
    return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

}  // namespace

std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t seed) {
    std::uint32_t crc = ~seed;
    while (bytes.size() >= 8) {
        const std::uint32_t low = little_endian(bytes.data()) ^ crc;
        const std::uint32_t high = little_endian(bytes.data() + 4);
        crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
              tables[4][low >> 24] ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^
              tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
        bytes.remove_prefix(8);
    }
    for (const char c : bytes) crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<unsigned char>(c)) & 0xFF];
    return ~crc;
}

#ifdef FERRY_ISAL
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
    // ISA-L wants an int length and a mutable pointer it only reads; it leaves both inversions to the caller.
    constexpr std::size_t step = std::size_t{1} << 30;
    std::uint32_t crc = ~seed;
    while (!bytes.empty()) {
        const std::size_t size = bytes.size() < step ? bytes.size() : step;
        auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
        crc = crc32_iscsi(data, static_cast<int>(size), crc);
        bytes.remove_prefix(size);
    }
    return ~crc;
}
#else
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
    return crc32c_portable(bytes, seed);
}
#endif

}  // namespace ferry::log
