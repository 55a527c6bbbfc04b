// Prints messages on stdout in the format asked for.
//
// Lines are gathered until `flush`: call it before waiting, so that a reader sees a message as soon as
// nothing follows at once. A reader that closed its end is no failure: `output_closed` is thrown, and the
// command ends quietly with 0. A reader that does not read cannot keep a command from stopping.
//
//     output out{context, flags.out};
//     out.print(message);
//     out.flush();
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/formats.hpp"
#include "cli/template.hpp"
#include "ferry/context.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

struct output_options {
    std::optional<out_format> format;
    std::optional<std::string> form;  ///< a template takes the place of a format
    decoding decode = decoding::none;
};

/// Thrown when whoever read stdout is gone.
struct output_closed {};

class output {
  public:
    /// `durable`: messages come from a spool. Throws usage_error for options that contradict each other.
    output(ferry::context& context, const output_options& options, bool durable = false);

    /// Throws output_closed, or failure when stdout cannot be written.
    void print(const message& content, const delivered_as* delivered = nullptr);
    /// One line of text of the command's own.
    void line(std::string_view text);
    void flush();

    std::uint64_t printed() const noexcept { return printed_; }
    /// Messages of which the first byte, and the last, was written. Of those that were printed and flushed it
    /// is fewer when a flush gave up or threw, and one may be begun and not written then.
    std::uint64_t begun() const noexcept { return begun_; }
    std::uint64_t written() const noexcept { return written_; }

  private:
    void add_json(const printed_message& from);
    void add_for_terminal(const message& content);
    void add_len32(std::string_view bytes);
    bool wait_until_writable();
    void end_of_flush(std::size_t bytes_left);

    ferry::context& context_;
    out_format format_;
    decoding decode_;
    std::optional<output_template> form_;
    bool pipe_;
    std::string pending_;
    std::vector<std::size_t> starts_;  // of the messages in `pending_`
    std::uint64_t printed_ = 0;
    std::uint64_t begun_ = 0;
    std::uint64_t written_ = 0;
};

}  // namespace ferry::cli
