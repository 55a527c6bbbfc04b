// The sequence numbers that make losses countable, at both ends.
//
// A publisher numbers each topic's messages from 1. Its table is bounded: a topic that fell out and comes
// back starts again at 1 under a new epoch, so that a subscriber does not take the fresh start for old
// messages. A subscriber holds the last number of each (publisher, topic) it has heard: a jump is a gap, a
// lower number or an older epoch a duplicate, a newer epoch a fresh start.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/bounded_table.hpp"
#include "ferry/message.hpp"

namespace ferry {

class numbering {
  public:
    explicit numbering(std::size_t topics_max) : topics_{topics_max} {}

    struct number {
        std::uint64_t epoch = 0;
        std::uint64_t sequence = 0;
    };

    /// The number the topic's next message gets. It is used up only by `use`.
    number next(std::string_view topic);
    /// Only right after `next` of the same topic: it, and those that follow it, are used up.
    void use(std::uint64_t messages = 1) { last_->sequence += messages; }

  private:
    bounded_table<number> topics_;  // the last number used
    number* last_ = nullptr;
    std::uint64_t epoch_ = 1;
};

class heard {
  public:
    explicit heard(std::size_t topics_max) : topics_{topics_max} {}

    struct verdict {
        std::uint64_t duplicates = 0;  ///< so many of the first had come before
        std::uint64_t lost_from = 0;   ///< 0 = nothing was lost
        std::uint64_t lost_to = 0;
    };

    /// What the number of the first of some messages says, which just came and follow each other.
    verdict judge(const stamp& first, std::string_view topic, std::uint64_t messages = 1);

  private:
    bounded_table<numbering::number> topics_;
    std::string key_;
};

}  // namespace ferry
