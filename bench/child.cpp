#include "bench/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "bench/roles.hpp"

namespace ferry::bench {
namespace {

constexpr std::chrono::milliseconds patience{60'000};
int give_up = -1;

}  // namespace

void give_up_when_readable(int descriptor) {
    give_up = descriptor;
}

std::string own_path() {
    return std::filesystem::read_symlink("/proc/self/exe").string();
}

child::child(std::vector<std::string> role) {
    role.insert(role.begin(), std::string{role_flag});
    start(own_path(), std::move(role));
}

child::child(const std::string& program, std::vector<std::string> arguments) {
    start(program, std::move(arguments));
}

void child::start(const std::string& program, std::vector<std::string> arguments) {
    name_ = program;
    for (const std::string& each : arguments) name_ += ' ' + each;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error{"pipe"};
    output_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string first = program;
    std::vector<char*> given{first.data()};
    for (std::string& each : arguments) given.push_back(each.data());
    given.push_back(nullptr);
    const int failure = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, given.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (failure != 0) {
        ::close(output_);
        throw std::runtime_error{"cannot start " + name_};
    }
}

child::~child() {
    end();
    ::close(output_);
}

void child::end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
}

std::string child::line(std::chrono::milliseconds lasts) {
    while (true) {
        if (const auto end = said_.find('\n'); end != std::string::npos) {
            std::string text = said_.substr(0, end);
            said_.erase(0, end + 1);
            return text;
        }
        pollfd watched[2]{{output_, POLLIN, 0}, {give_up, POLLIN, 0}};
        char bytes[4096];
        const bool said =
            ::poll(watched, 2, static_cast<int>((patience + lasts).count())) > 0 && watched[1].revents == 0;
        const ssize_t count = said ? ::read(output_, bytes, sizeof bytes) : 0;
        if (count <= 0) throw std::runtime_error{"no word from " + name_};
        said_.append(bytes, static_cast<std::size_t>(count));
    }
}

int child::wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace ferry::bench
