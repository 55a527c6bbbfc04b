// Where a group or a reader starts, and where a group is sent: the option `from` of JOIN and ADMIN.
//
//     first | new | 1200 | @1700000000000000000 (nanoseconds since 1970) | -300000ms (so long ago)
//
// A time is looked up in the log before the request is looked at; the offset found stands beside it as
// `found`, which no client can set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "devices/spool/stream.hpp"
#include "ferry/message.hpp"

namespace ferry {

inline constexpr std::string_view start_expects = "from is first, new, an offset, @NANOSECONDS or -AGEms";
inline constexpr std::string_view found_option = "found";

/// The wall time that `from` means; empty when it means none.
std::optional<std::uint64_t> start_wall_ns(const header_map& options, instant now);

/// The offset that `from` means, `first` when it is absent; empty when it means none. A time that is still to
/// come means `new`; an offset may be beyond the end.
std::optional<std::uint64_t> start_offset(const stream& in, const header_map& options);

/// What is wrong with an offset beyond the end.
std::string not_there_yet(const stream& in, std::uint64_t offset);

}  // namespace ferry
