// What became of the messages of one batch. Their receipts share it; the session that sent the batch settles
// it, each message once.
//
// Nearly always the whole batch has one fate, which is one piece. It has more when the spool knew some of its
// messages already (by their message id), or had room for the first ones only.
//
// Threads: none of its own; whoever shares it guards it, but for `plainly_stored`, which any thread may ask.
// Nothing fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ferry {

struct message_fate {
    enum class state : std::uint8_t { pending, stored, refused };
    state is = state::pending;
    bool duplicate = false;    ///< stored before, at `offset`
    std::uint64_t offset = 0;  ///< when stored
};

class batch_fate {
  public:
    /// Messages `index` .. `index + count - 1` of the batch; the first of them is at `offset`.
    void stored(std::uint64_t index, std::uint64_t count, std::uint64_t offset, bool duplicate);
    /// A code of the protocol, and words.
    void refused(std::uint64_t index, std::uint64_t count, std::string_view code, std::string_view reason);

    message_fate of(std::uint64_t index) const;
    /// The offset of a message that was stored as most are: not before, and behind the one before it.
    std::optional<std::uint64_t> plainly_stored(std::uint64_t index) const noexcept {
        if (index >= plain_.load(std::memory_order_acquire)) return std::nullopt;
        return plain_offset_ + index;
    }
    bool pending(std::uint64_t index) const { return of(index).is == message_fate::state::pending; }
    /// How many messages have a fate, whichever they are: a refused part may be told before a stored one.
    std::uint64_t settled() const noexcept { return settled_; }

    /// Why that message was refused; empty when it was not.
    std::string code(std::uint64_t index) const;
    std::string reason(std::uint64_t index) const;
    /// Why the one that was refused last was; empty when none was.
    std::string code() const { return whys_.empty() ? std::string{} : whys_.back().code; }
    std::string reason() const { return whys_.empty() ? std::string{} : whys_.back().reason; }

  private:
    struct piece {
        std::uint64_t index = 0;
        std::uint64_t count = 0;
        message_fate fate;
        std::uint64_t why = 0;  // of `whys_`, from 1 on, when it was refused
    };
    struct why {
        std::string code, reason;
    };
    void add(const piece& settled);
    const piece* holder_of(std::uint64_t index) const;
    why why_of(std::uint64_t index) const;

    std::vector<piece> pieces_;  // by index
    std::uint64_t settled_ = 0;
    std::vector<why> whys_;
    std::atomic<std::uint64_t> plain_{0};  // so many from the first one are stored, from this offset on,
    std::uint64_t plain_offset_ = 0;       // which does not change once there are some
};

}  // namespace ferry
