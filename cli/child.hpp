// A command run for a message: payload on its stdin, what it prints read back or inherited.
//
// The words are executed as they are; no shell is started. The child gets default signals, none of our
// descriptors, a process group of its own, and SIGKILL when we die - however we die. Destroying a `child`
// kills its whole group and waits for it.
//
// The program must ignore SIGPIPE, as main does: a command that reads nothing would end us otherwise.
//
// Threads: one, and it must be the one that outlives the child (the kernel's death signal follows the
// thread). Failure: the constructor throws failure with exit_code::usage for a command that cannot be
// started.
//
//     child grep{{.command = split_words("grep -c x"), .input = payload}};
//     if (grep.run(context) == child::end::exited && grep.status() == 0) use(grep.output());
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/splitter.hpp"
#include "ferry/context.hpp"

namespace ferry::cli {

struct child_options {
    std::vector<std::string> command{};
    std::string input{};
    std::vector<std::pair<std::string, std::string>> environment{};  ///< in addition to ours
    bool capture = true;                                             ///< false: stdout is ours
    std::size_t output_bytes_max = message_bytes_max;
};

/// Where `program` is, by PATH if it has no slash. Throws failure with exit_code::usage when it cannot be
/// run.
std::string find_program(const std::string& program);

class child {
  public:
    enum class end : unsigned char { exited, stopped, timed_out };

    explicit child(child_options options);
    ~child();
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    /// What to poll for the next `step` to have something to do; nothing once it has ended.
    std::vector<pollfd> watched() const;
    /// Writes, reads and reaps what is possible without waiting. True once the child has ended.
    bool step();
    /// Steps until the child has ended, the context stops (it is killed) or the time has come (likewise).
    end run(ferry::context& context,
            std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt);

    void kill() noexcept;
    pid_t pid() const noexcept { return pid_; }
    /// Once ended: the exit status, or 128 + the signal that ended it.
    int status() const noexcept { return status_; }
    const std::string& output() const noexcept { return output_; }
    /// True when it printed more than `output_bytes_max`; the rest was not read.
    bool output_too_large() const noexcept { return too_large_; }

  private:
    void start(const std::string& program);
    void write_input();
    void read_output();
    bool reap();

    child_options options_;
    pid_t pid_ = -1;
    int pid_fd_ = -1;
    int stdin_ = -1;
    int stdout_ = -1;
    std::size_t written_ = 0;
    std::string output_;
    bool too_large_ = false;
    bool ended_ = false;
    int status_ = -1;
};

}  // namespace ferry::cli
