// From words to endpoints to an open component.
//
// The endpoint rule: with -b/-c no endpoint word is expected; with FERRY_ENDPOINT alone the first word is an
// endpoint only if it looks like one; otherwise the first word is the endpoint.
//
//     const endpoints where = take_endpoint(words, flags);
//     auto sub = open(talk, where, [&] { return subscriber{context, where, options}; });
//
// `open` warns once when a bind can be reached from other machines, prints `bound ENDPOINT` for each bind
// with its real port, and names the process that has an address already. Failure: throws usage_error for
// words, failure with exit_code::in_use for addresses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.hpp"
#include "cli/talk.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/error.hpp"

namespace ferry::cli {

/// Takes the endpoint from the front of `words` where the rule says that it is there.
endpoints take_endpoint(std::vector<std::string>& words, const shared_flags& flags);

/// True for a word that can only be meant as an endpoint: `://` in it, `@ : / ./` in front, or HOST:DIGITS.
bool looks_like_endpoint(std::string_view word);

/// An endpoint word, with its reason when it is none. Throws usage_error.
endpoint endpoint_from(std::string_view word);

void before_binding(const talk& talk, const endpoints& where);
void announce_bound(const talk& talk, const std::vector<std::string>& bound);
/// Throws what to say instead of `problem`.
[[noreturn]] void explain(const error& problem, const endpoints& where);

template <typename Make>
auto open_quietly(const talk& talk, const endpoints& where, Make make) {
    before_binding(talk, where);
    try {
        return make();
    } catch (const error& problem) {
        explain(problem, where);
    }
}

template <typename Make>
auto open(const talk& talk, const endpoints& where, Make make) {
    auto made = open_quietly(talk, where, make);
    announce_bound(talk, made.endpoints());
    return made;
}

/// What to say when nobody came within a second: which end should bind.
std::string nobody_yet(const endpoints& where, std::string_view who);

}  // namespace ferry::cli
