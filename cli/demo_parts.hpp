// The three parts of `ferry demo`, and what their child processes do.
//
// Each part starts its own processes of this binary on free loopback ports, lets them work on the same
// events, compares what came out with what stands in the file, and ends them. A part throws failure when it
// cannot go on, demo_stopped when it was interrupted; anything else that is wrong stands in its result.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/demo_events.hpp"
#include "cli/progress.hpp"
#include "cli/talk.hpp"
#include "ferry/context.hpp"

namespace ferry::cli {

/// What the parts have in common.
struct demo_stage {
    ferry::context& context;
    const demo_events& events;
    talk speaker;
    progress& line;
    std::size_t messages;  ///< of the durable part: the events, repeated
};

/// A row of the table at the end.
struct demo_result {
    std::string_view part;
    std::uint64_t sent = 0;
    std::optional<std::uint64_t> confirmed{};
    std::uint64_t delivered = 0;
    std::optional<std::uint64_t> redelivered{};  ///< and flagged as such
    std::uint64_t lost = 0;
    std::chrono::duration<double> took{0};
    std::vector<std::string> wrong{};  ///< sentences; empty when all is as promised
};

/// Events through a forwarder to three subscribers with different prefixes.
demo_result show_topics(const demo_stage& stage);
/// Questions through a queue to three repliers, one of which is killed.
demo_result show_questions(const demo_stage& stage);
/// Events through a spool to three workers; the spool is killed and started again, and one worker is killed.
demo_result show_work(const demo_stage& stage);

/// `ferry demo replier BACK FILE`: answers ids with magnitudes, for show_questions.
int run_demo_replier(const std::string& where, const std::string& file);
/// `ferry demo worker EP STREAM`: writes a line for each delivery and acks it, for show_work.
int run_demo_worker(const std::string& where, const std::string& stream);

/// Waits for the member threads of a part even when it fails: asks the context to stop when an exception
/// passes.
class stop_on_failure {
  public:
    explicit stop_on_failure(ferry::context& context);
    ~stop_on_failure();
    stop_on_failure(const stop_on_failure&) = delete;
    stop_on_failure& operator=(const stop_on_failure&) = delete;

  private:
    ferry::context& context_;
    int exceptions_;
};

}  // namespace ferry::cli
