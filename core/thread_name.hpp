// What a thread is called where somebody looks at them: `top -H`, a debugger, /proc/PID/task/*/comm.
#pragma once

#include <pthread.h>

#include <cassert>
#include <cstring>

namespace ferry {

/// `which` is a std::thread or std::jthread that runs; `name` has 15 characters at most.
template <typename Thread>
void name_thread(Thread& which, const char* name) noexcept {
    assert(std::strlen(name) < 16);
    ::pthread_setname_np(which.native_handle(), name);
}

}  // namespace ferry
