// A process of the benchmark: this program, started again to play one role, read line by line.
//
// Roles say what they have to say on stdout, a line each. Destroying a child kills it.
//
//     child spool{{"spool", directory}};
//     child put{{"put", spool.line(), "100"}};
//     const std::string result = put.line();
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace ferry::bench {

class child {
  public:
    explicit child(std::vector<std::string> role);
    /// Another program.
    child(const std::string& program, std::vector<std::string> arguments);
    ~child();
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    /// The next line it prints; throws when it ends, or is silent for a minute beyond what it `lasts`,
    /// instead.
    std::string line(std::chrono::milliseconds lasts = {});
    /// Kills it, and returns when it is gone.
    void end();
    /// Waits for its end: its exit status, or 128 + the signal.
    int wait();
    pid_t pid() const noexcept { return pid_; }

  private:
    void start(const std::string& program, std::vector<std::string> arguments);

    pid_t pid_ = -1;
    int output_ = -1;
    std::string said_;
    std::string name_;
};

/// Whoever waits for a line gives up when this descriptor becomes readable. Before the first child.
void give_up_when_readable(int descriptor);

/// The path of this program.
std::string own_path();

}  // namespace ferry::bench
