// The flags that say what a new group wants of its stream: `group create` and `take` share them.
//
//     declare(line, wants);       // --filter, --where
//     line.parse();
//     as_lines(wants.patterns)    // as the spool reads them
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.hpp"

namespace ferry::cli {

struct filter_flags {
    std::vector<std::string> patterns;  ///< any of these
    std::vector<std::string> where;     ///< NAME=VALUE, all of these
    bool given() const noexcept { return !patterns.empty() || !where.empty(); }
};

/// Declares --filter and --where; what cannot be either is a usage error.
void declare(command_line& line, filter_flags& flags);

/// What --ordered says: true for key, false for none.
bool read_order(const std::string& word);

std::string as_lines(const std::vector<std::string>& entries);

}  // namespace ferry::cli
