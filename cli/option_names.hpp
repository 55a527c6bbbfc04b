// libzmq's socket options by name, for `--opt NAME=VALUE`.
#pragma once

#include <string_view>

#include "core/socket.hpp"

namespace ferry::cli {

/// `SNDBUF=65536`, `ZMQ_TCP_KEEPALIVE=1`, `bindtodevice=eth0`: any case, ZMQ_ may be left out.
/// Throws usage_error for an unknown name, with the nearest, and for a value of the wrong kind.
raw_socket_option parse_socket_option(std::string_view pair);

}  // namespace ferry::cli
