// How many channels share the pools of memory.
//
// Counting walks all sessions, so it is not done for each batch: only when a channel was opened, and after a
// second for those that went. A share that is a second old gives a client a little less than its due.
//
// Threads: one. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "core/clock.hpp"
#include "devices/spool/session.hpp"

namespace ferry {

class census {
  public:
    /// A channel was opened: the next count is a new one.
    void changed() noexcept { due_ns_ = 0; }

    std::size_t puts(const std::map<std::uint64_t, session>& of, const instant& now) {
        count(of, now);
        return puts_;
    }
    std::size_t takes(const std::map<std::uint64_t, session>& of, const instant& now) {
        count(of, now);
        return takes_;
    }

  private:
    void count(const std::map<std::uint64_t, session>& of, const instant& now) {
        if (now.monotonic_ns < due_ns_) return;
        due_ns_ = now.monotonic_ns + 1'000'000'000;
        puts_ = takes_ = 0;
        for (const auto& [number, each] : of) {
            puts_ += each.puts.size();
            takes_ += each.takes.size();
        }
    }

    std::size_t puts_ = 0;
    std::size_t takes_ = 0;
    std::uint64_t due_ns_ = 0;
};

}  // namespace ferry
