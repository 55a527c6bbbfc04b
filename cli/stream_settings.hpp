// The flags for what a stream can be told: a row of the table is one flag of `stream create` and `stream
// set`.
//
//     header_map settings;
//     declare_settings(line, settings);     // --sync, --dead-max-messages ...: what is given stands in it
#pragma once

#include "cli/command_line.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

void declare_settings(command_line& line, header_map& into);

/// The settings of a stream's row that differ from what a stream is made with: `dead-max-messages 100`.
std::string describe_settings(const header_map& row);

}  // namespace ferry::cli
