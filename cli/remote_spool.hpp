// A spool at an endpoint, as the commands see it that ask and tell it things: `stream`, `group`.
//
// Made, it has answered: otherwise the command has ended with exit 4 (nobody within --wait) or 5 (-t came
// first). A spool binds, so there is one endpoint and it connects.
//
//     return with_spool(flags, where, [&](remote_spool& spool, output& out) {
//         for (const header_map& row : spool.call("stream.list")) ...
//         return exit_code::done;
//     });
//
// Threads: one. Failure: `call` throws ferry::error with the spool's words; names that cannot be throw
// usage_error before anybody is asked.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "cli/ending.hpp"
#include "cli/exit_codes.hpp"
#include "cli/flags.hpp"
#include "cli/output.hpp"
#include "ferry/administrator.hpp"
#include "ferry/context.hpp"

namespace ferry::cli {

class remote_spool {
  public:
    remote_spool(ferry::context& context, const endpoints& where, const shared_flags& flags);

    std::vector<header_map> call(const std::string& command, const header_map& arguments = {});

    ferry::context& owner() noexcept { return context_; }
    const ending& end() const noexcept { return end_; }

  private:
    void wait_for_it(const endpoints& where, const shared_flags& flags);

    ferry::context& context_;
    ending end_;
    administrator admin_;
};

/// -c -t --wait, and -q -v: what all commands about a spool have; with other families where they are wanted.
void declare_spool(command_line& line, shared_flags& flags,
                   std::initializer_list<shared> families = {shared::timeout});

/// Takes the endpoint of a spool from the front of `words`: one, and not a bound one.
endpoints take_spool(std::vector<std::string>& words, const shared_flags& flags);

/// Takes the name of a stream or group, as `what` says, from the front of `words`.
std::string take_name(std::vector<std::string>& words, std::string_view what);

/// Throws usage_error when words are left.
void refuse_more(const std::vector<std::string>& words);

/// Reaches the spool and does `work` with it; 130 or 143 when a signal ended that.
int with_spool(const shared_flags& flags, const endpoints& where,
               const std::function<exit_code(remote_spool&, output&)>& work);

}  // namespace ferry::cli
