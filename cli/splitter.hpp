// Messages out of bytes that come in pieces, in one of the input formats.
//
// Lines: LF ends a message, a last line without LF counts, an empty line is an empty message, CR stays. `raw`
// makes all of it one message (none when it is empty), `nul` ends messages with a zero byte, `len32` puts a
// 32-bit big-endian length in front of each, `json` is one object a line, and blank lines are passed over.
//
// Failure: throws usage_error for bytes that cannot be read as their format, failure (exit_code::full) for a
// message above the limit.
//
//     splitter messages{in_format::line};
//     messages.add("one\ntw");
//     messages.end();
//     for (message next; messages.next(next);) send(next);   // one, tw
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/formats.hpp"
#include "core/function_ref.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

/// No receiver with ferry's defaults takes more, so no sender starts on it.
inline constexpr std::size_t message_bytes_max = 64 << 20;

class splitter {
  public:
    explicit splitter(in_format format) : format_{format} {}

    void add(std::string_view bytes);
    /// The same of what `append` puts behind the string it is given.
    void add(function_ref<void(std::string&)> append);
    /// Nothing more is added.
    void end() noexcept { at_end_ = true; }
    bool ended() const noexcept { return at_end_; }

    /// The next whole message; false when more bytes are needed, or none are left.
    bool next(message& into);
    /// The same as bytes, good until the next call; of `json` these are its lines.
    bool next(std::string_view& into);

  private:
    bool next_bytes(std::string_view& into);
    bool take_until(char end, std::string_view& into);
    bool take_len32(std::string_view& into);
    bool take_rest(std::string_view& into);
    [[noreturn]] void refuse_size(std::uint64_t bytes) const;

    const in_format format_;
    std::string buffer_;
    std::size_t taken_ = 0;       // bytes at the front of buffer_ that were given out
    std::size_t searched_ = 0;    // bytes behind them without an end mark
    std::uint64_t messages_ = 1;  // the number of the one that is looked for
    bool at_end_ = false;
};

}  // namespace ferry::cli
