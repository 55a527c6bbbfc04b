// The intake: what producers send. OPEN issues identities and epochs, PUT is checked, stored and confirmed.
//
// A batch is taken only if it names the last sequence stored as its predecessor (contiguity, not "highest
// seen"), so nothing between can be missing; one that was stored before is answered with the offset it got.
#pragma once

#include "devices/spool/brain_parts.hpp"

namespace ferry {

class intake {
  public:
    explicit intake(brain_parts& parts) : parts_{parts} {}

    void open(session& from, const protocol::open& request);
    void put(session& from, const protocol::put& request, const shared_bytes& body);
    void part(session& from, const protocol::part& request, const shared_bytes& body);

    /// Adds STORED for every channel that has something to be told to the actions.
    void send_confirms();

    /// Tells every producer that nothing will be confirmed any more.
    void refuse_all(std::string_view code, const std::string& reason);

    /// Forgets, once an hour, producers that nobody used for seven days.
    void tick();

    /// Raises the stream's told mark to cover `end`, ahead of use.
    void ask_told(stream& into, std::uint64_t end);

  private:
    struct verdict {
        std::string_view code;  // empty: take it
        std::string reason;
        std::uint64_t expected = 0;
    };
    // What was noticed in the items of a batch.
    struct item_notes {
        bool headers = false;
        std::vector<ferry::wishes> wishes;
    };
    stream* find_or_create(session& from, const protocol::open& request);
    void issue_identity(session& from, stream& into, const protocol::open& request, put_channel& channel);
    void answer_open(std::uint64_t session_number, std::uint64_t channel_number);
    verdict judge(const session& from, const put_channel& channel, const protocol::put& request,
                  std::string_view batch, item_notes& notes) const;
    verdict judge_items(const protocol::put& request, std::string_view batch, item_notes& notes) const;
    const stored_batch* find_duplicate(const put_channel& channel, const std::string& user,
                                       const protocol::put& request) const;
    void store(session& from, std::uint64_t channel_number, put_channel& channel,
               const protocol::put& request, shared_bytes batch, item_notes notes);
    void confirm_when_durable(const session& from, std::uint64_t channel_number, const put_channel& channel,
                              protocol::stored_run what, std::uint64_t bytes);
    void expire_producers(stream& of, const std::string& user);
    void forget_producer(const stream& of, const producer_state& which);
    std::uint64_t window_bytes() const;
    std::uint64_t near_until() const;

    brain_parts& parts_;
    std::uint64_t next_expiry_ns_ = 0;
};

/// Moves a stream's visible end over everything that is durable, and wakes its groups.
void advance_visible(brain_parts& parts, std::uint32_t stream_number);

}  // namespace ferry
