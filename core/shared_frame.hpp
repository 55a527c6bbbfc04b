// Frames and shared bytes, there and back, without copying them unless they are few.
#pragma once

#include <memory>
#include <utility>

#include "core/shared_bytes.hpp"
#include "ferry/message.hpp"

namespace ferry {

/// Below this a copy costs less than sharing. It is also what libzmq reads at once.
inline constexpr std::size_t copy_below_bytes = 8 << 10;

/// The bytes of a received frame, for those who keep them. libzmq does not copy a small frame out of the 8
/// KiB it has read, so that one of 100 bytes keeps all of these.
inline shared_bytes bytes_of(frame&& received) {
    if (received.size() <= copy_below_bytes) return shared_bytes::of(received.str());
    auto owner = std::make_shared<const frame>(std::move(received));
    return {owner, owner->view()};
}

inline frame frame_of(shared_bytes bytes) {
    if (bytes.view.size() < copy_below_bytes) return frame{bytes.view};
    return frame{std::move(bytes.owner), bytes.view};
}

}  // namespace ferry
