// Dead letters of a spool, as `ferry dead` chooses and shows them.
//
// The spool lists what is dead and why; what the messages hold comes through a reader that sees the dead
// letters of one group only. So any number of them, of any size, passes through flat memory.
//
//     for_each_dead_letter(spool, where, {.stream = "jobs"}, [&](const dead_letter& each) { ...; return true;
//     });
//
// A dead letter that somebody redrives or drops meanwhile is passed over. Threads: one. Failure: throws
// ferry::error with the spool's words, failure when the spool falls silent.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/remote_spool.hpp"
#include "core/protocol.hpp"
#include "ferry/message.hpp"

namespace ferry::cli {

/// Which dead letters; all of the stream's unless told otherwise.
struct dead_letter_choice {
    std::string stream;
    std::optional<std::string> group{};
    std::vector<protocol::run> offsets{};  ///< none = all
    std::vector<std::string> match{};      ///< topic patterns, one of which must fit; none = all
    std::optional<std::uint64_t> count{};  ///< the first so many
};

struct dead_letter {
    std::string group;
    std::uint64_t offset = 0;
    std::uint64_t attempt = 0;
    std::string reason;
    std::uint64_t stored_wall_ns = 0;
    message content;
};

/// Group by group, in the order of offsets, with what they hold; until `visit` says false.
void for_each_dead_letter(remote_spool& spool, const endpoints& where, const dead_letter_choice& which,
                          const std::function<bool(const dead_letter&)>& visit);

/// The offsets chosen, for each group that has any. Messages are read only if a pattern must be looked at.
using chosen_dead_letters = std::vector<std::pair<std::string, std::vector<protocol::run>>>;
chosen_dead_letters choose_dead_letters(remote_spool& spool, const endpoints& where,
                                        const dead_letter_choice& which);

}  // namespace ferry::cli
