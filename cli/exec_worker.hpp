// The worker behind `ferry take --exec`: a command for each message, up to N of them at once.
//
// A command has the payload on its stdin and FERRY_TOPIC, FERRY_OFFSET, FERRY_ATTEMPT and FERRY_HEADER_* in
// its environment; what it prints is not ours, unless it goes `into` a stream: then its messages and the ack
// are one commit. Exit 0 acks its message, everything else nacks it: it comes again after the group's
// back-off, or as `failures` says for that status. A command dies with us, and when the lease on its message
// is over. What runs when we are stopped is nacked without a delay: the command may have acted, so the
// message comes again at once and says so by its attempt.
//
// Threads: one, the one that made it; `changed` is set by the consumer's `on_change`, from any thread.
// Failure: a command that cannot start throws failure with exit_code::usage, after its message went back as
// if nobody had seen it.
//
//     event_fd changed;
//     consumer from{context, where, {.stream = "jobs", .credit = 4, .on_change = [&] { changed.set(); }}};
//     exec_worker worker{context, from, changed, {split_words("resize -"), 4, flags.end, talk}};
//     const exit_code code = worker.go();
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/child.hpp"
#include "cli/ending.hpp"
#include "cli/formats.hpp"
#include "cli/talk.hpp"
#include "core/event_fd.hpp"
#include "ferry/consumer.hpp"

namespace ferry::cli {

/// What becomes of a message whose command failed, by the status that it ended with.
struct failure_rules {
    std::set<int> dead{};                                    ///< a dead letter at once
    std::map<int, std::chrono::milliseconds> delay{};        ///< it comes again after that time
    std::optional<std::chrono::milliseconds> other_delay{};  ///< of all others; none: the group's back-off
};

struct exec_options {
    std::vector<std::string> command;
    std::size_t at_once = 1;
    ending_options end{};
    talk speaker{};
    failure_rules failures{};
    std::optional<std::string> into{};    ///< the stream for what the commands print
    in_format printed = in_format::line;  ///< how that is read
};

/// What a command learns of its message: the variables that hold it. A value with a zero byte is left out,
/// for no environment can hold one.
std::vector<std::pair<std::string, std::string>> variables_of(const delivery& what);

/// Takes what an outer `take --exec` told about its own message out of our environment. Before threads start.
void forget_outer_message();

class exec_worker {
  public:
    exec_worker(ferry::context& context, consumer& from, event_fd& changed, exec_options options);

    /// Works until -n, -t, --idle or a signal ends it.
    exit_code go();

    /// `received 5, done 4, failed 1`
    std::string summary() const;

  private:
    struct running {
        delivery what;
        std::unique_ptr<child> command;
    };
    struct committing {
        std::uint64_t offset;
        std::uint64_t attempt;
        commit_receipt answer;
        std::size_t bytes;
        ending::clock::time_point since = ending::clock::now();
        bool told = false;  // that it takes long
    };

    bool step();
    bool wait_for_claims();
    void wait();
    void start_commands();
    void start(delivery next);
    void end_commands();
    bool done_with(running& which);
    bool settle(running& ended);
    void fail(delivery& what, const std::string& reason, int status = -1);
    bool commit(running& ended);
    void end_commits();
    void tell_if_slow(committing& which);
    void stop_commands();
    bool complete();
    std::uint64_t done_or_running() const;

    ferry::context& context_;
    consumer& from_;
    event_fd& changed_;
    const exec_options options_;
    ending end_;
    std::list<running> running_;
    std::list<committing> commits_;
    std::uint64_t received_ = 0;
    std::uint64_t succeeded_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t dead_ = 0;
    std::uint64_t stopped_ = 0;
};

}  // namespace ferry::cli
