#include "cli/encoding.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace ferry::cli {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t bytes_shown_max = 64;

constexpr std::uint8_t byte_at(std::string_view bytes, std::size_t i) {
    return static_cast<std::uint8_t>(bytes[i]);
}

// The length of the well-formed sequence at `i`, 0 if there is none (table 3-7 of the Unicode standard).
std::size_t sequence_at(std::string_view bytes, std::size_t i) {
    const std::uint8_t lead = byte_at(bytes, i);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                               : (lead & 0xF0) == 0xE0        ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0 || bytes.size() - i < length) return 0;
    const std::uint8_t second = byte_at(bytes, i + 1);
    const std::uint8_t lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (second < lowest || second > highest) return 0;
    for (std::size_t k = 2; k < length; ++k)
        if ((byte_at(bytes, i + k) & 0xC0) != 0x80) return 0;
    return length;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        const std::size_t length = sequence_at(bytes, i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

std::string to_base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = bytes.size() - i;
        const std::uint32_t three = std::uint32_t{byte_at(bytes, i)} << 16 |
                                    (left > 1 ? std::uint32_t{byte_at(bytes, i + 1)} << 8 : 0) |
                                    (left > 2 ? std::uint32_t{byte_at(bytes, i + 2)} : 0);
        text += base64_digits[three >> 18];
        text += base64_digits[three >> 12 & 63];
        text += left > 1 ? base64_digits[three >> 6 & 63] : '=';
        text += left > 2 ? base64_digits[three & 63] : '=';
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool pad = i + padding >= text.size();
        const auto digit = pad ? 0 : base64_digits.find(text[i]);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        if (i % 4 != 3) continue;
        for (const int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 0xFF);
        bits = 0;
    }
    // Bits under the padding must be zero, so that each run of bytes has one text only.
    for (std::size_t k = 0; k < padding; ++k) {
        if (bytes.back() != 0) return std::nullopt;
        bytes.pop_back();
    }
    return bytes;
}

std::string to_hex(std::string_view bytes, std::string_view between) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * (2 + between.size()));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i > 0) text += between;
        text += digits[byte_at(bytes, i) >> 4];
        text += digits[byte_at(bytes, i) & 15];
    }
    return text;
}

std::string for_terminal(std::string_view bytes) {
    if (!is_utf8(bytes)) {
        const bool cut = bytes.size() > bytes_shown_max;
        return fmt::format("<{} byte{} {}{}>", bytes.size(), bytes.size() == 1 ? "" : "s",
                           to_hex(bytes.substr(0, bytes_shown_max), " "), cut ? " ..." : "");
    }
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::uint8_t byte = byte_at(bytes, i);
        // U+0080 to U+009F are control characters as well, and some terminals obey them.
        const bool c1 = byte == 0xC2 && byte_at(bytes, i + 1) < 0xA0;
        if (byte == '\n')
            text += "\\n";
        else if (byte == '\r')
            text += "\\r";
        else if (byte == '\t')
            text += "\\t";
        else if (byte == '\\')
            text += "\\\\";
        else if (byte < 0x20 || byte == 0x7F)
            text += fmt::format("\\x{:02x}", byte);
        else if (c1)
            text += fmt::format("\\u{:04x}", byte_at(bytes, ++i));
        else
            text += bytes[i];
    }
    return text;
}

}  // namespace ferry::cli
