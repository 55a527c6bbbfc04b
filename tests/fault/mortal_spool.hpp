// A spool in a process of its own, for tests that kill it.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/process.hpp"

namespace ferry::test {

/// This test binary, to be started again in another part.
inline std::string own_path() {
    return std::filesystem::read_symlink("/proc/self/exe").string();
}

// A spool that is killed and started again, on the same directory and port.
class mortal_spool {
  public:
    mortal_spool(std::string directory, std::string grade)
        : directory_{std::move(directory)}, grade_{std::move(grade)} {
        start();
    }

    void start() {
        process_.emplace(
            std::vector<std::string>{own_path(), "--play", "spool", directory_, endpoint_, grade_});
        endpoint_ = process_->wait_for_error("ready ").substr(6);
    }

    /// Whether it lives on for so long.
    bool survives(std::chrono::milliseconds time) {
        try {
            process_->wait(time);
            return false;
        } catch (const not_in_time&) {
            return true;
        }
    }

    void kill() {
        process_->kill(SIGKILL);
        CHECK(process_->wait() == 128 + SIGKILL);
    }

    int stop() {
        process_->kill(SIGTERM);
        return process_->wait();
    }

    const std::string& endpoint() const { return endpoint_; }
    const std::string& said() const { return process_->err(); }

  private:
    std::string directory_;
    std::string endpoint_ = "tcp://127.0.0.1:*";
    std::string grade_;
    std::optional<process> process_;
};

}  // namespace ferry::test
