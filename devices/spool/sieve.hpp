// The sieve: looks at what a group with a filter would be given next, and skips what it does not want.
//
// What is skipped counts as acked: it is in the turn's acks record and never sent. It is judged when it would
// be given out, in the batch at hand, and judged again whenever it would come again, so nothing needs to be
// remembered. The work of one turn is bounded; what is left is done in the next.
#pragma once

#include "devices/spool/brain_parts.hpp"

namespace ferry {

class sieve {
  public:
    explicit sieve(brain_parts& parts) : parts_{parts} {}

    enum class verdict : std::uint8_t {
        wanted,   ///< all of it
        skipped,  ///< none of it, and it is done with
        unread,   ///< its batch must be read first
        later     ///< enough was looked at in this turn
    };

    /// Judges the messages from the first of `picked` on that are alike; `picked` is cut to them.
    verdict judge(const stream& from, group& whose, tried_run& picked);

    void begin_turn() noexcept { left_ = looks_a_turn; }
    /// This turn looked at as much as it may.
    bool exhausted() const noexcept { return left_ == 0; }

  private:
    static constexpr std::size_t looks_a_turn = 8192;

    brain_parts& parts_;
    std::size_t left_ = looks_a_turn;
};

}  // namespace ferry
