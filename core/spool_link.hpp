// A client's link to a spool: the greeting, the incarnation, and whether anybody is there.
//
// Shared by the producer's and the consumer's session. A state machine: frames and `now` in, messages out.
// It says HELLO until it is answered, PINGs once an interval, and takes the link for lost when nothing came
// for three intervals, when the spool knows no session, when its incarnation changed, or when a frame of the
// spool did not arrive. Both sides count what they sent and heard in the session, and a PING and its PONG
// say it: a frame that is lost on a connection that goes on would be waited for without end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/protocol.hpp"
#include "core/shared_bytes.hpp"

namespace ferry {

class spool_link {
  public:
    explicit spool_link(std::string client) : client_{std::move(client)} {}

    enum class change : std::uint8_t { none, up, lost, not_mine };

    /// Looks at a frame. `not_mine`: it is for the session's channels. `up` and `lost`: channels are gone and
    /// must be opened (again, once the link is up).
    change frame(std::string_view head, instant now);

    /// Sends what is due. `waiting` says that the session waits for an answer: then silence is noticed
    /// sooner.
    change tick(instant now, bool waiting, std::vector<outgoing_message>& out);
    std::uint64_t next_due_ns(bool waiting) const;

    /// From now on it PINGs so often while the link is up; 0 = once an interval.
    void ping_every(std::uint64_t ns) noexcept { ping_every_ns_ = ns; }

    /// What the session sends passes here, all of it and in order: it is counted, and PINGs say the count.
    std::vector<outgoing_message> counted(std::vector<outgoing_message>&& out);

    /// Drops the session on purpose: the next tick says HELLO.
    void drop() noexcept;

    /// The token of the last PONG: everything sent before its PING was taken in by the spool.
    std::uint64_t last_pong() const noexcept { return last_pong_; }

    bool up() const noexcept { return up_; }
    std::uint64_t incarnation() const noexcept { return incarnation_; }
    /// The session's channel is open in this incarnation: what it holds from now on is of this one.
    void opened() noexcept { opened_in_ = incarnation_; }
    std::uint64_t message_bytes_max() const noexcept { return message_bytes_max_; }

  private:
    std::uint64_t ping_due_ns(bool waiting) const;

    std::string client_;
    bool up_ = false;
    std::uint64_t incarnation_ = 0;
    std::uint64_t opened_in_ = 0;
    std::uint64_t heard_ns_ = 0;
    std::uint64_t pinged_ns_ = 0;
    std::uint64_t ping_every_ns_ = 0;
    std::uint64_t last_pong_ = 0;
    std::uint64_t greeted_ns_ = 0;
    std::uint64_t message_bytes_max_ = 16 << 20;
    std::uint64_t sent_ = 0, received_ = 0;  // frames behind the HELLO, and behind the WELCOME
};

}  // namespace ferry
