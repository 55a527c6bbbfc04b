// Upkeep: what is done to streams and groups that live. Each change is one record, answered when it is
// synced.
//
//     stream.set      stream, settings (stream_setting.hpp)    from the next message on
//     stream.purge    stream      all that is stored goes, leased and dead as well; late acks are told `gone`
//     group.pause     stream, group    nothing is given out; leases that are out go on
//     group.resume    stream, group
//     group.seek      stream, group, from (start_place.hpp)    the group's leases end
#pragma once

#include "devices/spool/admin_reply.hpp"

namespace ferry {

class upkeep {
  public:
    explicit upkeep(brain_parts& parts) : parts_{parts} {}

    admin_reply set(const header_map& arguments);
    admin_reply purge(const header_map& arguments);
    admin_reply pause(const header_map& arguments, bool paused);
    admin_reply seek(const header_map& arguments);

  private:
    brain_parts& parts_;
};

}  // namespace ferry
