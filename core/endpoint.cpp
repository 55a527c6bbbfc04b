#include "ferry/endpoint.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "ferry/error.hpp"

namespace ferry {
namespace {

constexpr std::array<std::string_view, 6> transports = {"tcp", "ipc", "inproc", "pgm", "epgm", "norm"};

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
    throw error{errc::bad_argument, "bad endpoint '" + std::string{text} + "': " + std::string{reason}};
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
    return failure == std::errc{} && end == text.data() + text.size() && port <= 65535;
}

// "host:port" -> "tcp://host:port"; an empty host is loopback, `any` and `*` every interface.
std::string tcp_address(std::string_view text, std::string_view host_and_port, side at) {
    const auto colon = host_and_port.rfind(':');
    if (colon == std::string_view::npos) refuse(text, "a port is missing, as in host:5555");
    std::string host{host_and_port.substr(0, colon)};
    const std::string_view port = host_and_port.substr(colon + 1);
    const bool wildcard = at == side::bind && port == "*";
    if (!wildcard && !is_port(port)) refuse(text, "'" + std::string{port} + "' is no port (0-65535)");
    if (host.empty()) host = "127.0.0.1";
    if (host == "any") host = "*";
    if (host == "*" && at == side::connect)
        refuse(text, "'*' can be bound, not connected to; write '@any:PORT'");
    if (at == side::connect && port == "0") refuse(text, "port 0 can be bound, not connected to");
    const bool any_port = wildcard || port == "0";
    return "tcp://" + host + ":" + (any_port ? "*" : std::string{port});
}

std::string full_address(std::string_view text, std::string_view body, side at) {
    if (body.empty()) refuse(text, "it is empty");
    const auto scheme_end = body.find("://");
    if (scheme_end == std::string_view::npos) {
        if (body.starts_with('/') || body.starts_with("./")) return "ipc://" + std::string{body};
        return tcp_address(text, body, at);
    }
    const std::string_view scheme = body.substr(0, scheme_end);
    const std::string_view rest = body.substr(scheme_end + 3);
    if (std::find(transports.begin(), transports.end(), scheme) == transports.end())
        refuse(text, "'" + std::string{scheme} + "' is no transport (tcp, ipc, inproc, pgm, epgm, norm)");
    if (rest.empty()) refuse(text, "nothing follows '" + std::string{scheme} + "://'");
    if (scheme == "tcp") return tcp_address(text, rest, at);
    return std::string{body};
}

}  // namespace

bool endpoint::beyond_loopback() const {
    if (!address.starts_with("tcp://"))
        return address.starts_with("pgm://") || address.starts_with("epgm://") ||
               address.starts_with("norm://");
    const std::string_view host = std::string_view{address}.substr(6, address.rfind(':') - 6);
    return !(host.starts_with("127.") || host == "localhost" || host == "[::1]" || host == "lo");
}

endpoint bind(std::string_view address) {
    const std::string_view body = address.starts_with('@') ? address.substr(1) : address;
    return {side::bind, full_address(address, body, side::bind)};
}

endpoint connect(std::string_view address) {
    if (address.starts_with('@')) refuse(address, "'@' means bind, and this end connects");
    return {side::connect, full_address(address, address, side::connect)};
}

endpoint parse_endpoint(std::string_view text) {
    if (text.starts_with('@') || text.starts_with("tcp://*:")) return bind(text);
    return connect(text);
}

std::string endpoints::describe() const {
    std::string text;
    for (const endpoint& each : all_) text += (text.empty() ? "" : ", ") + each.address;
    return text;
}

}  // namespace ferry
