// ferry help: the overview, one command's flags, and lines that run as they stand.
#include <array>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/exit_codes.hpp"

namespace ferry::cli {
namespace {

void print(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

const command& known(const std::string& name) {
    const command* found = find_command(name);
    if (found == nullptr) throw usage_error{unknown_command(name)};
    return *found;
}

void print_runnable(const command& of) {
    for (const std::string_view each : of.runnable) print(std::string{each} + '\n');
}

int run_help(command_line& line) {
    const std::vector<std::string> words = line.parse();
    if (words.empty()) {
        print(overview());
        return to_int(exit_code::done);
    }
    if (words.size() > 2) throw usage_error{"too many arguments"};
    if (words[0] != "examples") {
        if (words.size() > 1) throw usage_error{"help of one command at a time"};
        command_line asked{known(words[0]), {"--help"}};
        return asked.what().run(asked);
    }
    if (words.size() == 2) {
        print_runnable(known(words[1]));
    } else {
        for (const command* each : commands()) print_runnable(*each);
    }
    return to_int(exit_code::done);
}

constexpr std::array<std::string_view, 3> examples = {"ferry help pub", "ferry help examples sub",
                                                      "ferry help"};
constexpr std::array<std::string_view, 1> runnable = {"ferry help pub"};

}  // namespace

const command help_command{"help",
                           "",
                           "help [COMMAND | examples [COMMAND]]",
                           "Explains ferry or one of its commands.",
                           examples,
                           runnable,
                           run_help};

}  // namespace ferry::cli
