// The table of commands. A new command is a file of its own, a line here and a row in commands.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/command_line.hpp"

namespace ferry::cli {

extern const command pub_command;
extern const command sub_command;
extern const command push_command;
extern const command pull_command;
extern const command req_command;
extern const command rep_command;
extern const command put_command;
extern const command take_command;
extern const command forwarder_command;
extern const command queue_command;
extern const command streamer_command;
extern const command spool_command;
extern const command stream_command;
extern const command group_command;
extern const command dead_command;
extern const command verify_command;
extern const command dump_command;
extern const command bench_command;
extern const command demo_command;
extern const command help_command;
extern const command version_command;

/// All that are built, in the order in which they are shown.
std::span<const command* const> commands();

/// By its name or long alias, never by a beginning of it; nullptr when there is none.
const command* find_command(std::string_view name);

/// "unknown command 'pubb'; did you mean pub?"
std::string unknown_command(std::string_view name);

/// `ferry` alone: the grouped list, 20 lines.
std::string overview();

}  // namespace ferry::cli
