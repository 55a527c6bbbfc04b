// The envelope: [topic] [header] [payload], and plain messages beside it (docs/wire.md).
//
// One frame is a payload. Two are topic and payload. Of three and more the first is the topic, the last the
// payload, and the second is an envelope header if it starts with the magic bytes; what else stands between
// is carried along unread.
//
// Failure: foreign frames never throw; `decode` says `bad` and why.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/message.hpp"

namespace ferry {

inline constexpr std::string_view envelope_magic{
    "\xC1"
    "fy\x01",
    4};
inline constexpr std::size_t envelope_header_bytes_max = 64 << 10;
inline constexpr int envelope_header_depth_max = 4;
inline constexpr std::size_t producer_id_bytes = 8;

/// The header frame for these headers and this stamp. Throws errc::too_large above 64 KiB.
std::string encode_header(const stamp& stamp, const header_map& headers);
/// The same in a string that is used again.
void encode_header(std::string& into, const stamp& stamp, const header_map& headers);

/// Takes a header frame apart; nullptr-like `false` with a reason for bytes that are none.
struct decoded_header {
    bool good = false;
    stamp sent_by;
    header_map headers;
    const char* reason = "";
};
decoded_header decode_header(std::string_view bytes);

/// The frames `message` goes out as. With mode `none` headers are left out (the caller refuses them first).
std::vector<frame> to_frames(message message, envelope_mode mode);

/// What `frames` (at least one) say. They are moved out of.
struct decoded_message {
    bool good = false;
    message content;
    const char* reason = "";
};
decoded_message from_frames(std::span<frame> frames);

}  // namespace ferry
