#include "core/pack_cursor.hpp"

#include <endian.h>

#include <cstring>
#include <limits>

namespace ferry {
namespace {

template <typename Number>
Number read_as(const char* from) {
    Number value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

}  // namespace

bool pack_cursor::room(std::uint64_t size) noexcept {
    if (good_ && size <= static_cast<std::uint64_t>(end_ - at_)) return true;
    good_ = false;
    return false;
}

// msgpack knows numbers of 1, 2, 4 and 8 bytes.
std::uint64_t pack_cursor::big_endian(std::size_t size) {
    if (!room(size)) return 0;
    const char* const from = at_;
    at_ += size;
    switch (size) {
        case 1:
            return read_as<std::uint8_t>(from);
        case 2:
            return be16toh(read_as<std::uint16_t>(from));
        case 4:
            return be32toh(read_as<std::uint32_t>(from));
        default:
            return be64toh(read_as<std::uint64_t>(from));
    }
}

std::string_view pack_cursor::run(std::uint64_t size) {
    if (!room(size)) return {};
    const std::string_view result{at_, static_cast<std::size_t>(size)};
    at_ += size;
    return result;
}

// Each element takes at least a byte: a larger count is a lie.
std::uint32_t pack_cursor::counted(std::uint32_t count, std::uint32_t each) {
    return room(std::uint64_t{count} * each) ? count : 0;
}

std::uint32_t pack_cursor::array() {
    if (!room(1)) return 0;
    const std::uint8_t tag = peek();
    ++at_;
    if ((tag & 0xF0) == 0x90) return counted(tag & 0x0F, 1);
    if (tag == 0xDC) return counted(static_cast<std::uint32_t>(big_endian(2)), 1);
    if (tag == 0xDD) return counted(static_cast<std::uint32_t>(big_endian(4)), 1);
    good_ = false;
    return 0;
}

std::uint32_t pack_cursor::map() {
    if (!room(1)) return 0;
    const std::uint8_t tag = peek();
    ++at_;
    if ((tag & 0xF0) == 0x80) return counted(tag & 0x0F, 2);
    if (tag == 0xDE) return counted(static_cast<std::uint32_t>(big_endian(2)), 2);
    if (tag == 0xDF) return counted(static_cast<std::uint32_t>(big_endian(4)), 2);
    good_ = false;
    return 0;
}

std::uint64_t pack_cursor::number() {
    if (!room(1)) return 0;
    if (peek() == 0xCF) {
        ++at_;
        return big_endian(8);
    }
    const std::int64_t value = integer();
    if (value < 0) good_ = false;
    return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

std::int64_t pack_cursor::integer() {
    if (!room(1)) return 0;
    const std::uint8_t tag = peek();
    ++at_;
    if (tag <= 0x7F) return tag;
    if (tag >= 0xE0) return static_cast<std::int8_t>(tag);
    switch (tag) {
        case 0xCC:
            return static_cast<std::int64_t>(big_endian(1));
        case 0xCD:
            return static_cast<std::int64_t>(big_endian(2));
        case 0xCE:
            return static_cast<std::int64_t>(big_endian(4));
        case 0xD0:
            return static_cast<std::int8_t>(big_endian(1));
        case 0xD1:
            return static_cast<std::int16_t>(big_endian(2));
        case 0xD2:
            return static_cast<std::int32_t>(big_endian(4));
        case 0xD3:
            return static_cast<std::int64_t>(big_endian(8));
        case 0xCF:
            if (const std::uint64_t value = big_endian(8); value <= std::numeric_limits<std::int64_t>::max())
                return static_cast<std::int64_t>(value);
            break;
        default:
            break;
    }
    good_ = false;
    return 0;
}

bool pack_cursor::boolean() {
    if (!room(1) || (peek() != 0xC2 && peek() != 0xC3)) {
        good_ = false;
        return false;
    }
    return static_cast<std::uint8_t>(*at_++) == 0xC3;
}

std::string_view pack_cursor::text() {
    if (!room(1)) return {};
    const std::uint8_t tag = peek();
    ++at_;
    if ((tag & 0xE0) == 0xA0) return run(tag & 0x1F);
    if (tag >= 0xD9 && tag <= 0xDB) return run(big_endian(std::size_t{1} << (tag - 0xD9)));
    good_ = false;
    return {};
}

std::string_view pack_cursor::bytes() {
    if (next_is_text()) return text();
    if (!room(1)) return {};
    const std::uint8_t tag = peek();
    ++at_;
    if (tag >= 0xC4 && tag <= 0xC6) return run(big_endian(std::size_t{1} << (tag - 0xC4)));
    good_ = false;
    return {};
}

bool pack_cursor::nil() {
    if (!good_ || at_ == end_ || peek() != 0xC0) return false;
    ++at_;
    return true;
}

bool pack_cursor::empty_map() {
    if (!good_ || at_ == end_ || peek() != 0x80) return false;
    ++at_;
    return true;
}

bool pack_cursor::next_is_text() const noexcept {
    return good_ && at_ != end_ && ((peek() & 0xE0) == 0xA0 || (peek() >= 0xD9 && peek() <= 0xDB));
}

bool pack_cursor::next_is_bytes() const noexcept {
    return good_ && at_ != end_ && peek() >= 0xC4 && peek() <= 0xC6;
}

bool pack_cursor::next_is_map() const noexcept {
    return good_ && at_ != end_ && ((peek() & 0xF0) == 0x80 || peek() == 0xDE || peek() == 0xDF);
}

void pack_cursor::skip(int depth_max) {
    if (depth_max == 0) good_ = false;
    if (!room(1)) return;
    const std::uint8_t tag = peek();
    if ((tag & 0xF0) == 0x90 || tag == 0xDC || tag == 0xDD) {
        for (std::uint32_t left = array(); left > 0 && good_; --left) skip(depth_max - 1);
    } else if (next_is_map()) {
        for (std::uint32_t left = map(); left > 0 && good_; --left) {
            skip(depth_max - 1);
            skip(depth_max - 1);
        }
    } else if (next_is_text() || next_is_bytes()) {
        bytes();
    } else if (tag == 0xC0 || tag == 0xC2 || tag == 0xC3) {
        ++at_;
    } else if (tag == 0xCF) {
        run(9);
    } else if (tag == 0xCA || tag == 0xCB) {
        run(tag == 0xCA ? 5 : 9);
    } else if (tag >= 0xD4 && tag <= 0xD8) {
        run(2 + (std::uint64_t{1} << (tag - 0xD4)));  // fixext: tag, type, data
    } else if (tag >= 0xC7 && tag <= 0xC9) {
        ++at_;
        const std::uint64_t size = big_endian(std::size_t{1} << (tag - 0xC7));
        run(size + 1);
    } else {
        integer();
    }
}

void pack_writer::big_endian(char tag, std::uint64_t value, int size) {
    char bytes[9] = {tag};
    const std::uint64_t first = htobe64(value << (64 - 8 * size));
    std::memcpy(bytes + 1, &first, sizeof first);
    out_.append(bytes, static_cast<std::size_t>(size) + 1);
}

pack_writer& pack_writer::array(std::uint32_t count) {
    if (count < 16)
        out_.push_back(static_cast<char>(0x90 | count));
    else if (count < 0x10000)
        big_endian('\xDC', count, 2);
    else
        big_endian('\xDD', count, 4);
    return *this;
}

pack_writer& pack_writer::map(std::uint32_t count) {
    if (count < 16)
        out_.push_back(static_cast<char>(0x80 | count));
    else if (count < 0x10000)
        big_endian('\xDE', count, 2);
    else
        big_endian('\xDF', count, 4);
    return *this;
}

pack_writer& pack_writer::number(std::uint64_t value) {
    if (value < 0x80)
        out_.push_back(static_cast<char>(value));
    else if (value < 0x100)
        big_endian('\xCC', value, 1);
    else if (value < 0x10000)
        big_endian('\xCD', value, 2);
    else if (value <= std::numeric_limits<std::uint32_t>::max())
        big_endian('\xCE', value, 4);
    else
        big_endian('\xCF', value, 8);
    return *this;
}

pack_writer& pack_writer::integer(std::int64_t value) {
    if (value >= 0) return number(static_cast<std::uint64_t>(value));
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= -32)
        out_.push_back(static_cast<char>(value));
    else if (value >= std::numeric_limits<std::int8_t>::min())
        big_endian('\xD0', bits, 1);
    else if (value >= std::numeric_limits<std::int16_t>::min())
        big_endian('\xD1', bits, 2);
    else if (value >= std::numeric_limits<std::int32_t>::min())
        big_endian('\xD2', bits, 4);
    else
        big_endian('\xD3', bits, 8);
    return *this;
}

pack_writer& pack_writer::boolean(bool value) {
    out_.push_back(value ? '\xC3' : '\xC2');
    return *this;
}

pack_writer& pack_writer::text(std::string_view value) {
    const std::size_t size = value.size();
    if (size < 32)
        out_.push_back(static_cast<char>(0xA0 | size));
    else if (size < 0x100)
        big_endian('\xD9', size, 1);
    else if (size < 0x10000)
        big_endian('\xDA', size, 2);
    else
        big_endian('\xDB', size, 4);
    out_.append(value);
    return *this;
}

pack_writer& pack_writer::bytes(std::string_view value) {
    const std::size_t size = value.size();
    if (size < 0x100)
        big_endian('\xC4', size, 1);
    else if (size < 0x10000)
        big_endian('\xC5', size, 2);
    else
        big_endian('\xC6', size, 4);
    out_.append(value);
    return *this;
}

pack_writer& pack_writer::nil() {
    out_.push_back('\xC0');
    return *this;
}

}  // namespace ferry
