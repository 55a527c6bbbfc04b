#include "cli/input.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "cli/exit_codes.hpp"
#include "cli/json_input.hpp"
#include "core/context_parts.hpp"

namespace ferry::cli {
namespace {

constexpr std::size_t read_bytes = 64 << 10;

exit_code code_of_errno(int problem) {
    if (problem == ENOENT || problem == ENOTDIR) return exit_code::not_found;
    return problem == EACCES || problem == EPERM ? exit_code::denied : exit_code::failed;
}

[[noreturn]] void cannot_read(const std::string& what, int problem) {
    throw failure{code_of_errno(problem), fmt::format("cannot read {}: {}", what, std::strerror(problem))};
}

// Appends what one read gives; 0 at the end.
std::size_t read_some(int fd, std::string& buffer, const std::string& what) {
    const std::size_t before = buffer.size();
    buffer.resize(before + read_bytes);
    ssize_t got = -1;
    do got = ::read(fd, buffer.data() + before, read_bytes);
    while (got < 0 && errno == EINTR);
    buffer.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) cannot_read(what, errno);
    return static_cast<std::size_t>(got);
}

int milliseconds_until(std::optional<input::time> deadline) {
    if (!deadline) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000));
}

}  // namespace

std::string read_file(const std::string& path, std::uint64_t bytes_max) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) cannot_read(path, errno);
    std::string content;
    try {
        while (content.size() <= bytes_max && read_some(fd, content, path) > 0) {}
    } catch (...) {
        ::close(fd);
        throw;
    }
    ::close(fd);
    if (content.size() > bytes_max)
        throw failure{exit_code::full, fmt::format("{} is larger than {} bytes, the most a message can have",
                                                   path, bytes_max)};
    return content;
}

input::input(ferry::context& context, const input_options& options, in_format otherwise,
             std::optional<std::string> argument)
    : context_{context}, format_{options.format.value_or(otherwise)}, files_{options.files}, stdin_{format_} {
    const bool dash = argument && *argument == "-";
    if (!files_.empty()) {
        if (argument) throw usage_error{"give the message as an argument or with --file, not both"};
        const bool splits =
            options.format && *options.format != in_format::raw && *options.format != in_format::json;
        if (splits) throw usage_error{"--file sends each file as one message: --in can be raw or json only"};
        return;
    }
    if (argument && !dash) {
        argument_ = std::move(argument);
        return;
    }
    if (!dash && ::isatty(STDIN_FILENO) == 1)
        throw usage_error{"no message: give it as an argument, pipe it in, or write - to type it"};
}

input::~input() = default;

input::state input::next(message& into, std::optional<time> deadline) {
    if (argument_) {
        into = is_json() ? message_from_json(*argument_) : message{frame{*argument_}};
        return state::message;
    }
    if (!files_.empty()) return next_file(into);
    return next_of_stdin(into, deadline);
}

input::state input::next(std::string_view& into, std::optional<time> deadline) {
    return next_of_stdin(into, deadline);
}

template <typename Into>
input::state input::next_of_stdin(Into& into, std::optional<time> deadline) {
    while (!stdin_.next(into)) {
        if (stdin_.ended()) return state::end;
        const state how = fill(deadline);
        if (how != state::message) return how;
    }
    return state::message;
}

input::state input::next_file(message& into) {
    if (files_read_ == files_.size()) return state::end;
    const std::string& name = files_[files_read_++];
    std::string content = read_file(name, message_bytes_max);
    if (!is_json()) {
        into = message{frame{std::move(content)}};
        return state::message;
    }
    try {
        into = message_from_json(content);
    } catch (const usage_error& problem) {
        throw usage_error{fmt::format("{}: {}", name, problem.what())};
    }
    return state::message;
}

input::state input::fill(std::optional<time> deadline) {
    std::array<pollfd, 2> watched{{{STDIN_FILENO, POLLIN, 0}, {context_.internals().stop.fd(), POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), milliseconds_until(deadline));
    if (watched[1].revents != 0) return state::stopped;
    if (ready == 0) return state::timed_out;
    if (watched[0].revents == 0) return state::message;
    stdin_.add([this](std::string& buffer) {
        if (read_some(STDIN_FILENO, buffer, "stdin") == 0) stdin_.end();
    });
    return state::message;
}

}  // namespace ferry::cli
