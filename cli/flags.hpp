// The flags that mean the same in every command, defined once.
//
// A command names the families it takes; each is declared with its help and fills its part of the struct.
//
//     shared_flags flags;
//     declare(line, flags, {shared::endpoints, shared::ending, shared::output});
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/ending.hpp"
#include "cli/input.hpp"
#include "cli/output.hpp"
#include "cli/talk.hpp"
#include "core/envelope.hpp"
#include "core/socket.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

enum class shared : std::uint8_t {
    endpoints,  ///< -b -c
    ending,     ///< -n -t --idle
    timeout,    ///< -t alone
    input,      ///< -i -f
    output,     ///< -o --json --raw --hex --msgpack -0 -F --decode
    headers,    ///< -H --envelope
    topic,      ///< -T
    match,      ///< -m
    pacing,     ///< --rate --interval
    batching,   ///< --batch
    waiting,    ///< --wait --no-wait
    sockets,    ///< --linger --hwm --opt
};

struct shared_flags {
    std::vector<endpoint> where;
    ending_options end;
    input_options in;
    output_options out;
    header_map headers;
    envelope_mode envelope = envelope_mode::automatic;
    std::vector<std::string> topics;
    std::vector<std::string> match;
    std::optional<std::chrono::nanoseconds> pause;  ///< between two messages
    std::optional<std::chrono::nanoseconds> wait;   ///< for a peer; absent = the command's default
    bool no_wait = false;
    bool batch = false;
    socket_options socket;
    bool quiet = false;
    bool verbose = false;

    talk speaker() const { return talk{quiet, verbose}; }
    /// How long to wait for a peer: 0 with --no-wait.
    std::chrono::nanoseconds wait_or(std::chrono::nanoseconds otherwise) const {
        return no_wait ? std::chrono::nanoseconds{0} : wait.value_or(otherwise);
    }
};

/// Declares the families, and -q and -v.
void declare(command_line& line, shared_flags& flags, std::initializer_list<shared> families);

/// Refuses what contradicts itself: call it after `parse`. Throws usage_error.
void check(const shared_flags& flags);

}  // namespace ferry::cli
