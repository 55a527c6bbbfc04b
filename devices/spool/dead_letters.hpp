// The dead letters of one group: messages that failed too often, kept until somebody redrives or drops them.
//
// They stand by offset as runs that died alike. For the group's floor they are settled, for the stream they
// are still needed. Threads: plain values. Nothing fails.
//
//     letters.add({.offset = 7, .count = 1, .attempt = 16, .reason = "nacked"});
//     for (const dead_run& each : letters.take({0, 100})) ...   // out they are
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/run_set.hpp"

namespace ferry {

struct dead_run {
    std::uint64_t offset = 0;
    std::uint64_t count = 0;
    std::uint64_t attempt = 1;  ///< of the last delivery
    std::string reason;
    std::uint64_t died_wall_ns = 0;
    std::uint64_t end() const noexcept { return offset + count; }
    bool valid() const noexcept { return end() >= offset; }
    static auto fields(auto& m) { return std::tie(m.offset, m.count, m.attempt, m.reason, m.died_wall_ns); }
    friend bool operator==(const dead_run&, const dead_run&) = default;
};

class dead_letters {
  public:
    /// Takes in a run whose offsets are not among them yet; it joins its neighbours that died alike.
    void add(dead_run died);

    /// Takes out those within the run.
    std::vector<dead_run> take(protocol::run within);

    /// The first at or above `from`, cut to begin there; empty when there is none.
    std::optional<dead_run> next(std::uint64_t from) const;

    /// How many of them lie in the run.
    std::uint64_t count(protocol::run within) const;
    std::uint64_t count() const noexcept { return count_; }
    bool empty() const noexcept { return runs_.empty(); }
    const std::map<std::uint64_t, dead_run>& runs() const noexcept { return runs_; }

  private:
    std::map<std::uint64_t, dead_run> runs_;  // by offset, disjoint
    std::uint64_t count_ = 0;
};

}  // namespace ferry
