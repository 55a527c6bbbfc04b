// Where a sender's messages come from: an argument, files, or stdin in one of the formats.
//
// stdin is taken apart as cli/splitter.hpp says. Reading waits for bytes, the deadline and the stop signal at
// once.
//
// Failure: throws usage_error for input that cannot be read as its format, failure for files and for a
// message above the limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/formats.hpp"
#include "cli/splitter.hpp"
#include "ferry/context.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

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

    /// The same where `gives_bytes`: a message is what stdin has, nothing more; good until the next call.
    state next(std::string_view& into, std::optional<time> deadline = std::nullopt);
    bool gives_bytes() const noexcept { return !argument_ && files_.empty() && !is_json(); }

    /// True when the one message is the argument, which `-n N` repeats.
    bool from_argument() const noexcept { return argument_.has_value(); }
    bool is_json() const noexcept { return format_ == in_format::json; }

  private:
    state next_file(message& into);
    template <typename Into>
    state next_of_stdin(Into& into, std::optional<time> deadline);
    state fill(std::optional<time> deadline);

    ferry::context& context_;
    const in_format format_;
    std::optional<std::string> argument_;
    std::vector<std::string> files_;
    std::size_t files_read_ = 0;
    splitter stdin_;
};

/// The whole of a file. Throws failure: not_found, denied or failed, naming it; full above the limit.
std::string read_file(const std::string& path, std::uint64_t bytes_max);

}  // namespace ferry::cli
