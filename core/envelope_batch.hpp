// A batch in an envelope: many small messages of one topic in one (docs/wire.md).
//
//     [topic] [batch header] [items]
//
// The items are those of core/batch.hpp. The header's stamp is the first message's; the others' numbers
// follow on. What an item says of its topic stands before the frame's.
//
// Failure: foreign frames never throw; `open` and `next` say why not.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/batch.hpp"
#include "ferry/message.hpp"

namespace ferry {

inline constexpr std::string_view envelope_batch_magic{
    "\xC1"
    "fy\x02",
    4};

/// The second frame. Sequence 0: its messages are not counted.
std::string encode_batch_header(const stamp& first, std::uint64_t messages);

/// A received batch, of which one message after the other is taken.
class envelope_batch {
  public:
    static bool is_one(std::span<const frame> frames) {
        return frames.size() == 3 && frames[1].view().starts_with(envelope_batch_magic);
    }

    /// Takes the frames of one; empty when that worked, else why not.
    const char* open(std::span<frame> frames);

    std::string_view topic() const noexcept { return topic_.view(); }
    /// Of the next message. Epoch 0: the sender does not say who it is.
    const stamp& sent_by() const noexcept { return sent_by_; }
    /// Messages that were not taken.
    std::uint64_t left() const noexcept { return left_; }

    /// The next message. When its bytes are none, or there are fewer than the header says, it is empty, and
    /// nothing can be taken any more.
    std::optional<message> next() {
        std::optional<message> taken;
        take(taken);
        return taken;
    }
    /// The same, into an empty place.
    void take(std::optional<message>& into);
    /// Passes over some, whether their bytes are there or not.
    void skip(std::uint64_t messages);
    /// Gives up what was not taken, and says how much that is.
    std::uint64_t drop() noexcept { return std::exchange(left_, 0); }

  private:
    void step() noexcept;
    frame part(std::string_view bytes) const;

    frame topic_;
    std::shared_ptr<const frame> items_;
    batch_cursor cursor_{{}};
    stamp sent_by_;
    std::uint64_t left_ = 0;
};

}  // namespace ferry
