// The intake: what producers send. OPEN issues identities and epochs, PUT is checked, stored and confirmed.
//
// A batch is taken only if it names the last sequence stored as its predecessor (contiguity, not "highest
// seen"), so nothing between can be missing; one that was stored before is answered with the offset it got.
#pragma once

#include "devices/spool/depot.hpp"
#include "devices/spool/retention.hpp"

namespace ferry {

class intake {
  public:
    intake(brain_parts& parts, depot& into, retention& limits)
        : parts_{parts}, depot_{into}, retention_{limits}, admission_{parts} {}

    void open(session& from, const protocol::open& request);
    void put(session& from, const protocol::put& request, const shared_bytes& body);
    void part(session& from, const protocol::part& request, const shared_bytes& body);

    /// Takes what waited for room and has it now.
    void take_waiting();
    /// When that must be tried again though nothing else happens (monotonic).
    std::uint64_t next_due_ns() const noexcept { return look_again_ns_; }

    /// Adds STORED for every channel that has something to be told to the actions.
    void send_confirms();

    /// Tells every producer that nothing will be confirmed any more.
    void refuse_all(std::string_view code, const std::string& reason);

    /// Forgets, once an hour, producers that nobody used for seven days.
    void tick();

  private:
    stream* find_or_create(session& from, const protocol::open& request);
    static bool is_replaced(const session& from, stream& into, const protocol::open& request);
    void issue_identity(session& from, stream& into, const protocol::open& request, put_channel& channel);
    void answer_open(std::uint64_t session_number, std::uint64_t channel_number);
    static void close_others(session& from, const put_channel& opened);
    bool take(session& from, put_channel& channel, const waiting_put& what);
    void refuse(session& from, put_channel& channel, const protocol::put& request, std::uint64_t bytes,
                const verdict& why);
    verdict judge(const session& from, const put_channel& channel, const protocol::put& request) const;
    verdict room(const stream& into, const offer& what, std::uint64_t fresh, std::uint64_t since_ns);
    const stored_batch* find_duplicate(const put_channel& channel, const std::string& user,
                                       const protocol::put& request) const;
    void store(session& from, put_channel& channel, const protocol::put& request, const shared_bytes& batch,
               item_notes notes);
    void confirm_when_durable(const session& from, std::uint64_t channel_number, const put_channel& channel,
                              std::vector<protocol::stored_run> runs, std::uint64_t bytes);
    void expire_producers(stream& of, const std::string& user);
    void forget_producer(const stream& of, const producer_state& which);
    std::uint64_t window_bytes() const;

    brain_parts& parts_;
    depot& depot_;
    retention& retention_;
    admission admission_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> waiting_;  // (session, channel) with PUTs that wait
    std::uint64_t look_again_ns_ = ~std::uint64_t{0};
    std::set<std::uint32_t> split_now_;  // streams in front of which a batch was split in this turn
    std::uint64_t next_expiry_ns_ = 0;
};

}  // namespace ferry
