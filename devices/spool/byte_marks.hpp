// How many bytes stand below each offset of a stream, in a few kilobytes.
//
// A mark for every batch, until there are 256; then every second one goes, and further marks stand twice as
// far apart. Between two marks all messages count alike. So the bytes of a small stream are exact to the
// batch, of a large one to one part in 128 of what it keeps.
//
// Plain durable state of a stream. Nothing fails.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "core/protocol.hpp"

namespace ferry {

class byte_marks {
  public:
    using run = protocol::run;

    /// Messages were stored; they are the last.
    void add(run messages, std::uint64_t bytes);
    /// The bytes of these messages.
    std::uint64_t bytes(run messages) const { return below(messages.end()) - below(messages.first); }
    /// The lowest offset so that the messages from `from` to there have at least so many bytes.
    std::uint64_t offset_after(std::uint64_t from, std::uint64_t bytes_least) const;
    /// Bytes below are not asked for any more.
    void forget_below(std::uint64_t offset);

    struct mark {
        std::uint64_t offset = 0;
        std::uint64_t bytes_below = 0;
        static auto fields(auto& m) { return std::tie(m.offset, m.bytes_below); }
    };
    static auto fields(auto& m) { return std::tie(m.marks_, m.spacing_, m.end_.offset, m.end_.bytes_below); }

  private:
    std::uint64_t below(std::uint64_t offset) const;

    std::vector<mark> marks_;  // by offset
    std::uint64_t spacing_ = 0;
    mark end_;
};

}  // namespace ferry
