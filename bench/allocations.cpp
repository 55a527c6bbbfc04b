#include "bench/allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> count{0};

}  // namespace

namespace ferry::bench {

std::uint64_t allocations() noexcept {
    return count.load(std::memory_order_relaxed);
}

}  // namespace ferry::bench

// The array and the nothrow forms of the library call this one.
void* operator new(std::size_t bytes) {
    count.fetch_add(1, std::memory_order_relaxed);
    if (void* const given = std::malloc(bytes)) return given;
    throw std::bad_alloc{};
}

void operator delete(void* given) noexcept {
    std::free(given);
}

void operator delete(void* given, std::size_t) noexcept {
    std::free(given);
}
