#include "cli/progress.hpp"

#include <unistd.h>

#include <string>

namespace ferry::cli {
namespace {

using namespace std::chrono_literals;

// Back to the first column, and the rest of the line away.
constexpr std::string_view rewind_line = "\r\x1b[K";

void write_to_terminal(const std::string& text) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

progress::progress() : on_{::isatty(STDERR_FILENO) == 1} {}

void progress::show(std::string_view text) {
    const auto now = std::chrono::steady_clock::now();
    if (!on_ || now < next_) return;
    next_ = now + 100ms;
    shown_ = true;
    write_to_terminal(std::string{rewind_line} + std::string{text});
}

void progress::clear() {
    if (shown_) write_to_terminal(std::string{rewind_line});
    shown_ = false;
    next_ = {};
}

}  // namespace ferry::cli
