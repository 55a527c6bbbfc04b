// The dead letter office: lists, redrives and drops dead letters when told to, and keeps them within the
// limits of their stream.
//
// Each redrive and each drop is one record, so a crash leaves a message either dead, or ready, or gone. What
// a dead letter holds is not told here: a reader that joins with `dead_of` is given the messages.
//
//     dead.list     stream, group, [from]     rows of offset, count, attempt, reason, died: a page
//     dead.redrive  stream, group, [offsets 1000..1003,1010]
//     dead.drop     the same
#pragma once

#include "devices/spool/admin_reply.hpp"

namespace ferry {

class dead_letter_office {
  public:
    explicit dead_letter_office(brain_parts& parts) : parts_{parts} {}

    admin_reply list(const header_map& arguments);
    admin_reply redrive(const header_map& arguments);
    admin_reply drop(const header_map& arguments);

    /// Drops what the limits of its stream do not let stay: at the end of every turn where messages died, and
    /// by age once a second.
    void keep_limits();
    std::uint64_t next_due_ns() const;

  private:
    std::vector<protocol::run> chosen(const group& whose, const header_map& arguments, admin_reply& answer);
    void keep_limits(const stream& of, bool by_age);
    void remove(const stream& of, const group& whose, std::vector<protocol::run> runs,
                records::removal_reason why);

    brain_parts& parts_;
    std::uint64_t next_look_ns_ = 0;
    bool ages_ = false;  // some dead letters stand under a limit of age
};

}  // namespace ferry
