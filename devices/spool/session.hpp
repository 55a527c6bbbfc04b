// A session: one client's connection to the spool, and its channels. It lives as long as the client is heard;
// nothing in it is durable.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/protocol.hpp"
#include "devices/spool/actions.hpp"

namespace ferry {

/// Pieces of a batch that is larger than a frame, waiting for the message that ends them.
struct part_buffer {
    std::uint64_t expected = 0;  ///< index of the next piece
    std::uint64_t count = 0;
    std::string bytes;
    bool too_large = false;  ///< counted on, no longer kept
    bool beyond = false;     ///< what the session may have under way

    /// What the pieces and the frame that ends them make; nothing when a piece is missing.
    shared_bytes complete(const shared_bytes& last);
};

/// A PUT that waits for room in its stream.
struct waiting_put {
    protocol::put request;
    shared_bytes batch;
    std::uint64_t since_ns = 0;  ///< monotonic
};

/// One OPEN: a producer on a stream.
struct put_channel {
    std::uint32_t stream = 0;
    std::string producer_id;
    std::uint64_t epoch = 0;
    protocol::grade grade{};
    bool dedup = true;                   ///< messages whose id is known are not stored again
    std::uint64_t batches_received = 0;  ///< since OPEN, with those refused
    std::uint64_t bytes_received = 0;
    std::uint64_t batches_settled = 0;  ///< answered, or about to be with this turn's reply
    std::uint64_t bytes_settled = 0;
    std::uint64_t up_to = 0;                      ///< last sequence confirmed
    std::vector<protocol::stored_run> confirmed;  ///< not told yet
    part_buffer parts;
    std::deque<waiting_put> waiting;  ///< and what came behind it, in order
};

/// One JOIN: a consumer of a group, or a reader (no group) that sees everything and settles nothing.
struct take_channel {
    std::uint32_t stream = 0;
    std::optional<std::uint32_t> group;
    std::uint64_t holder = 0;  ///< unique among all consumers of this run
    std::uint64_t lease_ns = 0;
    std::uint64_t messages_max = 0;  ///< credit: cumulative limits since JOIN
    std::uint64_t bytes_max = 0;
    std::uint64_t frames_read = 0;
    bool mute = false;           ///< a lease ended in its silence: it is given nothing before it is heard
    part_buffer parts;           ///< of a COMMIT
    std::uint64_t messages = 0;  ///< delivered since JOIN
    std::uint64_t bytes = 0;
    std::uint64_t frames = 0;
    std::deque<std::size_t> unread;  ///< bytes of each DELIVER that CREDIT does not say was read
    std::size_t unread_bytes = 0;
    std::uint64_t read_from = 0;                   ///< a reader's next offset
    std::optional<std::uint32_t> dead_of;          ///< a reader that sees the dead letters of this group only
    std::uint64_t read_until = ~std::uint64_t{0};  ///< the first offset a reader does not want,
    bool end_told = false;                         ///< which it was told it has reached

    bool has_end() const noexcept { return read_until != ~std::uint64_t{0}; }
    bool has_credit() const noexcept {
        return messages < messages_max && bytes < bytes_max &&
               frames < frames_read + protocol::frames_ahead_max;
    }
};

struct session {
    std::uint64_t number = 0;
    std::string user;
    std::string client;
    std::uint64_t last_incarnation = 0;  ///< in which its channels were open last
    std::uint64_t greetings = 0;         ///< HELLOs so far: channels belong to the last one
    bool greeted = false;                ///< nothing else counts before a HELLO
    std::uint64_t heard_ns = 0;
    bool mute = false;               ///< of some channel
    std::uint64_t frames_heard = 0;  ///< behind the HELLO
    std::uint64_t frames_told = 0;   ///< behind the WELCOME
    std::map<std::uint64_t, put_channel> puts;
    std::map<std::uint64_t, take_channel> takes;
    /// Of all its channels, in pieces that are not finished.
    std::size_t part_bytes() const {
        std::size_t bytes = 0;
        for (const auto& [channel, each] : puts) bytes += each.parts.bytes.size();
        for (const auto& [channel, each] : takes) bytes += each.parts.bytes.size();
        return bytes;
    }
    /// Whether one more channel may be made, or that one made anew.
    bool has_room_for(std::uint64_t channel) const {
        return puts.contains(channel) || takes.contains(channel) ||
               puts.size() + takes.size() < protocol::channels_max;
    }

    /// What the socket did not take, and what was to go behind it; tried again when the peer next speaks.
    std::deque<send_action> unsent;
};

}  // namespace ferry
