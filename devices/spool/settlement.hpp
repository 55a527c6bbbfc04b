// The settlement: how consumers join groups and what becomes of what they were given.
//
// An ack counts only under the lease it was delivered with. A nack and an expired lease use up an attempt and
// wait for the back-off, or make a dead letter after the last one; DEAD makes one at once; a release uses
// none. DONE is sent when the record is as durable as the stream's grade says.
#pragma once

#include <set>

#include "devices/spool/brain_parts.hpp"

namespace ferry {

class claims;

class settlement {
  public:
    explicit settlement(brain_parts& parts) : parts_{parts} {}

    void join(session& from, const protocol::join& request, claims& held);
    /// Messages under the lease were not settled in order: again later, or dead after the last attempt.
    void fail_leased(stream& in, group& whose, std::uint64_t lease_id, const std::vector<run>& runs,
                     records::attempt_reason why, const std::string& reason,
                     std::optional<std::uint64_t> delay_ms);
    void leave(session& from, const protocol::leave& request);
    void credit(session& from, const protocol::credit& request);
    void ack(session& from, const protocol::ack& request);
    void nack(session& from, const protocol::nack& request);
    /// Given up: dead letters at once, by one record.
    void dead(session& from, const protocol::dead& request);
    void release(session& from, const protocol::release& request);
    void extend(session& from, const protocol::extend& request);

    /// Ends leases whose time is over and wakes delayed messages.
    void tick();
    std::uint64_t next_due_ns() const;

    /// The group, made if need be and allowed; null with the problem in words and as a code.
    group* find_or_create(session& from, stream& in, const std::string& name, const header_map& options,
                          bool create, std::string& problem, std::string_view& problem_code);

    /// What a request on a channel is about. Without a group its messages are gone.
    struct target {
        take_channel* channel = nullptr;
        stream* in = nullptr;
        group* whose = nullptr;
    };
    /// Says so itself when there is no such channel.
    target find(session& from, std::uint64_t channel_number);
    /// What a request of this user under the lease is for each of the messages.
    static ack_outcome judge(const session& from, const target& to, std::uint64_t lease_id,
                             const std::vector<run>& runs);
    /// Sends DONE, when it is durable if that matters.
    void answer(const session& to, std::uint64_t channel_number, std::uint64_t lease_id, const stream& in,
                ack_outcome outcome, bool durable);

  private:
    /// A consumer that leaves failed at nothing: flagged, but not counted towards max-attempts.
    void give_back(stream& in, group& whose, std::uint64_t lease_id, const std::vector<run>& runs);
    void end_leases(stream& in, group& whose);
    void note_silence(std::uint64_t number, std::uint64_t channel_number,
                      const std::set<std::uint64_t>& holders);
    void take_place(const session& from, std::uint64_t channel_number, const take_channel& channel,
                    const group& whose, bool claimed);

    brain_parts& parts_;
};

}  // namespace ferry
