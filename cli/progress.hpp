// One line on a terminal's stderr that says how far long work has come, written over itself.
//
// On anything but a terminal nothing is written. The line is taken away when this is destroyed, and before
// something else is said (`clear`).
//
//     progress line;
//     line.show(fmt::format("{} of {}", done, all));
#pragma once

#include <chrono>
#include <string_view>

namespace ferry::cli {

class progress {
  public:
    progress();
    ~progress() { clear(); }
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    /// At most ten times a second; what comes in between is not shown.
    void show(std::string_view text);
    void clear();

  private:
    bool on_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point next_{};
};

}  // namespace ferry::cli
