// Typed bodies: any msgpack-able value to bytes and back.
//
//     struct quote { double bid, ask; MSGPACK_DEFINE(bid, ask) };
//     prices.publish("eur.usd", ferry::pack(quote{1.09, 1.10}));
//     auto q = ferry::unpack<quote>(m->body());
//
// This header includes msgpack-c; link nothing else. `unpack` bounds what foreign bytes can make it allocate.
#pragma once

#include <msgpack.hpp>
#include <string>
#include <string_view>

#include "ferry/error.hpp"

namespace ferry {

/// The msgpack form of `value`.
template <typename T>
std::string pack(const T& value) {
    msgpack::sbuffer buffer;
    msgpack::pack(buffer, value);
    return std::string{buffer.data(), buffer.size()};
}

/// The value in `bytes`. Throws errc::damaged when they are not the msgpack form of a T.
template <typename T>
T unpack(std::string_view bytes) {
    // A header of 5 bytes can claim 4 billion elements; none can be there that has no byte of its own.
    const std::size_t most = bytes.size();
    const msgpack::unpack_limit limit{most, most, most, most, most, 64};
    try {
        const auto handle = msgpack::unpack(bytes.data(), bytes.size(), nullptr, nullptr, limit);
        return handle.get().as<T>();
    } catch (const msgpack::unpack_error& e) {
        throw error{errc::damaged, std::string{"not the msgpack form of what was asked for: "} + e.what()};
    } catch (const std::bad_cast&) {
        throw error{errc::damaged, "the msgpack value is of another type than asked for"};
    }
}

}  // namespace ferry
