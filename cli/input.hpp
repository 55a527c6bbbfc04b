// Where a sender's messages come from: an argument, files, or stdin in one of the formats.
//
// Lines: LF ends a message, a last line without LF counts, an empty line is an empty message, CR stays.
// `raw` makes all of stdin one message (none when it is empty), `nul` ends messages with a zero byte, `len32`
// puts a 32-bit big-endian length in front of each, `json` is one object a line. Reading waits for bytes,
// the deadline and the stop signal at once.
//
// Failure: throws usage_error for input that cannot be read as its format, failure for files and for a
// message above the limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/formats.hpp"
#include "ferry/context.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

/// No receiver with ferry's defaults takes more, so no sender starts on it.
inline constexpr std::size_t message_bytes_max = 64 << 20;

struct input_options {
    std::optional<in_format> format;  ///< the command's default when absent
    std::vector<std::string> files;
};

class input {
  public:
    enum class state : std::uint8_t { message, end, timed_out, stopped };
    using time = std::chrono::steady_clock::time_point;

    /// `argument` is the MESSAGE word, if one was given: `-` is stdin, anything else the message itself.
    /// Throws usage_error when there is nothing to read but a terminal.
    input(ferry::context& context, const input_options& options, in_format otherwise,
          std::optional<std::string> argument);
    ~input();
    input(const input&) = delete;
    input& operator=(const input&) = delete;

    /// The next message into `into`.
    state next(message& into, std::optional<time> deadline = std::nullopt);

    /// True when the one message is the argument, which `-n N` repeats.
    bool from_argument() const noexcept { return argument_.has_value(); }
    bool is_json() const noexcept { return format_ == in_format::json; }

  private:
    state next_bytes(std::string& into, std::optional<time> deadline);
    state next_file(std::string& into);
    bool take_buffered(std::string& into);
    bool take_until(char end, std::string& into);
    bool take_len32(std::string& into);
    bool take_rest(std::string& into);
    state fill(std::optional<time> deadline);
    [[noreturn]] void refuse_size(std::uint64_t bytes) const;

    ferry::context& context_;
    in_format format_;
    std::optional<std::string> argument_;
    std::vector<std::string> files_;
    std::size_t files_read_ = 0;
    std::uint64_t messages_ = 0;
    std::string buffer_;
    std::size_t taken_ = 0;     // bytes at the front of buffer_ that were given out
    std::size_t searched_ = 0;  // bytes behind them without an end mark
    bool at_end_ = false;
};

/// The whole of a file. Throws failure: not_found, denied or failed, naming it; full above the limit.
std::string read_file(const std::string& path, std::uint64_t bytes_max);

}  // namespace ferry::cli
