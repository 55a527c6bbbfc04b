// Cuts single messages out of a record, as records of their own.
//
// What its producer sent as one batch stands in one record. When most of it is done with, what is left of it
// is worth as little as one message of hundreds. Offsets, sequences, times and what items ask for stay as
// they are; a cut batch gets a checksum of its own. Threads: none of its own. Failure: a record that holds no
// messages that can be cut gives none.
#pragma once

#include <optional>
#include <vector>

#include "core/log/record.hpp"
#include "core/offset_set.hpp"
#include "devices/spool/actions.hpp"

namespace ferry {

/// The messages of `from` that are in `wanted`, as records in the order of their offsets, with bytes of their
/// own. Between two wanted ones that stand close others may be among them: that costs less than a record
/// more.
std::optional<std::vector<outgoing_record>> cut(const log::stored_record& from, const offset_set& wanted);

}  // namespace ferry
