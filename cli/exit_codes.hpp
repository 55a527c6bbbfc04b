// How a command ends: the exit codes of docs/cli.md, and the two ways of failing on the way there.
//
// A command returns its code. What it cannot go on after it throws: `usage_error` for words the user typed
// (main adds a usage line and two examples), `failure` for everything else, with the code to leave with.
//
//     if (words.size() > 3) throw usage_error{"too many arguments"};
//     if (!connected) throw failure{exit_code::no_peer, "nobody is listening at " + where};
#pragma once

#include <stdexcept>
#include <string>

#include "ferry/error.hpp"

namespace ferry::cli {

enum class exit_code : int {
    done = 0,
    failed = 1,
    usage = 2,
    not_found = 3,
    no_peer = 4,
    timed_out = 5,
    damaged = 6,
    partly_done = 7,
    full = 8,
    in_use = 9,
    denied = 10,
};

constexpr int to_int(exit_code code) {
    return static_cast<int>(code);
}

/// What the shell expects of a program that a signal ended: 130 for SIGINT, 143 for SIGTERM.
constexpr int interrupted_by(int signal) {
    return 128 + signal;
}

constexpr exit_code code_of(errc kind) {
    switch (kind) {
        case errc::bad_argument:
            return exit_code::usage;
        case errc::not_found:
            return exit_code::not_found;
        case errc::no_peer:
            return exit_code::no_peer;
        case errc::timed_out:
            return exit_code::timed_out;
        case errc::damaged:
            return exit_code::damaged;
        case errc::full:
        case errc::too_large:
            return exit_code::full;
        case errc::address_in_use:
        case errc::directory_in_use:
            return exit_code::in_use;
        case errc::denied:
            return exit_code::denied;
        case errc::failed:
        case errc::read_only:
        case errc::stopped:
            break;
    }
    return exit_code::failed;
}

class usage_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class failure : public std::runtime_error {
  public:
    failure(exit_code code, const std::string& text) : std::runtime_error{text}, code_{code} {}
    exit_code code() const noexcept { return code_; }

  private:
    exit_code code_;
};

}  // namespace ferry::cli
