// The ferry command line: picks the command, runs it, turns what it throws into words and an exit code.
#include <csignal>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "bench/roles.hpp"
#include "cli/commands.hpp"
#include "cli/durable.hpp"
#include "cli/exit_codes.hpp"
#include "cli/output.hpp"
#include "cli/talk.hpp"
#include "ferry/error.hpp"

namespace ferry::cli {
namespace {

int complain_of_usage(std::string_view who, std::string_view reason, std::string_view usage,
                      std::span<const std::string_view> examples) {
    const talk to_user;
    to_user.complain(who, reason);
    to_user.announce("usage: ferry " + std::string{usage});
    for (const std::string_view each : examples.first(2)) to_user.announce("  " + std::string{each});
    return to_int(exit_code::usage);
}

int run(const command& what, std::vector<std::string> words) {
    const talk to_user;
    try {
        command_line line{what, std::move(words)};
        return what.run(line);
    } catch (const help_shown&) {
        return to_int(exit_code::done);
    } catch (const output_closed&) {
        return to_int(exit_code::done);
    } catch (const usage_error& problem) {
        return complain_of_usage(what.name, problem.what(), what.usage, what.examples);
    } catch (const failure& problem) {
        to_user.complain(what.name, problem.what());
        return to_int(problem.code());
    } catch (const error& problem) {
        const bool asked_wrong = problem.kind() == errc::bad_argument;
        to_user.complain(what.name, asked_wrong ? with_flags_named(problem.what()) : problem.what());
        return to_int(code_of(problem.kind()));
    } catch (const std::bad_alloc&) {
        to_user.complain(what.name, "out of memory");
    } catch (const std::exception& problem) {
        to_user.complain(what.name, problem.what());
    }
    return to_int(exit_code::failed);
}

// `ferry bench` starts this program again for each process it needs.
int play(const std::vector<std::string>& words) try {
    bench::plays(words);
    return to_int(exit_code::done);
} catch (const std::exception& problem) {
    talk{}.complain("bench", problem.what());
    return to_int(exit_code::failed);
}

int choose(std::vector<std::string> words) {
    if (words.empty()) return run(help_command, {});
    if (words.size() > 1 && words.front() == bench::role_flag) return play(words);
    std::string name = std::move(words.front());
    words.erase(words.begin());
    if (name == "--help" || name == "-h") name = "help";
    if (name == "--version") name = "version";
    if (const command* found = find_command(name)) return run(*found, std::move(words));
    const std::string reason =
        name.starts_with('-') ? "a command is expected, and '" + name + "' is a flag" : unknown_command(name);
    return complain_of_usage("", reason, "COMMAND [ARGUMENTS] [FLAGS]", help_command.examples);
}

}  // namespace
}  // namespace ferry::cli

int main(int argc, char** argv) {
    // A reader of stdout that is gone shows as an error of write, where it ends the command with 0.
    std::signal(SIGPIPE, SIG_IGN);
    // A file that may not grow is a write that failed.
    std::signal(SIGXFSZ, SIG_IGN);
    const std::span arguments{argv, static_cast<std::size_t>(argc)};
    return ferry::cli::choose({arguments.begin() + (argc > 0 ? 1 : 0), arguments.end()});
}
