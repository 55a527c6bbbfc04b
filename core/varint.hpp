// Varints: numbers that are small most of the time, 7 bits a byte, low bits first; the high bit says that
// more follow. Signed ones are zigzagged before: 0, -1, 1, -2 become 0, 1, 2, 3.
//
//     put_varint(bytes, 300);                      // ac 02
//     std::optional<std::uint64_t> n = take_varint(view);   // and the view is shorter; nothing when cut off
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferry {

inline void put_varint(std::string& into, std::uint64_t value) {
    for (; value >= 128; value >>= 7) into += static_cast<char>(value | 128);
    into += static_cast<char>(value);
}

inline std::optional<std::uint64_t> take_varint(std::string_view& from) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(from.front());
        from.remove_prefix(1);
        value |= std::uint64_t{byte & 127U} << shift;
        if (byte < 128) return value;
    }
    return std::nullopt;
}

/// How far it is from one number to the next, either way.
constexpr std::uint64_t zigzag(std::uint64_t from, std::uint64_t to) {
    const std::uint64_t step = to - from;
    return (step << 1) ^ (step >> 63 != 0 ? ~std::uint64_t{0} : 0);
}
constexpr std::uint64_t unzigzag(std::uint64_t from, std::uint64_t step) {
    return from + ((step >> 1) ^ ((step & 1) != 0 ? ~std::uint64_t{0} : 0));
}

}  // namespace ferry
