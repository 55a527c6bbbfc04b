// The spool's durable state, and the only code that changes it.
//
// `apply` is called with every record: at the moment it is handed to the log while the spool runs, and in the
// same order when the log is replayed. What is not in a record does not survive. Failure to write makes the
// spool read-only, so there is no undo. A snapshot is this state as one string.
//
// Nothing here reads a clock; `now` serves only to turn wall times of delayed messages into monotonic ones.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/log/record.hpp"
#include "devices/spool/lease_runs.hpp"
#include "devices/spool/stream.hpp"

namespace ferry {

class spool_state {
  public:
    /// Changes the state as the record says. Of a messages record the head is enough: the batch is not looked
    /// at, and its size follows from the header. False when its payload is malformed, which after the
    /// checksum held can only be a defect: the caller stops.
    bool apply(const log::record_header& header, std::string_view payload, instant now);

    /// Everything as one string. An orderly stop names its incarnation: nothing follows in this one.
    std::string save(std::optional<std::uint64_t> stopped_incarnation, instant now) const;
    /// Replaces the state. False when the bytes are no snapshot this version reads.
    bool load(std::string_view saved, instant now);

    /// The log is replayed; what follows is new, and of streams that are there.
    void replayed();

    /// Whether the run before `incarnation` was stopped in order. A run that wrote nothing and then died
    /// leaves the clean snapshot of the one before it on top; its number tells the two apart.
    bool stopped_before(std::uint64_t incarnation) const noexcept {
        return stopped_ && *stopped_ + 1 == incarnation;
    }

    stream* find(std::string_view name);
    stream* find(std::uint32_t number);
    const std::map<std::uint32_t, stream>& streams() const noexcept { return streams_; }
    std::map<std::uint32_t, stream>& streams() noexcept { return streams_; }
    const id_window& ids() const noexcept { return ids_; }
    /// Whether a commit under this lease settled all of these. The last 32,768 runs of them are known.
    bool committed(std::uint64_t lease, const std::vector<run>& some) const {
        return committed_.covers(lease, some);
    }
    /// Ids older than this are of use to no stream. They may be remembered again by a replay.
    void forget_ids_before(std::uint64_t wall_s) { ids_.forget_before(wall_s); }
    std::uint32_t next_stream_number() const noexcept { return next_stream_number_; }
    std::uint32_t next_group_number() const noexcept { return next_group_number_; }
    /// No stream is made with this number any more: there was one, though all that is left of it may be its
    /// acks.
    void use_up_number(std::uint32_t stream_number);

  private:
    bool apply_messages(const log::record_header& header, std::string_view payload);
    bool apply_acks(std::string_view payload);
    bool apply_acks(const std::vector<records::group_acks>& groups);
    bool apply_commit(std::string_view payload);
    bool place(stream& into, const log::record_header& header, const records::messages_head& head,
               std::uint64_t bytes);
    bool apply_attempt(std::string_view payload, instant now);
    bool apply_dead(std::string_view payload);
    bool apply_redrive(std::string_view payload);
    bool apply_mark(std::string_view payload);
    bool recover(std::uint32_t number);
    bool apply_stream_change(std::string_view payload);
    bool apply_group_change(std::string_view payload);
    bool apply_producer_change(std::string_view payload, std::uint64_t wall_ns);
    bool apply_removed(std::string_view payload);
    bool apply_appointments(std::string_view payload);
    static void remove(stream& from, run gone, records::removal_reason why);
    group* find_group(std::uint64_t stream_number, std::uint64_t group_number, stream*& owner);

    std::map<std::uint32_t, stream> streams_;
    std::map<std::string, std::uint32_t, std::less<>> numbers_;
    struct uncommitted {
        log::record_header header;
        records::messages_head head;
        std::uint64_t bytes = 0;
    };
    std::vector<uncommitted> uncommitted_;  // outputs whose commit has not come yet
    id_window ids_;
    lease_runs committed_{32'768};
    bool replaying_ = true;
    std::set<std::uint32_t> removed_;  // streams, as the replay met them
    std::uint32_t next_stream_number_ = 1;
    std::uint32_t next_group_number_ = 1;
    std::optional<std::uint64_t> stopped_;
};

}  // namespace ferry
