// Another program, run beside a test: its standard output is read line by line, its end is waited for.
//
// Threads: one at a time. Failure: `start` throws when there is no such program.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace ferry {

class child {
  public:
    explicit child(std::vector<std::string> arguments) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error{"pipe2"};
        output_ = ends[0];
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        // Signals a test blocks are blocked in its children, unless they are told otherwise.
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        std::vector<char*> argv;
        for (std::string& each : arguments) argv.push_back(each.data());
        argv.push_back(nullptr);
        const int failure = ::posix_spawn(&pid_, argv[0], &actions, &attributes, argv.data(), environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        if (failure != 0) throw std::runtime_error{"cannot start " + arguments[0]};
    }

    ~child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(output_);
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    /// The next line of its output; empty at its end and after ten seconds of silence.
    std::string line() {
        while (true) {
            const auto end = buffer_.find('\n');
            if (end != std::string::npos) {
                std::string text = buffer_.substr(0, end);
                buffer_.erase(0, end + 1);
                return text;
            }
            pollfd watched{output_, POLLIN, 0};
            if (::poll(&watched, 1, 10'000) <= 0) return {};
            char bytes[4096];
            const ssize_t count = ::read(output_, bytes, sizeof bytes);
            if (count <= 0) return {};
            buffer_.append(bytes, static_cast<std::size_t>(count));
        }
    }

    void send_signal(int signal) const { ::kill(pid_, signal); }

    /// Waits for its end: the exit status, or 128 and the signal. Reads its output away first.
    int wait() {
        while (!line().empty()) {}
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

  private:
    pid_t pid_ = -1;
    int output_ = -1;
    std::string buffer_;
};

}  // namespace ferry
