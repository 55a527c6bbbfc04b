// How many bytes a sender may have on their way, found by how long they take.
//
// What is sent over a slow line queues up in front of it, and whoever is behind the queue seems dead: its
// sign of life waits its turn. So on a new connection little is let out, and when a good part of it is under
// way a PING follows. Round trips that are quick double the limit until it holds nothing back any more, and
// then nothing is measured; on a fast line that takes milliseconds. One that is slow halves it. A connection
// that ends while it is being measured is followed by one that begins with less.
//
// A state machine: it neither sends nor reads a clock.
//
//     if (flight.room_for(frame.size())) { send(frame); flight.sent(frame.size()); }
//     if (flight.wants_ping()) send(ping{flight.pinged(now_ns)});
//     ...
//     flight.ponged(token, now_ns);
#pragma once

#include <cstdint>

namespace ferry {

class flight {
  public:
    /// With so many bytes under way nothing is held back any more.
    explicit flight(std::uint64_t most);

    std::uint64_t limit() const noexcept { return limit_; }
    /// True when nothing is held back.
    bool free() const noexcept { return limit_ >= most_; }
    /// Something always has room when nothing is under way.
    bool room_for(std::uint64_t bytes) const noexcept {
        return free() || sent_ == arrived_ || sent_ - arrived_ + bytes <= limit_;
    }

    /// A new connection.
    void restart();

    /// So many bytes more; gives how many that makes since the start.
    std::uint64_t sent(std::uint64_t bytes) noexcept { return sent_ += bytes; }
    /// An answer shows that all arrived up to this count of `sent`.
    void arrived(std::uint64_t count) noexcept;

    bool wants_ping() const noexcept {
        return !free() && token_ == 0 && sent_ > arrived_ && sent_ - arrived_ >= limit_ / 4;
    }
    /// A PING leaves now; gives its token.
    std::uint64_t pinged(std::uint64_t now_ns) noexcept;
    /// True when it was the answer to our PING, so that more may have room.
    bool ponged(std::uint64_t token, std::uint64_t now_ns);

  private:
    std::uint64_t most_;
    std::uint64_t start_;
    std::uint64_t limit_;
    std::uint64_t sent_ = 0, arrived_ = 0;
    std::uint64_t token_ = 0;      // of the PING that is under way
    std::uint64_t sent_then_ = 0;  // before it
};

}  // namespace ferry
