#include "cli/demo_crew.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <system_error>

#include "cli/exit_codes.hpp"
#include "core/context_parts.hpp"

namespace ferry::cli {
namespace {

constexpr std::size_t said_lines_max = 100;

void close_if_open(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error{errno, std::generic_category(), "pipe"};
    return ends;
}

// Between fork and exec: only what is safe there. Never returns.
[[noreturn]] void become_ferry(char** words, int out, int err, pid_t parent) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // it died before the line above
    const int null = ::open("/dev/null", O_RDONLY);
    if (null >= 0) ::dup2(null, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execv("/proc/self/exe", words);
    ::_exit(127);
}

}  // namespace

demo_process::demo_process(std::vector<std::string> words, line_reader read)
    : name_{"ferry " + words.front()}, read_{std::move(read)} {
    words.insert(words.begin(), "ferry");
    start(words);
}

void demo_process::start(std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (std::string& each : words) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    auto out = make_pipe();
    auto err = make_pipe();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) become_ferry(pointers.data(), out[1], err[1], parent);
    const int problem = errno;
    close_if_open(out[1]);
    close_if_open(err[1]);
    out_.fd = out[0];
    err_.fd = err[0];
    for (const int fd : {out_.fd, err_.fd}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    if (pid_ < 0)
        throw failure{exit_code::failed, fmt::format("cannot start a process: {}", std::strerror(problem))};
    // glibc 2.36 declares pidfd_open for C only.
    pid_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
}

demo_process::~demo_process() {
    if (!ended_ && pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    for (int* fd : {&pid_fd_, &out_.fd, &err_.fd}) close_if_open(*fd);
}

std::optional<std::string> demo_process::announced(std::string_view beginning) const {
    const auto found = std::find_if(said_.begin(), said_.end(),
                                    [&](const std::string& line) { return line.starts_with(beginning); });
    return found == said_.end() ? std::nullopt : std::optional{*found};
}

void demo_process::tell(int signal) {
    told_ = true;
    if (!ended_) ::kill(pid_, signal);
}

std::string demo_process::describe() const {
    return said_.empty() ? name_ : fmt::format("{} ('{}')", name_, said_.front());
}

void demo_process::watch(std::vector<pollfd>& all) const {
    for (const int fd : {out_.fd, err_.fd, ended_ ? -1 : pid_fd_})
        if (fd >= 0) all.push_back({fd, POLLIN, 0});
}

void demo_process::read_lines(stream& from, const line_reader& take) {
    std::array<char, 64 << 10> buffer;
    while (from.fd >= 0) {
        const ssize_t got = ::read(from.fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) close_if_open(from.fd);
        if (got > 0) from.text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = from.text.find('\n', begin)) != std::string::npos; begin = end + 1)
        if (take) take(std::string_view{from.text}.substr(begin, end - begin));
    from.text.erase(0, begin);
}

void demo_process::pump() {
    // Asked before the last reading: what it wrote before its end is in the pipes then.
    int status = 0;
    if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
        ended_ = true;
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    read_lines(out_, read_);
    read_lines(err_, [this](std::string_view line) {
        if (said_.size() < said_lines_max)
            said_.emplace_back(line);
        else
            said_.back() = line;
    });
}

demo_process& demo_crew::start(std::vector<std::string> words, demo_process::line_reader read) {
    return *all_.emplace_back(std::make_unique<demo_process>(std::move(words), std::move(read)));
}

void demo_crew::until(std::string_view what, const std::function<bool()>& done, demo_wait wait) {
    using namespace std::chrono;
    const auto deadline = steady_clock::now() + wait.limit;
    std::vector<pollfd> watched;
    while (true) {
        if (context_.stopped()) throw demo_stopped{};
        for (const auto& each : all_) each->pump();
        if (done()) return;
        look_after();
        const auto left = ceil<milliseconds>(deadline - steady_clock::now()).count();
        if (left <= 0)
            throw failure{exit_code::failed,
                          fmt::format("waited {} ms in vain: {}", wait.limit.count(), what)};
        watched.assign({{context_.internals().stop.fd(), POLLIN, 0}, {woken_.fd(), POLLIN, 0}});
        for (const auto& each : all_) each->watch(watched);
        ::poll(watched.data(), watched.size(),
               static_cast<int>(std::min<std::int64_t>(left, wait.ask_every.count())));
        woken_.clear();
    }
}

void demo_crew::look_after() const {
    for (const auto& each : all_)
        if (each->ended() && !each->told())
            throw failure{exit_code::failed,
                          fmt::format("{} ended by itself with status {}", each->describe(), each->status())};
}

std::vector<std::string> demo_crew::ready_words(demo_process& one) {
    until(one.describe() + " is ready", [&] { return one.announced("ready ").has_value(); });
    std::istringstream line{*one.announced("ready ")};
    std::vector<std::string> words;
    for (std::string word; line >> word;) words.push_back(std::move(word));
    words.erase(words.begin());
    return words;
}

void demo_crew::end(demo_process& one, int signal) {
    one.tell(signal);
    until(one.describe() + " has ended", [&] { return one.ended(); });
}

}  // namespace ferry::cli
