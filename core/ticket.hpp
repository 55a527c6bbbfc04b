// What a queue and its workers say to each other: first frames that begin with 0xC1 'f' 'q' and a kind.
//
// A queue hands a request out under a ticket, which holds the routing id of the requester and takes its
// place. Whatever copies the frames ahead of the empty delimiter back, as every REP does, brings the ticket
// back with the reply. A worker that knows what a ticket is announces itself: it gives requests back unopened
// that would wait, and tells when it is free again. docs/wire.md has the rules.
//
// Failure: `read_ticket` gives nothing for frames that are none of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferry {

enum class ticket_kind : std::uint8_t {
    request = 1,     ///< queue to worker, and back with the reply: a requester's routing id
    offer = 2,       ///< the same, and the worker tells at once whether it takes it
    given_back = 3,  ///< worker to queue: in front of a request, ticket and all, that it returns unopened
    taken = 4,       ///< worker to queue, alone: it took an offer
    free = 5,        ///< worker to queue, alone: how it stands
};

struct ticket {
    ticket_kind kind = ticket_kind::request;
    std::string_view requester{};  ///< of `request` and `offer`: the routing id, which may be empty
    std::string_view worker{};     ///< of the others: 8 random bytes
    unsigned free = 0;             ///< of `taken` and `free`: how many more requests would not wait there
};

inline constexpr std::string_view ticket_magic{
    "\xC1"
    "fq",
    3};
inline constexpr std::size_t worker_id_bytes = 8;

inline std::string make_ticket(ticket_kind kind, std::string_view who) {
    std::string made{ticket_magic};
    made.push_back(static_cast<char>(kind));
    return made.append(who);
}

inline std::string make_notice(ticket_kind kind, std::string_view worker, unsigned free) {
    std::string made = make_ticket(kind, worker);
    const unsigned told = free < 0xFFFF ? free : 0xFFFF;
    made.push_back(static_cast<char>(told >> 8));
    made.push_back(static_cast<char>(told & 0xFF));
    return made;
}

inline std::optional<ticket> read_ticket(std::string_view frame) {
    if (!frame.starts_with(ticket_magic) || frame.size() <= ticket_magic.size()) return std::nullopt;
    const auto kind = static_cast<ticket_kind>(frame[ticket_magic.size()]);
    const std::string_view rest = frame.substr(ticket_magic.size() + 1);
    switch (kind) {
        case ticket_kind::request:
        case ticket_kind::offer:
            return ticket{.kind = kind, .requester = rest};
        case ticket_kind::given_back:
            if (rest.size() != worker_id_bytes) return std::nullopt;
            return ticket{.kind = kind, .worker = rest};
        case ticket_kind::taken:
        case ticket_kind::free: {
            if (rest.size() != worker_id_bytes + 2) return std::nullopt;
            const auto byte = [&](std::size_t i) {
                return static_cast<unsigned>(static_cast<unsigned char>(rest[worker_id_bytes + i]));
            };
            return ticket{
                .kind = kind, .worker = rest.substr(0, worker_id_bytes), .free = byte(0) << 8 | byte(1)};
        }
    }
    return std::nullopt;
}

}  // namespace ferry
