// How durable a confirm is. The default is the strongest; docs/guarantees.md says what each survives.
#pragma once

#include <cstdint>

namespace ferry {

enum class grade : std::uint8_t {
    synced = 0,   ///< the bytes and the directory entry are on disk: survives kill -9 and power loss
    written = 1,  ///< handed to the kernel: survives kill -9
    queued = 2,   ///< in the spool's memory: survives nothing; for feeds that value speed
};

}  // namespace ferry
