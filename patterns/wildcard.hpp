// Patterns over topics: tokens between dots, `*` for one of them, a last `>` for one or more.
//
//     matches("quake.*.minor", "quake.us.minor");  matches("quake.>", "quake.us.minor");
#pragma once

#include <string_view>

namespace ferry {

/// Throws errc::bad_argument for an empty pattern and for `>` that is not the last token.
void check_pattern(std::string_view pattern);

/// What every topic that fits starts with: libzmq filters by it.
std::string_view literal_prefix(std::string_view pattern);

}  // namespace ferry
