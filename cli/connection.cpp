#include "cli/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "cli/exit_codes.hpp"
#include "cli/socket_owner.hpp"

namespace ferry::cli {
namespace {

bool binds(const endpoint& each) {
    return each.at == side::bind;
}

}  // namespace

bool looks_like_endpoint(std::string_view word) {
    if (word.find("://") != std::string_view::npos || word.starts_with("./")) return true;
    if (!word.empty() && std::string_view{"@:/"}.find(word[0]) != std::string_view::npos) return true;
    const auto colon = word.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == word.size()) return false;
    return word.find_first_not_of("0123456789", colon + 1) == std::string_view::npos &&
           word.find_first_of(" \t\n") == std::string_view::npos;
}

endpoint endpoint_from(std::string_view word) {
    try {
        return parse_endpoint(word);
    } catch (const error& problem) {
        throw usage_error{problem.what()};
    }
}

endpoints take_endpoint(std::vector<std::string>& words, const shared_flags& flags) {
    if (!flags.where.empty()) return flags.where;
    const char* usual = std::getenv("FERRY_ENDPOINT");
    const bool has_usual = usual != nullptr && *usual != '\0';
    if (has_usual && (words.empty() || !looks_like_endpoint(words.front()))) return endpoint_from(usual);
    if (words.empty()) throw usage_error{"the endpoint is missing"};
    const endpoint first = endpoint_from(words.front());
    words.erase(words.begin());
    return first;
}

void before_binding(const talk& talk, const endpoints& where) {
    for (const endpoint& each : where) {
        if (!binds(each)) continue;
        // libzmq takes a socket file away from whoever is bound to it, without a word to either.
        if (const auto path = socket_path(each.address); path && is_listened_on(*path))
            throw failure{exit_code::in_use, fmt::format("cannot bind {}: the address is in use{}",
                                                         each.address, describe_owner(each.address))};
    }
    const auto open_to_all = std::find_if(where.begin(), where.end(), [](const endpoint& each) {
        return binds(each) && each.beyond_loopback();
    });
    if (open_to_all != where.end())
        talk.say(
            fmt::format("warning: {} can be reached from other machines, and nothing is encrypted or checked",
                        open_to_all->address));
}

void announce_bound(const talk& talk, const std::vector<std::string>& bound) {
    for (const std::string& each : bound) talk.announce("bound " + each);
}

void explain(const error& problem, const endpoints& where) {
    if (problem.kind() != errc::address_in_use) throw problem;
    const std::string_view text = problem.what();
    for (const endpoint& each : where)
        if (binds(each) && text.find(each.address) != std::string_view::npos)
            throw failure{exit_code::in_use, std::string{text} + describe_owner(each.address)};
    throw problem;
}

std::string nobody_yet(const endpoints& where, std::string_view who) {
    const bool all_connect = std::none_of(where.begin(), where.end(), binds);
    const bool all_bind = std::all_of(where.begin(), where.end(), binds);
    if (all_connect)
        return fmt::format(
            "nobody at {} yet: this end connects, so the {} must bind (an @ in front of its endpoint)",
            where.describe(), who);
    return fmt::format("nobody at {} yet: {}, so the {} must connect (no @ in front of its endpoint)",
                       where.describe(), all_bind ? "this end binds" : "this end binds as well as connects",
                       who);
}

}  // namespace ferry::cli
