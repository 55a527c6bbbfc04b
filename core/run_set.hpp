// A set of offsets, kept as the runs it consists of.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "core/protocol.hpp"

namespace ferry {

class run_set {
  public:
    using run = protocol::run;

    void add(run more);
    void remove(run less);
    /// All of `more`; all of `less`.
    void add(const run_set& more) {
        for (const auto& [first, end] : more.runs_) add({first, end - first});
    }
    void remove(const run_set& less) {
        for (const auto& [first, end] : less.runs_) remove({first, end - first});
    }
    void clear() { runs_.clear(), count_ = 0; }

    bool contains(std::uint64_t offset) const;
    /// How many offsets of `within` are in the set.
    std::uint64_t count(run within) const;
    std::uint64_t count() const noexcept { return count_; }
    bool empty() const noexcept { return runs_.empty(); }

    /// The first offset at or above `from` that is not in the set.
    std::uint64_t first_absent(std::uint64_t from) const;
    /// The run at or above `from` (cut to begin there); empty when there is none.
    std::optional<run> next_run(std::uint64_t from) const;

    /// The runs as first -> end, in order.
    const std::map<std::uint64_t, std::uint64_t>& runs() const noexcept { return runs_; }

  private:
    std::map<std::uint64_t, std::uint64_t> runs_;  // first -> end, disjoint and not touching
    std::uint64_t count_ = 0;
};

}  // namespace ferry
