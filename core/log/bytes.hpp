// Numbers as little-endian bytes, whatever the machine: the only place where the log turns one into the
// other.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ferry::log {

template <std::unsigned_integral number>
void put_at(char* at, number value) {
    for (std::size_t i = 0; i < sizeof(number); ++i)
        at[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
}

template <std::unsigned_integral number>
void put(std::string& to, number value) {
    char bytes[sizeof(number)];
    put_at(bytes, value);
    to.append(bytes, sizeof bytes);
}

template <std::unsigned_integral number>
number get(const char* at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(number); ++i)
        value |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
    return static_cast<number>(value);
}

/// Takes numbers and byte strings off the front of bytes that may be cut short or hostile. Once something
/// was missing, `good` is false and everything taken is zero or empty, so one check at the end is enough.
class byte_taker {
  public:
    explicit byte_taker(std::string_view bytes) : left_(bytes) {}

    template <std::unsigned_integral number>
    number take() {
        const std::string_view bytes = take_bytes(sizeof(number));
        return bytes.empty() ? number{0} : get<number>(bytes.data());
    }

    std::string_view take_bytes(std::size_t count) {
        if (count > left_.size()) {
            good_ = false;
            left_ = {};
            return {};
        }
        const std::string_view taken = left_.substr(0, count);
        left_.remove_prefix(count);
        return taken;
    }

    bool good() const { return good_; }
    std::size_t left() const { return left_.size(); }

  private:
    std::string_view left_;
    bool good_ = true;
};

}  // namespace ferry::log
