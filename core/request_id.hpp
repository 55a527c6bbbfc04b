// The name of a request, in a frame of its own ahead of the empty delimiter, where REP copies it back.
//
// It is 0xC1 'f' 'r' 0x01, the requester's eight random bytes, and its count in eight bytes: the same for all
// attempts of one request, by which a replier knows one that comes again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ferry {

inline constexpr std::string_view request_id_magic{
    "\xC1"
    "fr\x01",
    4};
inline constexpr std::size_t request_id_bytes = 20;

inline std::string make_request_id(std::string_view requester, std::uint64_t count) {
    std::string id{request_id_magic};
    id.append(requester);
    for (int shift = 56; shift >= 0; shift -= 8) id.push_back(static_cast<char>(count >> shift & 0xFF));
    return id;
}

inline bool is_request_id(std::string_view bytes) {
    return bytes.size() == request_id_bytes && bytes.starts_with(request_id_magic);
}

/// The headers of an error reply: a short code, and the reason in words.
inline constexpr std::string_view error_header = "ferry-error";
inline constexpr std::string_view reason_header = "ferry-reason";

/// The code of a queue without workers.
inline constexpr std::string_view no_worker_code = "no-worker";

}  // namespace ferry
