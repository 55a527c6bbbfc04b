// A raw port of a spool: a plain ZeroMQ socket that feeds a stream, or is fed by one.
//
// It makes programs durable that know nothing of ferry: what they send to a PULL or SUB port is stored, what
// is stored goes out of a PUSH or PUB port. One address changes, no line of theirs.
//
// Guarantee: what a port stored is as safe as any message of its stream, and leaves by an out port at least
// once, in order. A plain peer cannot ask for a confirm and cannot ack: what is on its way between a peer and
// the disk when either dies is lost, and what an out socket took counts as done (docs/guarantees.md says how
// much that can be).
//
// * in_pull keeps what it cannot store (a full disk), reads no more, and tries again: its peers feel it.
// * in_sub subscribes to everything. It cannot hold a publisher up: above its high-water mark that one drops.
// * out_push and out_pub are consumers of the groups `out-push` and `out-pub`. Ports of one kind on one
// stream
//   share the group and with it the work. With no peer, or no subscriber at all, messages stay in the stream.
//
// Topic, frames and payload pass unchanged. The headers of ferry's envelope are stored as headers and go out
// in an envelope; a message without headers goes out as plain frames.
//
// Threads, failure: as the spool it belongs to.
//
//     ferry::spool jobs{context, {.directory = "jobs", .listen = {ferry::bind("tcp://127.0.0.1:7000")},
//     .ports =
//         {{ferry::raw_port_kind::in_pull, "resize", ferry::bind("tcp://127.0.0.1:5556")},
//          {ferry::raw_port_kind::out_push, "resize", ferry::bind("tcp://127.0.0.1:5557")}}}};
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/endpoint.hpp"

namespace ferry {

enum class raw_port_kind : std::uint8_t { in_pull, in_sub, out_push, out_pub };

/// `in-pull`, `in-sub`, `out-push` or `out-pub`: as the command line, the groups and the counters call it.
std::string_view name_of(raw_port_kind kind) noexcept;

struct raw_port {
    raw_port_kind kind{};
    std::string stream{};  ///< made if it is not there
    endpoint where{};
};

/// Counts since the spool was opened.
struct raw_port_stats {
    raw_port_kind kind{};
    std::string stream{};
    std::string endpoint{};      ///< with its real port where it binds
    std::uint64_t received = 0;  ///< in: read from the socket
    std::uint64_t stored = 0;    ///< in: confirmed by the stream
    std::uint64_t sent = 0;      ///< out: taken by the socket
    std::uint64_t lost = 0;      ///< in: read, and not stored, because it never can be or the spool stopped
    std::string waits_for{};     ///< in and out: why nothing moves (full, read-only ...); empty while it does
};

}  // namespace ferry
