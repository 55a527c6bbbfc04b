// A producer: puts messages into a stream of a spool and is told when each is safe.
//
// Guarantee: at least once, or rather exactly once: a message is sent until it is confirmed, and the spool
// stores it once, across lost connections and restarts of the spool. Messages of one producer keep their
// order. A confirm means what its grade says; the default is on disk, synced. A producer with a `name` keeps
// its identity over restarts of the program: a second one of that name takes over from the first (`fenced`).
//
// Messages gather in batches while earlier ones are under way; an idle producer sends the first at once.
//
// Threads: all calls from any thread. Its session lives on the context's loop thread; a thread that waits for
// it does that thread's work meanwhile. The destructor flushes for at most `linger`; what is not confirmed
// then may or may not be stored. Failure: `put` throws errc::stopped when the context stops while it waits
// for room, and once the spool has said why nothing more will be stored (denied, no such stream, read-only,
// fenced). What is refused for one message alone (too large) is that receipt's outcome.
//
//     ferry::producer jobs{context, ferry::connect("tcp://127.0.0.1:7000"), {.stream = "resize"}};
//     ferry::receipt r = jobs.put("cat.jpg");
//     if (auto c = r.wait(2s); c && c->is == ferry::put_outcome::stored) std::cout << c->offset << '\n';
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/grade.hpp"
#include "ferry/message.hpp"
#include "ferry/socket_options.hpp"
#include "ferry/wait.hpp"

namespace ferry {

struct producer_options {
    std::string stream{};                    ///< [A-Za-z0-9._-]{1,128}
    std::optional<std::string> name{};       ///< a lasting identity; absent: one for this object
    bool create = true;                      ///< make the stream when it is not there
    std::optional<ferry::grade> grade{};     ///< absent: the stream's own
    bool dedup = true;                       ///< false: a message whose id is known is stored all the same
    std::size_t outbox_bytes = 8 << 20;      ///< not confirmed yet, at most; then `put` waits
    std::chrono::milliseconds linger{2000};  ///< how long the destructor waits for confirms
    socket_options socket{};
};

/// What became of a message.
enum class put_outcome : std::uint8_t {
    stored,   ///< durable to its grade, at `offset`
    full,     ///< refused: the stream, the spool or its disk has no room
    refused,  ///< refused for another reason: see `code` and `reason`
};

struct confirmation {
    put_outcome is = put_outcome::stored;
    std::uint64_t offset = 0;
    bool duplicate = false;  ///< it had been stored before, at `offset`
    std::string code{};      ///< the protocol's code for a refusal: too-large, denied, read-only, ...
    std::string reason{};
};

struct producer_stats {
    std::uint64_t confirmed = 0;
    std::uint64_t duplicates = 0;  ///< of these, recognised as stored before
    std::uint64_t refused = 0;
    std::uint64_t unconfirmed = 0;  ///< put and neither confirmed nor refused yet
};

/// A claim on a message's confirm. It may outlive the producer, whose end settles it no more.
class receipt {
  public:
    receipt() = default;

    /// The confirm; empty when none came in that time, the context stopped, or the producer ended without one.
    std::optional<confirmation> wait(std::optional<duration> limit = forever) const;

  private:
    friend class producer;
    struct parts;
    std::shared_ptr<parts> parts_;  // shared by all receipts of a batch, with the producer that settles them
    std::uint64_t index_ = 0;
};

class producer {
  public:
    producer(ferry::context& context, const ferry::endpoints& where, producer_options options);
    ~producer();
    producer(producer&&) noexcept;
    producer& operator=(producer&&) noexcept;

    /// Takes a message, waiting for room in the outbox if need be. Bytes alone cost least.
    receipt put(std::string_view body);
    receipt put(const std::string& body) { return put(std::string_view{body}); }
    receipt put(const char* body) { return put(std::string_view{body}); }
    receipt put(const message& message);

    /// Waits until everything put so far is confirmed or refused.
    outcome flush(std::optional<duration> limit = forever);

    /// True while a spool answers.
    bool connected() const;
    /// Waits for the spool to accept this producer. Throws what `put` would throw.
    outcome wait_for_spool(std::optional<duration> limit = forever);

    producer_stats stats() const;

  private:
    friend class receipt;
    struct parts;
    std::shared_ptr<parts> parts_;  // receipts wait on it too
};

}  // namespace ferry
