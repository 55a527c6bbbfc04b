#include "cli/consent.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "cli/exit_codes.hpp"
#include "core/context_parts.hpp"

namespace ferry::cli {
namespace {

bool somebody_is_there() {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

// A line of the terminal, without its end; empty when the context stopped or the input ended.
std::string answer(context& context) {
    std::string line;
    while (true) {
        std::array<pollfd, 2> watched{
            {{STDIN_FILENO, POLLIN, 0}, {context.internals().stop.fd(), POLLIN, 0}}};
        ::poll(watched.data(), watched.size(), -1);
        if (context.stopped()) return {};
        if (watched[0].revents == 0) continue;
        char c = 0;
        if (::read(STDIN_FILENO, &c, 1) != 1) return {};
        if (c == '\n') return line;
        line += c;
    }
}

}  // namespace

void declare(command_line& line, consent& into) {
    line.flag("-y,--yes", "do it without asking", into.yes);
    line.flag("--dry-run", "say what would go, and leave it there", into.dry_run);
}

void consent::check() const {
    if (yes && dry_run) throw usage_error{"give --yes or --dry-run, not both"};
    if (!yes && !dry_run && !somebody_is_there())
        throw usage_error{
            "this changes what is stored for good, and nobody can be asked here: give --yes or --dry-run"};
}

bool consent::given(context& context, const std::string& what) const {
    if (yes) return true;
    const std::string question = what + "? [y/N] ";
    if (::write(STDERR_FILENO, question.data(), question.size()) < 0) return false;
    const std::string said = answer(context);
    return said == "y" || said == "Y" || said == "yes";
}

}  // namespace ferry::cli
