// Peers that mean harm: a raw TCP client that sends random bytes, and frames that no ferry peer would send.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "ferry/message.hpp"

namespace ferry {

/// Connects to tcp://127.0.0.1:PORT, sends `bytes` and hangs up. What the peer does about it is its business.
inline void throw_at(const std::string& address, const std::string& bytes) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + address.rfind(':') + 1)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0)
        static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    ::close(fd);
}

inline std::string random_bytes(std::mt19937& random, std::size_t size) {
    std::string bytes(size, '\0');
    for (char& each : bytes) each = static_cast<char>(random());
    return bytes;
}

/// A message of up to 5 frames: random, empty, or the beginning of an envelope or a request id.
inline std::vector<frame> garbage(std::mt19937& random) {
    std::vector<frame> frames;
    for (auto left = 1 + random() % 5; left > 0; --left) {
        const std::string junk = random_bytes(random, random() % 40);
        switch (random() % 4) {
            case 0:
                frames.emplace_back(std::string{"\xC1"
                                                "fy\x01",
                                                4} +
                                    junk);
                break;
            case 1:
                frames.emplace_back(std::string{"\xC1"
                                                "fr\x01",
                                                4} +
                                    junk);
                break;
            case 2:
                frames.emplace_back();
                break;
            default:
                frames.emplace_back(std::string{junk});
        }
    }
    return frames;
}

}  // namespace ferry
