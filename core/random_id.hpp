// Eight random bytes from the system: ids that two processes do not share by accident.
#pragma once

#include <sys/random.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace ferry {

inline std::string random_id() {
    std::string id(8, '\0');
    if (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size()))
        throw std::system_error{errno, std::generic_category(), "getrandom"};
    return id;
}

}  // namespace ferry
