// Byte examples of the pages in docs/: a test encodes them, and the page must show the very same bytes.
//
//     CHECK(hex(frame) == shown("docs/wire.md", "93010203"));
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace ferry::test {

inline std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
        text += digits[static_cast<unsigned char>(byte) >> 4];
        text += digits[static_cast<unsigned char>(byte) & 15];
    }
    return text;
}

inline std::string from_hex(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes += static_cast<char>(std::stoi(std::string{text.substr(i, 2)}, nullptr, 16));
    return bytes;
}

/// Gives the digits back after checking that the page holds them, however it breaks and spaces them.
inline std::string shown(const std::string& page, const std::string& digits) {
    std::ifstream in{std::string{FERRY_SOURCE_DIR} + '/' + page, std::ios::binary};
    REQUIRE(in.good());
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
    INFO(page << " does not show " << digits);
    CHECK(text.find(digits) != std::string::npos);
    return digits;
}

}  // namespace ferry::test
