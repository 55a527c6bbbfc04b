// A frame that sends shared bytes without copying them, unless they are few.
#pragma once

#include <zmq.h>

#include <memory>
#include <new>

#include "core/shared_bytes.hpp"
#include "ferry/message.hpp"

namespace ferry {

inline frame frame_of(shared_bytes bytes) {
    constexpr std::size_t copy_below_bytes = 8 << 10;
    if (bytes.view.size() < copy_below_bytes) return frame{bytes.view};
    frame result;
    auto owner = std::make_unique<std::shared_ptr<const void>>(std::move(bytes.owner));
    const auto release = [](void*, void* hint) { delete static_cast<std::shared_ptr<const void>*>(hint); };
    auto* message = static_cast<zmq_msg_t*>(result.native());
    if (zmq_msg_init_data(message, const_cast<char*>(bytes.view.data()), bytes.view.size(), release,
                          owner.get()) != 0)
        throw std::bad_alloc{};
    owner.release();  // libzmq frees it when the frame has left
    return result;
}

}  // namespace ferry
