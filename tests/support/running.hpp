// A device that runs in a thread of its own until the end of the test.
#pragma once

#include <thread>
#include <utility>

namespace ferry {

template <typename Device>
struct running {
    template <typename... Arguments>
    explicit running(Arguments&&... arguments)
        : device{std::forward<Arguments>(arguments)...}, thread{[this] { device.run(); }} {}
    ~running() {
        device.stop();
        thread.join();
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;

    Device device;
    std::thread thread;
};

}  // namespace ferry
