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
constexpr std::size_t length_bytes = 4;

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
    : context_{context}, format_{options.format.value_or(otherwise)}, files_{options.files} {
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
    std::string bytes;
    do {
        ++messages_;
        const state how = next_bytes(bytes, deadline);
        if (how != state::message) return how;
        // A blank line between objects is not a message.
    } while (format_ == in_format::json && bytes.find_first_not_of(" \t\r") == std::string::npos);
    if (bytes.size() > message_bytes_max) refuse_size(bytes.size());
    if (format_ != in_format::json) {
        into = message{frame{std::move(bytes)}};
        return state::message;
    }
    try {
        into = message_from_json(bytes);
    } catch (const usage_error& problem) {
        if (argument_) throw;
        throw usage_error{files_.empty() ? fmt::format("line {}: {}", messages_, problem.what())
                                         : fmt::format("{}: {}", files_[files_read_ - 1], problem.what())};
    }
    return state::message;
}

input::state input::next_bytes(std::string& into, std::optional<time> deadline) {
    if (argument_) {
        into = *argument_;
        return state::message;
    }
    if (!files_.empty()) return next_file(into);
    while (true) {
        if (take_buffered(into)) return state::message;
        if (at_end_) return state::end;
        const state how = fill(deadline);
        if (how != state::message) return how;
    }
}

input::state input::next_file(std::string& into) {
    if (files_read_ == files_.size()) return state::end;
    into = read_file(files_[files_read_++], message_bytes_max);
    return state::message;
}

// Moves the next whole message out of the buffer; false when more bytes are needed or none are left.
bool input::take_buffered(std::string& into) {
    switch (format_) {
        case in_format::line:
        case in_format::json:
            return take_until('\n', into);
        case in_format::nul:
            return take_until('\0', into);
        case in_format::len32:
            return take_len32(into);
        case in_format::raw:
            break;
    }
    return at_end_ && take_rest(into);
}

bool input::take_until(char end, std::string& into) {
    const auto found = buffer_.find(end, taken_ + searched_);
    if (found == std::string::npos) {
        searched_ = buffer_.size() - taken_;
        if (searched_ > message_bytes_max) refuse_size(searched_);
        return at_end_ && take_rest(into);
    }
    into.assign(buffer_, taken_, found - taken_);
    taken_ = found + 1;
    searched_ = 0;
    return true;
}

bool input::take_len32(std::string& into) {
    const std::size_t there = buffer_.size() - taken_;
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < length_bytes && i < there; ++i)
        length = length << 8 | static_cast<std::uint8_t>(buffer_[taken_ + i]);
    if (there >= length_bytes && length > message_bytes_max) refuse_size(length);
    if (there >= length_bytes && there - length_bytes >= length) {
        into.assign(buffer_, taken_ + length_bytes, length);
        taken_ += length_bytes + length;
        return true;
    }
    if (at_end_ && there > 0)
        throw usage_error{fmt::format("message {}: the input ends in the middle of it", messages_)};
    return false;
}

bool input::take_rest(std::string& into) {
    if (taken_ == buffer_.size()) return false;
    into.assign(buffer_, taken_, std::string::npos);
    taken_ = buffer_.size();
    searched_ = 0;
    return true;
}

input::state input::fill(std::optional<time> deadline) {
    buffer_.erase(0, taken_);
    taken_ = 0;
    if (format_ == in_format::raw && buffer_.size() > message_bytes_max) refuse_size(buffer_.size());
    std::array<pollfd, 2> watched{{{STDIN_FILENO, POLLIN, 0}, {context_.internals().stop.fd(), POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), milliseconds_until(deadline));
    if (watched[1].revents != 0) return state::stopped;
    if (ready == 0) return state::timed_out;
    if (watched[0].revents != 0 && read_some(STDIN_FILENO, buffer_, "stdin") == 0) at_end_ = true;
    return state::message;
}

void input::refuse_size(std::uint64_t bytes) const {
    throw failure{exit_code::full,
                  fmt::format("message {} has {} bytes or more; the most a message can have is {}", messages_,
                              bytes, message_bytes_max)};
}

}  // namespace ferry::cli
