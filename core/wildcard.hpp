// Patterns over topics: tokens between dots, `*` for one of them, a last `>` for one or more.
//
//     matches("quake.*.minor", "quake.us.minor");  matches("quake.>", "quake.us.minor");
#pragma once

#include <string_view>

namespace ferry {

/// What is wrong with a pattern that is empty, or has a `>` that is not its last token; empty when nothing
/// is.
std::string_view pattern_problem(std::string_view pattern);

/// Throws errc::bad_argument for a pattern with a problem.
void check_pattern(std::string_view pattern);

/// True when the topic fits the pattern.
bool matches(std::string_view pattern, std::string_view topic);

/// What every topic that fits starts with: libzmq filters by it.
std::string_view literal_prefix(std::string_view pattern);

}  // namespace ferry
