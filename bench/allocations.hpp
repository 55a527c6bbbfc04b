// How often this process asked for memory: operator new is replaced in this program, and counts.
#pragma once

#include <cstdint>

namespace ferry::bench {

/// Calls of operator new, by all threads, since the start.
std::uint64_t allocations() noexcept;

}  // namespace ferry::bench
