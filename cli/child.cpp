#include "cli/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>

#include "cli/exit_codes.hpp"
#include "cli/input.hpp"
#include "core/context_parts.hpp"

extern char** environ;

namespace ferry::cli {
namespace {

struct pipe_ends {
    int read = -1;
    int write = -1;
};

pipe_ends make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error{errno, std::generic_category(), "pipe"};
    return {ends[0], ends[1]};
}

void close_if_open(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

bool is_executable(const std::string& path) {
    std::error_code ignored;
    return ::access(path.c_str(), X_OK) == 0 && ::access((path + "/.").c_str(), F_OK) != 0;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> all;
    for (std::string& word : words) all.push_back(word.data());
    all.push_back(nullptr);
    return all;
}

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& added) {
    std::vector<std::string> all;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string_view entry = *each;
        const std::string_view name = entry.substr(0, entry.find('='));
        const bool replaced =
            std::any_of(added.begin(), added.end(), [&](const auto& pair) { return pair.first == name; });
        if (!replaced) all.emplace_back(entry);
    }
    for (const auto& [name, value] : added) all.push_back(name + '=' + value);
    return all;
}

// Between fork and exec: only what is safe there. Never returns.
[[noreturn]] void become(const char* program, char** words, char** variables, int in, int out, int report,
                         pid_t parent) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // it died before the line above
    ::dup2(in, STDIN_FILENO);
    if (out >= 0) ::dup2(out, STDOUT_FILENO);
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(program, words, variables);
    const int problem = errno;
    [[maybe_unused]] const ssize_t told = ::write(report, &problem, sizeof problem);
    ::_exit(127);
}

[[noreturn]] void cannot_start(const std::string& program, std::string_view reason) {
    throw failure{exit_code::usage, fmt::format("cannot start '{}': {}", program, reason)};
}

}  // namespace

std::string find_program(const std::string& program) {
    if (program.empty()) cannot_start(program, "no command is given");
    if (program.find('/') != std::string::npos) {
        if (::access(program.c_str(), F_OK) != 0) cannot_start(program, std::strerror(errno));
        if (!is_executable(program)) cannot_start(program, "it is not executable");
        return program;
    }
    const char* path = std::getenv("PATH");
    std::string_view left = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (!left.empty()) {
        const auto colon = std::min(left.find(':'), left.size());
        const std::string candidate = std::string{left.substr(0, colon)} + '/' + program;
        if (is_executable(candidate)) return candidate;
        left.remove_prefix(std::min(colon + 1, left.size()));
    }
    cannot_start(program, "no such command");
}

child::child(child_options options) : options_{std::move(options)} {
    if (options_.command.empty()) cannot_start("", "no command is given");
    start(find_program(options_.command.front()));
}

void child::start(const std::string& program) {
    std::vector<std::string> variables = environment_with(options_.environment);
    const std::vector<char*> words = pointers(options_.command);
    const std::vector<char*> environment = pointers(variables);
    pipe_ends in = make_pipe();
    pipe_ends out = options_.capture ? make_pipe() : pipe_ends{};
    pipe_ends report = make_pipe();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0)
        become(program.c_str(), const_cast<char**>(words.data()), const_cast<char**>(environment.data()),
               in.read, out.write, report.write, parent);
    const int fork_problem = errno;
    for (int* fd : {&in.read, &out.write, &report.write}) close_if_open(*fd);
    stdin_ = in.write;
    stdout_ = out.read;
    int problem = pid_ < 0 ? fork_problem : 0;
    if (pid_ > 0 && ::read(report.read, &problem, sizeof problem) != sizeof problem) problem = 0;
    close_if_open(report.read);
    if (problem == 0) {
        // glibc 2.36 declares pidfd_open for C only.
        pid_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
        for (const int fd : {stdin_, stdout_})
            if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        return;
    }
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    ended_ = true;
    close_if_open(stdin_);
    close_if_open(stdout_);
    cannot_start(options_.command.front(), std::strerror(problem));
}

child::~child() {
    if (!ended_) {
        kill();
        ::waitpid(pid_, nullptr, 0);
    }
    close_if_open(stdin_);
    close_if_open(stdout_);
    close_if_open(pid_fd_);
}

void child::kill() noexcept {
    if (ended_ || pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // in case it left its group
}

std::vector<pollfd> child::watched() const {
    if (ended_) return {};
    std::vector<pollfd> all{{pid_fd_, POLLIN, 0}};
    if (stdin_ >= 0) all.push_back({stdin_, POLLOUT, 0});
    if (stdout_ >= 0) all.push_back({stdout_, POLLIN, 0});
    return all;
}

void child::write_input() {
    while (stdin_ >= 0 && written_ < options_.input.size()) {
        const ssize_t put =
            ::write(stdin_, options_.input.data() + written_, options_.input.size() - written_);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return;
        // A command need not read its input: a closed end is not a failure.
        if (put < 0) break;
        written_ += static_cast<std::size_t>(put);
    }
    close_if_open(stdin_);
}

void child::read_output() {
    std::array<char, 64 << 10> buffer{};
    while (stdout_ >= 0) {
        const ssize_t got = ::read(stdout_, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got > 0) output_.append(buffer.data(), static_cast<std::size_t>(got));
        too_large_ = output_.size() > options_.output_bytes_max;
        if (too_large_) kill();
        if (got <= 0 || too_large_) close_if_open(stdout_);
    }
}

bool child::reap() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
    ended_ = true;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

bool child::step() {
    if (ended_) return true;
    write_input();
    const bool over = reap();
    // After it was reaped all it has written is in the pipe; a grandchild may hold the pipe open for longer.
    read_output();
    return over;
}

child::end child::run(ferry::context& context,
                      std::optional<std::chrono::steady_clock::time_point> deadline) {
    using namespace std::chrono;
    while (!step()) {
        std::vector<pollfd> all = watched();
        all.push_back({context.internals().stop.fd(), POLLIN, 0});
        const auto left = deadline ? ceil<milliseconds>(*deadline - steady_clock::now()).count() : -1;
        const int ready =
            ::poll(all.data(), all.size(),
                   deadline ? static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000)) : -1);
        const bool stopped = all.back().revents != 0;
        const bool late = ready == 0 && deadline && steady_clock::now() >= *deadline;
        if (!stopped && !late) continue;
        kill();
        return stopped ? end::stopped : end::timed_out;
    }
    return end::exited;
}

}  // namespace ferry::cli
