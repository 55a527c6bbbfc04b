// The story of a simulated history: a line for each step, for whoever replays it.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "core/protocol.hpp"
#include "tests/sim/world.hpp"

namespace ferry::test {

inline std::string in_words(std::string_view text) {
    return std::string{text};
}

template <typename Number>
requires std::is_arithmetic_v<Number> std::string in_words(Number number) {
    return std::to_string(number);
}

inline std::string in_words(const protocol::run& offsets) {
    return std::to_string(offsets.first) + "+" + std::to_string(offsets.count);
}

/// What a frame is, from its head.
inline std::string frame_in_words(std::string_view head) {
    static constexpr std::string_view up[] = {"?",     "HELLO",  "OPEN",  "PUT",  "PART",    "JOIN",
                                              "LEAVE", "CREDIT", "ACK",   "NACK", "RELEASE", "EXTEND",
                                              "DEAD",  "COMMIT", "ADMIN", "PING"};
    static constexpr std::string_view down[] = {"WELCOME", "ERROR",   "OPENED", "STORED", "REFUSED",
                                                "JOINED",  "DELIVER", "DONE",   "RESULT", "PONG"};
    const auto what = protocol::kind_of(head);
    if (!what) return "no frame";
    const auto number = static_cast<unsigned>(*what);
    if (number >= 33 && number - 33 < std::size(down)) return std::string{down[number - 33]};
    return std::string{number < std::size(up) ? up[number] : up[0]};
}

template <typename... Words>
void world::say(const Words&... words) const {
    if (!options_.tell) return;
    std::string line = std::to_string(now_.monotonic_ns / 1'000'000) + " ms ";
    ((line += ' ', line += in_words(words)), ...);
    options_.tell(line);
}

}  // namespace ferry::test
