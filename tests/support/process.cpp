#include "tests/support/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace ferry::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error{errno, std::generic_category(), "pipe"};
    return ends;
}

void close_if_open(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> all;
    for (std::string& word : words) all.push_back(word.data());
    all.push_back(nullptr);
    return all;
}

// The child's side of fork: never returns.
[[noreturn]] void become(std::vector<char*>& words, const process_options& options, int in, int out,
                         int err) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) ::_exit(126);
    for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
}

}  // namespace

process::process(std::vector<std::string> command, process_options options)
    : name_{command.at(0) + (command.size() > 1 ? ' ' + command[1] : "")},
      input_{options.input},
      close_when_written_{!options.keep_stdin_open} {
    std::vector<char*> words = pointers(command);
    std::array<int, 2> in{-1, -1};
    const bool no_input = input_.empty() && !options.keep_stdin_open;
    if (no_input)
        in[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    else
        in = make_pipe();
    std::array<int, 2> out{-1, -1};
    if (options.stdout_to.empty())
        out = make_pipe();
    else
        out[1] = ::open(options.stdout_to.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    std::array<int, 2> err = make_pipe();
    ::signal(SIGPIPE, SIG_IGN);
    pid_ = ::fork();
    if (pid_ == 0) become(words, options, in[0], out[1], err[1]);
    if (pid_ < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    for (int* fd : {&in[0], &out[1], &err[1]}) close_if_open(*fd);
    stdin_ = in[1];
    stdout_ = out[0];
    stderr_ = err[0];
    pid_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    for (const int fd : {stdin_, stdout_, stderr_})
        if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    pump(0);
}

process::~process() {
    if (!ended_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    for (int* fd : {&stdin_, &stdout_, &stderr_, &pid_fd_}) close_if_open(*fd);
}

void process::write(std::string_view bytes) {
    input_ += bytes;
    pump(0);
}

void process::close_stdin() {
    close_when_written_ = true;
    pump(0);
}

void process::close_stdout() {
    close_if_open(stdout_);
}

void process::read_into(int& fd, std::string& text) {
    std::array<char, 64 << 10> buffer{};
    while (fd >= 0) {
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0)
            close_if_open(fd);
        else
            text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

// Moves what can be moved in all three directions, after waiting for something to move.
void process::pump(int wait_ms) {
    std::vector<pollfd> all;
    if (!ended_) all.push_back({pid_fd_, POLLIN, 0});
    if (stdin_ >= 0 && written_ < input_.size()) all.push_back({stdin_, POLLOUT, 0});
    if (stdout_ >= 0) all.push_back({stdout_, POLLIN, 0});
    if (stderr_ >= 0) all.push_back({stderr_, POLLIN, 0});
    if (!all.empty() && wait_ms != 0) ::poll(all.data(), all.size(), wait_ms);
    while (stdin_ >= 0 && written_ < input_.size()) {
        const ssize_t put = ::write(stdin_, input_.data() + written_, input_.size() - written_);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) break;
        if (put < 0)
            close_if_open(stdin_);
        else
            written_ += static_cast<std::size_t>(put);
    }
    if (written_ == input_.size() && close_when_written_) close_if_open(stdin_);
    reap();
    read_into(stdout_, out_);
    read_into(stderr_, err_);
}

void process::reap() {
    int status = 0;
    if (ended_ || ::waitpid(pid_, &status, WNOHANG) != pid_) return;
    ended_ = true;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void process::wait_until(const std::function<bool()>& there, milliseconds within, std::string_view what) {
    const auto deadline = steady_clock::now() + within;
    while (true) {
        pump(0);
        if (there()) return;
        const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
        const bool mute = ended_ && stdout_ < 0 && stderr_ < 0;
        if (left.count() <= 0 || mute)
            throw not_in_time{name_ + ": waited for " + std::string{what} +
                              (ended_ ? "; it ended with " + std::to_string(status_) : "") +
                              "\nstdout: " + out_ + "\nstderr: " + err_};
        pump(static_cast<int>(left.count()));
    }
}

std::string process::wait_for_error(std::string_view beginning, milliseconds within) {
    std::string found;
    const auto there = [&] {
        for (auto end = err_.find('\n', err_seen_); end != std::string::npos;
             end = err_.find('\n', err_seen_)) {
            std::string line = err_.substr(err_seen_, end - err_seen_);
            err_seen_ = end + 1;
            if (!line.starts_with(beginning)) continue;
            found = std::move(line);
            return true;
        }
        return false;
    };
    wait_until(there, within, "'" + std::string{beginning} + "' on stderr");
    return found;
}

std::string process::next_line(milliseconds within) {
    std::size_t end = 0;
    wait_until([&] { return (end = out_.find('\n', out_seen_)) != std::string::npos; }, within,
               "a line on stdout");
    std::string line = out_.substr(out_seen_, end - out_seen_);
    out_seen_ = end + 1;
    return line;
}

void process::wait_for_lines(std::size_t lines, milliseconds within) {
    wait_until([&] { return static_cast<std::size_t>(std::count(out_.begin(), out_.end(), '\n')) >= lines; },
               within, std::to_string(lines) + " lines on stdout");
}

int process::wait(milliseconds within) {
    if (!ended_) wait_until([this] { return ended_; }, within, "its end");
    pump(0);
    return status_;
}

bool process::running() {
    pump(0);
    return !ended_;
}

void process::kill(int signal) {
    if (!ended_) ::kill(pid_, signal);
}

finished run(std::vector<std::string> command, process_options options) {
    process one{std::move(command), std::move(options)};
    const int status = one.wait();
    return {status, one.out(), one.err()};
}

void process::suspend() {
    kill(SIGSTOP);
    siginfo_t what{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &what, WSTOPPED) != 0)
        if (errno != EINTR) throw std::system_error{errno, std::generic_category(), "waitid"};
}

}  // namespace ferry::test
