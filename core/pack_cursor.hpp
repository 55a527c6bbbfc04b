// A bounded walk over msgpack bytes, and the writer that makes them: what batches, the spool protocol and the
// spool's state records are read and written with.
//
// The cursor never allocates, copies, throws or goes beyond its bytes; the first thing that is not what was
// asked for makes it bad for good, so a reader asks for everything and looks at `good()` once at the end.
// msgpack-c builds an object tree; at millions of messages a second only a walk in place will do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ferry {

class pack_cursor {
  public:
    explicit pack_cursor(std::string_view bytes) : at_{bytes.data()}, end_{bytes.data() + bytes.size()} {}

    bool good() const noexcept { return good_; }
    bool at_end() const noexcept { return at_ == end_; }
    const char* position() const noexcept { return at_; }
    void fail() noexcept { good_ = false; }

    /// Number of elements that follow. A count that its bytes cannot hold makes the cursor bad.
    std::uint32_t array();
    std::uint32_t map();

    std::uint64_t number();  ///< an unsigned integer
    std::int64_t integer();  ///< a signed one
    bool boolean();
    std::string_view text();   ///< str
    std::string_view bytes();  ///< bin, or str
    bool nil();                ///< takes a nil if one is next
    bool empty_map();          ///< the same of a map without entries

    /// Takes what most items of a batch are, an array of one bin of up to 255 bytes, if one is next.
    bool take_short_item(std::string_view& payload) noexcept {
        const auto left = static_cast<std::size_t>(end_ - at_);
        if (left < 3 || peek() != 0x91 || static_cast<std::uint8_t>(at_[1]) != 0xC4) return false;
        const auto size = static_cast<std::uint8_t>(at_[2]);
        if (left < std::size_t{3} + size) return false;
        payload = {at_ + 3, size};
        at_ += 3 + size;
        return true;
    }

    bool next_is_text() const noexcept;
    bool next_is_bytes() const noexcept;
    bool next_is_map() const noexcept;

    /// Steps over one value, at most `depth_max` levels deep.
    void skip(int depth_max = 8);

  private:
    std::uint8_t peek() const noexcept { return static_cast<std::uint8_t>(*at_); }
    bool room(std::uint64_t size) noexcept;
    std::uint64_t big_endian(std::size_t size);
    std::string_view run(std::uint64_t size);
    std::uint32_t counted(std::uint32_t count, std::uint32_t each);

    const char* at_;
    const char* end_;
    bool good_ = true;
};

/// Appends msgpack values to a string, always in their shortest form.
class pack_writer {
  public:
    explicit pack_writer(std::string& out) : out_{out} {}

    pack_writer& array(std::uint32_t count);
    pack_writer& map(std::uint32_t count);
    pack_writer& number(std::uint64_t value);
    pack_writer& integer(std::int64_t value);
    pack_writer& boolean(bool value);
    pack_writer& text(std::string_view value);
    pack_writer& bytes(std::string_view value);
    pack_writer& nil();

  private:
    void big_endian(char tag, std::uint64_t value, int size);
    std::string& out_;
};

}  // namespace ferry
