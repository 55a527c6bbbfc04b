// A wait that is used up step by step.
#pragma once

#include <algorithm>
#include <optional>

#include "core/clock.hpp"

namespace ferry {

class deadline {
  public:
    explicit deadline(std::optional<duration> wait) {
        if (wait) due_ = std::chrono::steady_clock::now() + *wait;
    }

    /// What is left of it, never below zero; none when there was no end.
    std::optional<duration> left() const {
        if (!due_) return std::nullopt;
        return std::max<duration>(*due_ - std::chrono::steady_clock::now(), duration{0});
    }

    bool passed() const { return due_ && std::chrono::steady_clock::now() >= *due_; }

  private:
    std::optional<steady_time> due_;
};

}  // namespace ferry
