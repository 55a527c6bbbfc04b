// Asks before something is destroyed: on a terminal by a question, elsewhere by demanding --yes.
//
//     consent removal;
//     declare(line, removal);                      // -y, --dry-run
//     ...
//     removal.check();                             // after parse: exit 2 where nobody can be asked
//     if (removal.dry_run) ...                     // say what would go, touch nothing
//     if (!removal.given(context, "remove stream 'jobs' with 12 messages")) ...
//
// Failure: `check` throws usage_error.
#pragma once

#include <string>

#include "cli/command_line.hpp"
#include "ferry/context.hpp"

namespace ferry::cli {

struct consent {
    bool yes = false;
    bool dry_run = false;

    void check() const;
    /// True with --yes, or when a person answers y or yes. A stop of the context is a no.
    bool given(context& context, const std::string& what) const;
};

void declare(command_line& line, consent& into);

}  // namespace ferry::cli
