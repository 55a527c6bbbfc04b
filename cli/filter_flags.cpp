#include "cli/filter_flags.hpp"

#include <fmt/format.h>

#include "cli/exit_codes.hpp"
#include "core/wildcard.hpp"

namespace ferry::cli {
namespace {

void add_header_wanted(std::vector<std::string>& into, const std::string& pair) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || pair.find('\n') != std::string::npos)
        throw usage_error{fmt::format("--where: '{}' is not NAME=VALUE on one line", pair)};
    into.push_back(pair);
}

}  // namespace

void declare(command_line& line, filter_flags& flags) {
    line.value("--filter", "PATTERN", "a new group gets only topics like this (any, when repeated); quote it",
               [&flags](const std::string& pattern) {
                   check_pattern(pattern);
                   if (pattern.find('\n') != std::string::npos)
                       throw usage_error{fmt::format("--filter: '{}' is not on one line", pattern)};
                   flags.patterns.push_back(pattern);
               });
    line.value("--where", "K=V", "a new group gets only messages with this header (all, when repeated)",
               [&flags](const std::string& pair) { add_header_wanted(flags.where, pair); });
}

bool read_order(const std::string& word) {
    if (word != "key" && word != "none") throw usage_error{"--ordered: key or none"};
    return word == "key";
}

std::string as_lines(const std::vector<std::string>& entries) {
    std::string lines;
    for (const std::string& each : entries) lines += (lines.empty() ? "" : "\n") + each;
    return lines;
}

}  // namespace ferry::cli
