#include "cli/talk.hpp"

#include <unistd.h>

#include <cerrno>

namespace ferry::cli {
namespace {

void write_line(std::string_view line) {
    std::string text{line};
    text += '\n';
    std::string_view left = text;
    while (!left.empty()) {
        const ssize_t written = ::write(STDERR_FILENO, left.data(), left.size());
        if (written < 0 && errno != EINTR) return;  // nobody can be told that nobody can be told
        if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

void talk::complain(std::string_view command, std::string_view text) const {
    const std::string who = command.empty() ? "ferry: " : "ferry " + std::string{command} + ": ";
    write_line(who + std::string{text});
}

void talk::announce(std::string_view line) const {
    write_line(line);
}

void talk::say(std::string_view line) const {
    if (!quiet_) write_line(line);
}

void talk::detail(std::string_view line) const {
    if (verbose_ && !quiet_) write_line(line);
}

}  // namespace ferry::cli
