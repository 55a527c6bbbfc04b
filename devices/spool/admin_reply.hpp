// What the commands of ADMIN share: the answer in the making, and finding what a command is about.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "devices/spool/brain_parts.hpp"
#include "devices/spool/request_options.hpp"

namespace ferry {

struct admin_reply {
    std::string_view code{};  ///< empty: it worked
    std::string text{};
    std::vector<header_map> rows{};
    bool wait = false;  ///< until what was done is synced
};

inline admin_reply refusal(std::string_view code, std::string text) {
    return {code, std::move(text), {}, false};
}

/// The stream that the arguments name; null with the problem told in `answer`.
stream* find_stream(brain_parts& parts, const header_map& arguments, admin_reply& answer);

/// The group that they name, of the stream that they name.
struct named_group {
    stream* of = nullptr;
    group* whose = nullptr;
};
named_group find_group(brain_parts& parts, const header_map& arguments, admin_reply& answer);

}  // namespace ferry
