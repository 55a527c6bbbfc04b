#include "devices/spool/session.hpp"

namespace ferry {

shared_bytes part_buffer::complete(const shared_bytes& last) {
    if (expected == 0) return last;
    const bool whole = expected == count && !too_large && !beyond;
    shared_bytes all = shared_bytes::of(whole ? std::move(bytes) + std::string{last.view} : std::string{});
    *this = {};
    return all;
}

}  // namespace ferry
