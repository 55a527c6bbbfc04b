// What a component has to tell besides messages: it never prints, it calls back.
//
// A callback runs in the thread whose call found the event, while no lock is held; keep it short. What it
// tells is also counted in `stats()`, whether or not anybody listens.
//
//     ferry::subscriber quotes{context, where, {.on_event = [](const ferry::event& e) {
//         if (e.kind == ferry::event_kind::gap) std::cerr << "gap " << e.topic << ' ' << e.from << ".." <<
//         e.to;
//     }}};
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace ferry {

enum class event_kind : std::uint8_t {
    gap,         ///< `topic` lost its messages `from` to `to`, both included
    duplicate,   ///< messages that came before were dropped: `topic`, numbers `from` to `to`, both included
    bad_frame,   ///< a peer sent what is no message, or a forged envelope; `text` says what was wrong
    dropped,     ///< a message of ours went nowhere: `topic`; `text` says why
    late_reply,  ///< a reply to a request that was given up
    failed,      ///< a handler threw; `text` is what it said
};

struct event {
    event_kind kind{};
    std::string topic{};
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::string text{};
};

using event_callback = std::function<void(const event&)>;

}  // namespace ferry
