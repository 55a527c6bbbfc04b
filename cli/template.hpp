// The template of -F: `{topic} {payload}\n`, prepared once and filled for each message.
//
// Fields: {topic} {payload} {payload:hex} {payload:b64} {size} {ts} {n} {h.NAME}, and of a taken message
// {offset} {attempt} {stream} {group}. Escapes: \n \t \r \0 \\ \xHH; `{{` and `}}` are braces.
//
// Failure: throws usage_error for an unknown field or escape, before anything is printed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/message.hpp"

namespace ferry::cli {

/// What is known of a message that a spool delivered.
struct delivered_as {
    std::string_view stream;
    std::string_view group;
    std::uint64_t offset = 0;
    std::uint64_t attempt = 0;  ///< 0 = read in passing, without a group
    std::uint64_t time_ns = 0;  ///< when it was stored; 0 = not known
    std::string_view reason{};  ///< why it is a dead letter; empty when it is none

    /// A group had it, or has it as a dead letter that nobody was given (attempt 0).
    bool of_group() const noexcept { return attempt > 0 || !reason.empty(); }
};

/// What a template is filled from.
struct printed_message {
    const message& content;
    const delivered_as* delivered;  ///< nullptr for what no spool delivered
    std::uint64_t number;
    std::uint64_t time_ns;
};

class output_template {
  public:
    /// `durable` says whether messages come from a spool.
    output_template(std::string_view text, bool durable);

    void fill(std::string& out, const printed_message& from) const;

  private:
    enum class field : std::uint8_t {
        literal,
        topic,
        payload,
        payload_hex,
        payload_b64,
        size,
        ts,
        n,
        header,
        offset,
        attempt,
        stream,
        group
    };
    struct part {
        field what;
        std::string text;  // the literal, or the header's name
    };
    void add_literal(char c);
    void add_field(std::string_view name, bool durable);

    std::vector<part> parts_;
};

}  // namespace ferry::cli
