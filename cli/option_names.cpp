#include "cli/option_names.hpp"

#include <fmt/format.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <string>

#include "cli/exit_codes.hpp"
#include "cli/words.hpp"

namespace ferry::cli {
namespace {

enum class kind : std::uint8_t { number, long_number, text };

struct named_option {
    std::string_view name;
    int option;
    kind takes;
};

// Those a user may set from outside without taking from the command what it has to decide itself, such as
// subscriptions and ROUTER behaviour (zmq_setsockopt(3)).
constexpr std::array<named_option, 31> options{
    {{"AFFINITY", ZMQ_AFFINITY, kind::long_number},
     {"BACKLOG", ZMQ_BACKLOG, kind::number},
     {"BINDTODEVICE", ZMQ_BINDTODEVICE, kind::text},
     {"CONFLATE", ZMQ_CONFLATE, kind::number},
     {"CONNECT_TIMEOUT", ZMQ_CONNECT_TIMEOUT, kind::number},
     {"HANDSHAKE_IVL", ZMQ_HANDSHAKE_IVL, kind::number},
     {"HEARTBEAT_IVL", ZMQ_HEARTBEAT_IVL, kind::number},
     {"HEARTBEAT_TIMEOUT", ZMQ_HEARTBEAT_TIMEOUT, kind::number},
     {"HEARTBEAT_TTL", ZMQ_HEARTBEAT_TTL, kind::number},
     {"IMMEDIATE", ZMQ_IMMEDIATE, kind::number},
     {"IPV6", ZMQ_IPV6, kind::number},
     {"LINGER", ZMQ_LINGER, kind::number},
     {"MAXMSGSIZE", ZMQ_MAXMSGSIZE, kind::long_number},
     {"MULTICAST_HOPS", ZMQ_MULTICAST_HOPS, kind::number},
     {"MULTICAST_MAXTPDU", ZMQ_MULTICAST_MAXTPDU, kind::number},
     {"RATE", ZMQ_RATE, kind::number},
     {"RCVBUF", ZMQ_RCVBUF, kind::number},
     {"RCVHWM", ZMQ_RCVHWM, kind::number},
     {"RECONNECT_IVL", ZMQ_RECONNECT_IVL, kind::number},
     {"RECONNECT_IVL_MAX", ZMQ_RECONNECT_IVL_MAX, kind::number},
     {"RECOVERY_IVL", ZMQ_RECOVERY_IVL, kind::number},
     {"ROUTING_ID", ZMQ_ROUTING_ID, kind::text},
     {"SNDBUF", ZMQ_SNDBUF, kind::number},
     {"SNDHWM", ZMQ_SNDHWM, kind::number},
     {"SOCKS_PROXY", ZMQ_SOCKS_PROXY, kind::text},
     {"TCP_KEEPALIVE", ZMQ_TCP_KEEPALIVE, kind::number},
     {"TCP_KEEPALIVE_CNT", ZMQ_TCP_KEEPALIVE_CNT, kind::number},
     {"TCP_KEEPALIVE_IDLE", ZMQ_TCP_KEEPALIVE_IDLE, kind::number},
     {"TCP_KEEPALIVE_INTVL", ZMQ_TCP_KEEPALIVE_INTVL, kind::number},
     {"TCP_MAXRT", ZMQ_TCP_MAXRT, kind::number},
     {"TOS", ZMQ_TOS, kind::number}}};

raw_socket_option with_value(const named_option& option, std::string_view value) {
    if (option.takes == kind::text) return {option.option, std::string{value}};
    std::int64_t number = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool fits = option.takes == kind::long_number || (number >= std::numeric_limits<int>::min() &&
                                                            number <= std::numeric_limits<int>::max());
    if (problem != std::errc{} || end != value.data() + value.size() || !fits)
        throw usage_error{fmt::format("--opt: {} takes a whole number, not '{}'", option.name, value)};
    if (option.takes == kind::long_number) return {option.option, number};
    return {option.option, static_cast<int>(number)};
}

}  // namespace

raw_socket_option parse_socket_option(std::string_view pair) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos)
        throw usage_error{fmt::format("--opt: '{}' is not NAME=VALUE", pair)};
    std::string name{pair.substr(0, equals)};
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name.starts_with("ZMQ_")) name.erase(0, 4);
    std::array<std::string_view, options.size()> names;
    for (std::size_t i = 0; i < options.size(); ++i) {
        if (options[i].name == name) return with_value(options[i], pair.substr(equals + 1));
        names[i] = options[i].name;
    }
    throw usage_error{fmt::format("--opt: unknown socket option '{}'{}", pair.substr(0, equals),
                                  did_you_mean(name, names))};
}

}  // namespace ferry::cli
