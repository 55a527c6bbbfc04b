#include "core/wildcard.hpp"

#include <string>

#include "ferry/error.hpp"

namespace ferry {
namespace {

// The first token of `rest`, taken off together with its dot; `more` tells whether another follows.
std::string_view take_token(std::string_view& rest, bool& more) {
    const auto dot = rest.find('.');
    more = dot != std::string_view::npos;
    const std::string_view token = rest.substr(0, dot);
    rest.remove_prefix(more ? dot + 1 : rest.size());
    return token;
}

}  // namespace

std::string_view pattern_problem(std::string_view pattern) {
    if (pattern.empty()) return "it is empty";
    for (bool more = true; more;)
        if (take_token(pattern, more) == ">" && more) return "'>' stands for the rest and must be last";
    return {};
}

void check_pattern(std::string_view pattern) {
    const std::string_view problem = pattern_problem(pattern);
    if (problem.empty()) return;
    throw error{errc::bad_argument, "bad pattern '" + std::string{pattern} + "': " + std::string{problem}};
}

std::string_view literal_prefix(std::string_view pattern) {
    std::string_view rest = pattern;
    for (bool more = true; more;) {
        const std::size_t at = pattern.size() - rest.size();
        const std::string_view token = take_token(rest, more);
        if (token == "*" || token == ">") return pattern.substr(0, at);
    }
    return pattern;
}

bool matches(std::string_view pattern, std::string_view topic) {
    bool pattern_more = true;
    bool topic_more = true;
    while (pattern_more && topic_more) {
        const std::string_view wanted = take_token(pattern, pattern_more);
        const std::string_view token = take_token(topic, topic_more);
        if (wanted == ">" && !pattern_more) return !token.empty() || topic_more;
        if (wanted == "*" ? token.empty() : wanted != token) return false;
    }
    return pattern_more == topic_more;
}

}  // namespace ferry
