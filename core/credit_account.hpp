// What a consumer lets its spool send: messages it holds, and bytes and frames it was sent and has not read.
//
// Limits count from the JOIN, as running totals; what was held then takes its share of them. Of bytes the
// credit begins small: what is sent over a slow line queues up in front of it, a lease may be over before its
// message is through, and whoever is behind the queue seems dead. When as much as is allowed came quickly,
// twice as much is allowed, up to the consumer's own limit; on a fast line that takes milliseconds.
//
// A state machine: it neither sends nor reads a clock.
//
//     credit.read(frame_bytes); credit.settled(1);
//     if (const auto more = credit.worth_telling(idle)) send(CREDIT(channel, more->messages, ...));
#pragma once

#include <cstdint>
#include <optional>

namespace ferry {

class credit_account {
  public:
    struct limits {
        std::uint64_t messages = 0, bytes = 0, frames = 0;
    };

    /// So many messages may be held, and so many bytes be under way or unread.
    credit_account(std::uint64_t messages, std::uint64_t bytes);

    /// A new channel; the consumer holds so many already.
    void joined(std::uint64_t held);

    /// Messages are the consumer's no more: settled, lost, or (a reader's) handed out.
    void settled(std::uint64_t messages) noexcept { settled_ += messages; }
    /// A frame came, or a piece of one.
    void received(std::uint64_t bytes, std::uint64_t now_ns);
    /// A frame was handed out to its end.
    void read(std::uint64_t bytes) noexcept;

    /// The credit, when it is worth telling the spool: it grew by a good part, or the consumer has nothing to
    /// do.
    std::optional<limits> worth_telling(bool idle);

  private:
    std::uint64_t messages_most_, bytes_most_;
    std::uint64_t bytes_allowed_;
    std::uint64_t held_at_join_ = 0;
    std::uint64_t settled_ = 0, bytes_read_ = 0, frames_read_ = 0;
    limits told_;
    std::uint64_t measured_bytes_ = 0, measured_from_ns_ = 0;
};

}  // namespace ferry
