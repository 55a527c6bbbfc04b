// An administrator: makes, lists, changes and removes the streams and groups of a spool, and looks after its
// dead letters.
//
// Every command is a name and named arguments, its result rows of named values (docs/wire.md lists them).
// What dead letters hold is read by a consumer without a group: consumer_options::dead_of.
//
// Threads: all calls from any thread, one at a time inside. Failure: throws ferry::error with the spool's
// words: not_found, denied, bad_argument, read_only; errc::no_peer when no spool answers in time.
//
//     ferry::administrator admin{context, ferry::connect("tcp://127.0.0.1:7000")};
//     for (const auto& row : admin.call("stream.list")) ...
//     admin.call("dead.redrive", {{"stream", "jobs"}, {"group", "thumbs"}, {"offsets", "1000..1003,1010"}});
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/message.hpp"
#include "ferry/wait.hpp"

namespace ferry {

class administrator {
  public:
    administrator(ferry::context& context, const ferry::endpoints& where);
    ~administrator();
    administrator(administrator&&) noexcept;
    administrator& operator=(administrator&&) noexcept;

    std::vector<header_map> call(const std::string& command, const header_map& arguments = {},
                                 duration limit = std::chrono::seconds{10});

    /// True once a spool has answered within the time.
    bool wait_for_spool(duration limit);

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
