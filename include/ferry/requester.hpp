// A requester: an answer or an error before the deadline.
//
// Guarantee: `request` ends by its timeout with the reply to this very request, or without one. An attempt
// that is not answered in its share of the time is made again, under the same request id, at the next
// endpoint that is connected: a ferry replier that sees an id again does not run it again. Two different
// repliers may both have run it. Late replies are dropped and counted.
//
// Threads: all calls from any thread, any number of requests in flight; no thread of its own.
// Failure: the constructor throws when an endpoint cannot be used. Plain REP and ROUTER peers serve as well.
//
//     ferry::requester calc{context, ferry::connect("tcp://127.0.0.1:5560"), {.timeout = 500ms}};
//     std::optional<ferry::message> answer = calc.request(ferry::pack(std::pair{19, 23}));
//     ferry::pending_answer first = calc.send("one"), second = calc.send("two");
//     use(first.wait(), second.wait());
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/event.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

struct requester_options {
    std::chrono::milliseconds timeout{5000};  ///< for the whole request, its attempts included; > 0
    unsigned attempts = 1;                    ///< 1 to 100
    std::chrono::milliseconds backoff{
        50};  ///< pause before the 2nd attempt, doubled before each further one, up to 5 s
    envelope_mode envelope = envelope_mode::automatic;  ///< a header frame only when there are headers
    socket_options socket{};
    event_callback on_event{};
};

struct requester_stats {
    std::uint64_t requests = 0;
    std::uint64_t answered = 0;
    std::uint64_t refused = 0;       ///< answered with an error
    std::uint64_t unanswered = 0;    ///< no answer in time, or stopped
    std::uint64_t retries = 0;       ///< attempts after the first
    std::uint64_t late_replies = 0;  ///< dropped: the request was given up, or answered before
    std::uint64_t bad_frames = 0;    ///< dropped: no reply, or a forged envelope
};

/// How a request ended.
enum class answer_kind : std::uint8_t {
    answered,
    refused,    ///< the replier or a queue answered with an error: `reason`
    no_peer,    ///< nobody was connected by the deadline, or a queue had no worker
    timed_out,  ///< somebody was, but did not answer
    stopped,    ///< the context was asked to stop
};

struct answer {
    answer_kind kind = answer_kind::timed_out;
    message content{};      ///< the reply, when answered
    std::string reason{};   ///< of a refusal
    unsigned attempts = 0;  ///< how many were made
    duration took{0};       ///< from the last attempt's start until the reply was read
};

/// A request that is under way: a claim on its answer, of one thread at a time. It must not outlive its
/// requester.
class pending_answer {
  public:
    ~pending_answer();  ///< gives the request up when nobody waited for it
    pending_answer(pending_answer&&) noexcept;
    pending_answer& operator=(pending_answer&&) noexcept;

    /// The answer, as `ask` would give it; once. Attempts after the first are made only while somebody waits.
    answer wait();

  private:
    friend class requester;
    struct parts;
    explicit pending_answer(std::unique_ptr<parts> of);
    std::unique_ptr<parts> parts_;
};

class requester {
  public:
    requester(ferry::context& context, const ferry::endpoints& where, requester_options options = {});
    ~requester();
    requester(requester&&) noexcept;
    requester& operator=(requester&&) noexcept;

    /// The reply; empty when there was none in time or it was an error. `ask` tells which.
    std::optional<message> request(message question);

    /// The whole story. `timeout` takes the place of the option's.
    answer ask(message question, std::optional<std::chrono::milliseconds> timeout = std::nullopt);

    /// Asks and does not wait for the answer, so that one thread can have many requests under way; with more
    /// of them than half the socket's high-water mark (500; a mark of 0 is no bound) it waits for some, at
    /// most as long as its own time. The time runs from here. With nobody connected, or no room in that time,
    /// the first attempt is made by `pending_answer::wait`.
    pending_answer send(message question, std::optional<std::chrono::milliseconds> timeout = std::nullopt);

    /// True when a peer is connected.
    bool connected();
    outcome wait_for_peer(std::optional<duration> wait = forever);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& endpoints() const noexcept;
    requester_stats stats() const;

  private:
    friend class pending_answer;
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
