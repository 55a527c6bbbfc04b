// The verbs of `ferry stream` that read and write messages: peek, get, export, import.
//
// Reading disturbs nobody: there is no group, so nothing is leased, acked or counted as an attempt. It ends
// where the stream ended when it began; what is removed meanwhile is left out. Memory stays flat.
//
// Failure: a stream or message that is not there is failure with exit_code::not_found.
#pragma once

#include <string_view>

#include "cli/command_line.hpp"

namespace ferry::cli {

bool reads_or_writes(std::string_view verb);

/// Declares the verb's flags, parses, and gives the exit code.
int run_stream_messages(command_line& line, std::string_view verb);

/// Declares the flags of all of them, for the help.
void declare_stream_messages(command_line& line);

}  // namespace ferry::cli
