// ferry version.
#include <fmt/format.h>
#include <zmq.h>

#include <array>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/exit_codes.hpp"

namespace ferry::cli {
namespace {

int run_version(command_line& line) {
    bool json = false;
    line.flag("--json", "as one JSON object", json);
    if (!line.parse().empty()) throw usage_error{"no arguments are expected"};
    int major = 0;
    int minor = 0;
    int patch = 0;
    zmq_version(&major, &minor, &patch);
    const std::string libzmq = fmt::format("{}.{}.{}", major, minor, patch);
    if (json)
        fmt::print("{{\"v\":1,\"ferry\":\"{}\",\"libzmq\":\"{}\"}}\n", FERRY_VERSION, libzmq);
    else
        fmt::print("ferry {} (libzmq {})\n", FERRY_VERSION, libzmq);
    return to_int(exit_code::done);
}

constexpr std::array<std::string_view, 2> examples = {"ferry version", "ferry version --json"};

}  // namespace

const command version_command{
    "version", "",       "version [--json]", "Prints the versions of ferry and libzmq.",
    examples,  examples, run_version};

}  // namespace ferry::cli
