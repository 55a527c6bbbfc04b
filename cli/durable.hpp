// What the commands that talk to a spool share: grades, stream names, and what its refusals mean for a shell.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cli/ending.hpp"
#include "cli/exit_codes.hpp"
#include "ferry/consumer.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/grade.hpp"

namespace ferry::cli {

/// `synced`, `written` or `queued`. Throws usage_error.
grade parse_grade(std::string_view flag, std::string_view text);

/// Throws usage_error for a name that no stream (or group) can have; `what` is "stream" or "group".
void check_name(std::string_view what, const std::string& name);

/// The exit code for a refusal with this code of the protocol.
exit_code code_of_refusal(std::string_view code);

/// How long a lease may be asked for: 1 ms to 12 h. Throws usage_error.
std::chrono::milliseconds parse_lease(std::string_view flag, const std::string& text);

/// Where a group (or a reader) starts, as the spool takes it. Throws usage_error.
std::string parse_from(std::string_view flag, const std::string& text);

/// Throws usage_error for an end that binds, for a spool does, and for more than one.
void check_connects(const endpoints& where);

/// A refusal's sentence with this program's flags where it names settings as the protocol does.
std::string with_flags_named(std::string_view refusal);

/// Leaves the group when its last acks are answered; a signal or -t shortens that to a moment.
void leave_answered(ferry::context& context, consumer& from, const ending& end);

}  // namespace ferry::cli
