// What a context is made of, for the components; users see ferry/context.hpp.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <zmq.hpp>

#include "core/event_fd.hpp"
#include "ferry/context.hpp"

namespace ferry {

class loop;

struct context::parts {
    parts();
    ~parts();

    /// The one loop thread of this context, started when first asked for.
    loop& shared_loop();

    zmq::context_t zmq;
    event_fd stop;  ///< readable from the moment a stop was requested, for good
    std::atomic<bool> stop_requested{false};
    std::atomic<int> signal{0};

    event_fd signal_thread_end;
    std::thread signal_thread;

    std::mutex loop_mutex;
    std::unique_ptr<loop> loop_thread;
};

}  // namespace ferry
