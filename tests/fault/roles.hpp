// The processes of a kill test: the test binary, started again to play one part until it is killed or
// stopped.
//
//     ferry_tests --play spool DIRECTORY ENDPOINT GRADE      says "ready ENDPOINT" on stderr
//     ferry_tests --play producer ENDPOINT NUMBER COUNT      puts COUNT messages, ends when all are confirmed
//     ferry_tests --play producer ENDPOINT NUMBER COUNT lasting [LOG...]
//         the same, under a name and with message ids; puts again first what the logs of its earlier lives
//         leave unconfirmed
//     ferry_tests --play consumer ENDPOINT                   shows and acks until SIGTERM
//     ferry_tests --play worker ENDPOINT                     commits each message to another stream, until
//     SIGTERM
//     ferry_tests --play judge [producer=FILE | consumer=FILE]...   says what became of the messages in these
//     logs
//
// Producer and consumer log to stdout (history.hpp); each line is with the kernel before what follows it
// happens, so that killing its writer loses no line that mattered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/fault/history.hpp"

namespace ferry::test {

inline constexpr const char* kill_stream = "work";
inline constexpr const char* kill_group = "crew";
inline constexpr const char* kill_result = "done";

/// The exit status, if the arguments ask for a part.
std::optional<int> play(int argc, char** argv);

/// The body of a message: its name, and bytes that follow from it, some tens to some thousands.
std::string body_of(message_name name);
/// The name at the beginning of a body.
std::optional<message_name> name_in(std::string_view body);

}  // namespace ferry::test
