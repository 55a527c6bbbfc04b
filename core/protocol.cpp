#include "core/protocol.hpp"

#include <algorithm>

#include "core/pack_fields.hpp"

namespace ferry::protocol {

template <typename Message>
std::string encode(const Message& message) {
    std::string frame;
    pack_writer out{frame};
    std::apply(
        [&out](const auto&... field) {
            out.array(static_cast<std::uint32_t>(1 + sizeof...(field)))
                .number(static_cast<std::uint64_t>(Message::id));
            (write_field(out, field), ...);
        },
        Message::fields(message));
    return frame;
}

// Fields behind the least a message must have may be absent; those behind its last are skipped.
template <typename Message>
bool decode(std::string_view frame, Message& message) {
    pack_cursor from{frame};
    const std::uint32_t count = from.array();
    if (count == 0 || from.number() != static_cast<std::uint64_t>(Message::id)) return false;
    return std::apply(
        [&](auto&... field) {
            std::size_t least = sizeof...(field);
            if constexpr (requires { Message::fields_least; }) least = Message::fields_least;
            std::size_t left = count - 1;
            if (left < least) return false;
            ((left > 0 ? (read_field(from, field), void(--left)) : void()), ...);
            for (; left > 0 && from.good(); --left) from.skip();
            return from.good() && from.at_end();
        },
        Message::fields(message));
}

std::optional<kind> kind_of(std::string_view frame) {
    pack_cursor from{frame};
    if (from.array() == 0) return std::nullopt;
    const std::uint64_t number = from.number();
    if (!from.good() || number > 0xFF) return std::nullopt;
    return static_cast<kind>(number);
}

std::vector<run> each_once(std::vector<run> runs) {
    std::erase_if(runs, [](const run& each) { return each.count == 0; });
    std::ranges::sort(runs, {}, &run::first);
    std::vector<run> merged;
    for (const run& each : runs)
        if (!merged.empty() && each.first <= merged.back().end())
            merged.back().count = std::max(merged.back().end(), each.end()) - merged.back().first;
        else
            merged.push_back(each);
    return merged;
}

bool good_name(std::string_view name) {
    if (name.empty() || name.size() > name_bytes_max) return false;
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-') return false;
    }
    return true;
}

// Makes encode and decode of every message, so that only this file pays for the templates.
template <typename... Messages>
struct every {
    static constexpr std::tuple all{&encode<Messages>..., &decode<Messages>...};
};
template struct every<hello, open, put, part, join, leave, credit, ack, nack, release, extend, dead, commit,
                      admin, ping, welcome, error, opened, stored, refused, joined, deliver, done, result,
                      pong>;

}  // namespace ferry::protocol
