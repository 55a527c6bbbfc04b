// What the sending patterns share: whether a message goes out in an envelope, and checks of their options.
#pragma once

#include <algorithm>
#include <string>

#include "ferry/endpoint.hpp"
#include "ferry/error.hpp"
#include "ferry/message.hpp"

namespace ferry {

/// True when `content` needs the header frame. Throws errc::bad_argument for headers that must stay home.
inline bool goes_enveloped(const message& content, envelope_mode mode) {
    const bool has_headers = !content.headers().empty();
    if (mode == envelope_mode::none && has_headers)
        throw error{errc::bad_argument,
                    "the message has headers, and envelope 'none' leaves no place for them"};
    return mode == envelope_mode::full || has_headers;
}

/// False when all peers live in this process.
inline bool any_leaves_the_process(const endpoints& where) {
    return std::any_of(where.begin(), where.end(),
                       [](const endpoint& each) { return !each.address.starts_with("inproc://"); });
}

/// Throws errc::bad_argument unless `value` lies within the limits, naming the option.
template <typename Value>
void check_option(const char* name, const Value& value, const Value& least, const Value& most,
                  const char* limits) {
    if (value < least || most < value)
        throw error{errc::bad_argument, std::string{"option "} + name + " must be " + limits};
}

}  // namespace ferry
