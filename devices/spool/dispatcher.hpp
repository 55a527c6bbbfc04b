// The dispatcher: gives ready messages to consumers with credit, in turn, under leases.
//
// Nothing at or above a group's delivered mark is given out before a higher mark is synced, so that after a
// crash every message somebody may have seen is known to be below it. Messages come from the batch cache, or
// from the log in blocks.
#pragma once

#include "core/log/log.hpp"
#include "devices/spool/brain_parts.hpp"
#include "devices/spool/sieve.hpp"
#include "devices/spool/usher.hpp"

namespace ferry {

class dispatcher {
  public:
    explicit dispatcher(brain_parts& parts) : parts_{parts}, sieve_{parts}, usher_{parts} {}

    /// Delivers whatever can be delivered in the streams that were touched.
    void run();
    void read_done(std::uint64_t cookie, log::read_result&& result);

  private:
    /// A DELIVER in the making.
    struct parcel {
        std::vector<protocol::delivered_run> runs;
        std::vector<tried_run> picked;
        std::string joined;
        const cached_batch* whole = nullptr;  // the only piece so far is this batch, uncut
        std::uint64_t messages = 0;
        std::size_t bytes = 0;
        std::size_t bytes_most = 0;        // pieces are joined up to here
        std::size_t batch_bytes_most = 0;  // a batch leaves whole up to here
    };
    struct reading {
        std::uint32_t stream = 0;
        std::optional<std::uint32_t> group;
        std::pair<std::uint64_t, std::uint64_t> reader;  // session, channel
        std::uint64_t offset = 0;
    };

    void serve_group(stream& from, group& whose);
    void serve_readers(stream& from);
    bool serve_consumers(stream& from, group& whose, group_run& run);
    void skip_unwanted(stream& from, group& whose);
    std::uint64_t visible_to(const stream& from, const group& whose) const;
    bool deliver_to(stream& from, group& whose, std::uint64_t session_number, std::uint64_t channel_number);
    std::optional<tried_run> next_for_reader(const stream& from, const take_channel& channel) const;
    bool at_end(const stream& from, const take_channel& channel) const;
    bool deliver_to_reader(stream& from, session& to, std::uint64_t channel_number);
    bool fill(parcel& into, std::uint32_t stream_number, const tried_run& picked, std::uint64_t& taken);
    void send(parcel& what, session& to, std::uint64_t channel_number, std::uint64_t lease_id);
    bool below_mark(stream& from, group& whose, tried_run& picked);
    void ask_read(const reading& what);
    static std::uint64_t room_in_flight(const group& whose);
    std::size_t unread_bytes_max() const;
    static std::size_t frame_bytes_max(const take_channel& to);
    parcel empty_parcel(const take_channel& to) const;

    brain_parts& parts_;
    sieve sieve_;
    usher usher_;
    std::map<std::uint64_t, reading> reads_;
};

}  // namespace ferry
