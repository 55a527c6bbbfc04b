// A replier: answers requests, in the caller's thread or in several of its own.
//
// Guarantee: each request that reaches it gets one reply. A ferry requester's second attempt is recognised
// by its id: while the first still runs it is dropped, afterwards it gets the same reply again, for as long
// as the last `remembered` replies go back. A handler that throws answers with an error: the envelope header
// `ferry-error` to those who understand it, an empty reply to plain REQ peers. Behind a queue device no
// request waits for it: what has found no thread free for a millisecond goes back to the queue, for another.
//
// Threads: all calls from any thread. With one worker the handler runs in the thread that calls `serve`;
// with more it runs in that many threads at once.
// Failure: the constructor throws when an endpoint cannot be used. Frames that are no request are counted,
// reported and dropped. Plain REQ and DEALER peers are served, also through queue devices.
//
//     ferry::replier sums{context, ferry::bind("tcp://127.0.0.1:5560")};
//     sums.serve([](const ferry::message& q) {
//         auto [a, b] = ferry::unpack<std::pair<int, int>>(q.body());
//         return ferry::pack(a + b);
//     });
#pragma once

#include <cstddef>
#include <functional>
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

struct replier_options {
    unsigned workers = 1;                     ///< 1 to 1000 handlers at a time
    std::size_t remembered = 1024;            ///< replies kept for requests that come again; 0 = none
    std::size_t remembered_bytes = 16 << 20;  ///< and no more than these bytes of them
    envelope_mode envelope = envelope_mode::automatic;  ///< a header frame only when there are headers
    socket_options socket{};
    event_callback on_event{};
};

struct replier_stats {
    std::uint64_t requests = 0;    ///< given to the handler
    std::uint64_t replies = 0;     ///< handed to libzmq
    std::uint64_t failures = 0;    ///< handlers that threw
    std::uint64_t repeats = 0;     ///< requests that came again and were not run again
    std::uint64_t bad_frames = 0;  ///< dropped: no request, or a forged envelope
    std::uint64_t dropped = 0;     ///< replies whose requester was gone
    std::uint64_t given_back = 0;  ///< requests returned to a queue, because all threads were busy
};

/// One request, to be answered by `replier::reply`, possibly from another thread.
class request {
  public:
    request(request&&) noexcept;
    request& operator=(request&&) noexcept;
    ~request();
    const message& content() const noexcept;

  private:
    friend class replier;
    struct parts;
    explicit request(std::unique_ptr<parts> parts);
    std::unique_ptr<parts> parts_;
};

class replier {
  public:
    using handler = std::function<message(const message& question)>;

    replier(ferry::context& context, const ferry::endpoints& where, replier_options options = {});
    ~replier();
    replier(replier&&) noexcept;
    replier& operator=(replier&&) noexcept;

    /// Answers requests with what `handle` returns until the context or `stop` ends it.
    void serve(const handler& handle);

    /// One request; empty when none came in that time, or the context was asked to stop.
    std::optional<request> receive(std::optional<duration> wait = forever);
    /// Answers it. `timed_out` when the requester's queue stayed full for a second or it is gone.
    outcome reply(request request, message answer);
    /// Answers it with an error: a short code such as `failed`, and the reason in words.
    outcome refuse(request request, std::string_view code, std::string_view reason);

    /// Lets `serve` and `receive` return, now and from now on. From any thread.
    void stop() noexcept;

    /// True when a peer is connected (peers over inproc are not seen).
    bool connected();
    outcome wait_for_peer(std::optional<duration> wait = forever);

    /// Where it is bound, with real ports, in the order given.
    const std::vector<std::string>& endpoints() const noexcept;
    replier_stats stats() const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
