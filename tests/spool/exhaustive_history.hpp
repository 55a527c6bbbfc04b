// A spool's short and full life, on a disk so small that each of its bytes can be damaged in turn.
//
// Two streams, three groups, headers, leases, nacks, dead letters, commits, a purge, a crash, messages that
// moved into cold segments, two snapshots, and records above them. The same bytes each time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "devices/spool/brain_parts.hpp"

namespace ferry::test {

/// A stream, by number, and a group on it.
using group_place = std::pair<std::uint32_t, std::string>;

/// Name and bytes.
using directory_files = std::map<std::string, std::string>;

struct short_history {
    directory_files files;    ///< what it left
    directory_files earlier;  ///< what stood there some time before
    /// What was put: by the stream's number, then by offset.
    std::map<std::uint32_t, std::map<std::uint64_t, std::string>> put;
    /// What each group has not settled; what it was given, settled or not; and its dead letters.
    std::map<group_place, std::set<std::uint64_t>> open, given, dead;
    /// What no group is to be given before a day has passed.
    std::set<std::uint64_t> early;
    std::map<std::uint32_t, std::string> names;  ///< of the streams
};

brain_options tiny_segments();
short_history live_shortly();

}  // namespace ferry::test
