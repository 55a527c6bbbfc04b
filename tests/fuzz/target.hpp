// What every fuzz target stands on: an input taken apart, and a property that must hold.
//
// A target is one file with one decoder of foreign bytes. It must not crash, and where there is a way back it
// says more: what was decoded is encoded, decoded again, and must be the same. An input that has several
// parts is a row of pieces, each behind its length in two bytes, low one first; seeds.cpp makes them with
// `append_piece`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace ferry::fuzz {

/// libFuzzer keeps the input of whatever aborts.
inline void expect(bool holds, const char* property) {
    if (holds) return;
    std::fprintf(stderr, "fuzz: does not hold: %s\n", property);
    std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
    return size == 0 ? std::string_view{} : std::string_view{reinterpret_cast<const char*>(data), size};
}

inline void append_piece(std::string& input, std::string_view piece) {
    input += static_cast<char>(piece.size() & 0xFF);
    input += static_cast<char>(piece.size() >> 8 & 0xFF);
    input += piece.substr(0, 0xFFFF);
}

/// The pieces of an input; the last one may be cut short.
class pieces {
  public:
    explicit pieces(std::string_view input) : left_{input} {}

    bool any() const noexcept { return left_.size() >= 2; }
    std::string_view next() {
        if (!any()) return left_ = {};
        const std::size_t size = static_cast<unsigned char>(left_[0]) |
                                 static_cast<std::size_t>(static_cast<unsigned char>(left_[1])) << 8;
        const std::string_view piece = left_.substr(2, size);
        left_.remove_prefix(std::min(left_.size(), size + 2));
        return piece;
    }

  private:
    std::string_view left_;
};

/// Takes a number of so many bytes off the front, low one first; what is missing is zero.
inline std::uint64_t take_number(std::string_view& from, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes && !from.empty(); ++i, from.remove_prefix(1))
        value |= std::uint64_t{static_cast<unsigned char>(from.front())} << (8 * i);
    return value;
}

}  // namespace ferry::fuzz
