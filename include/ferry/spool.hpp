// A spool: owns one directory and keeps streams of messages in it, for producers and consumers.
//
// Guarantee: what it confirmed as `synced` is delivered at least once to every group that existed when it was
// stored, until acked, whatever crashes in between (docs/guarantees.md). One spool owns a directory at a
// time.
//
// The constructor recovers, binds and returns when the spool is ready to serve. It then runs on a thread of
// its own (and one that writes), until the context stops or it is destroyed; either way it stops in order.
// Embedded over inproc it gives a program store and forward with no process in the middle.
//
// Threads: all calls from any thread. Failure: the constructor throws (directory in use, foreign or damaged
// beyond use, address in use, an address beyond loopback without `insecure`). A disk error later turns it
// read-only: nothing more is confirmed, everything confirmed before stays readable, `stats` says why.
//
//     ferry::spool spool{context, {.directory = "outbox", .listen = {ferry::bind("inproc://outbox")}}};
//     ferry::producer jobs{context, ferry::connect("inproc://outbox"), {.stream = "jobs"}};
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ferry/context.hpp"
#include "ferry/endpoint.hpp"
#include "ferry/grade.hpp"
#include "ferry/raw_port.hpp"
#include "ferry/wait.hpp"

namespace ferry {

struct spool_options {
    std::string directory{};                    ///< made if missing; its parent must exist
    std::vector<endpoint> listen{};             ///< where to bind; tcp, ipc and inproc, at least one
    grade default_grade = grade::synced;        ///< of streams that are made without asking for another
    std::uint64_t segment_bytes = 64ULL << 20;  ///< size of a segment file, 1 MiB to 1 GiB
    /// After a restart: how long messages that were on lease are kept for those who hold them to claim.
    std::chrono::milliseconds claim_wait{2000};
    std::vector<raw_port> ports{};  ///< plain sockets that feed streams, or are fed by them
    bool insecure = false;          ///< lets it bind where other machines can reach it
    /// Told in words what a person should know: what recovery found, a disk error, a lack of room. Called
    /// from the spool's thread (and from the constructor); keep it short.
    std::function<void(const std::string& text)> on_event{};
};

struct spool_stats {
    std::uint64_t incarnation = 0;         ///< how often this directory was opened
    std::uint64_t sessions = 0;            ///< clients now
    std::uint64_t streams = 0;             ///< now
    bool disk_full = false;                ///< but for the reserve: puts are refused
    std::uint64_t messages_stored = 0;     ///< since it was opened, as all that follow
    std::uint64_t messages_duplicate = 0;  ///< sent again and recognised
    std::uint64_t messages_refused = 0;
    std::uint64_t messages_delivered = 0;
    std::uint64_t messages_redelivered = 0;  ///< of these, those flagged with an attempt above 1
    std::uint64_t messages_acked = 0;
    std::uint64_t commits = 0;
    std::uint64_t messages_nacked = 0;
    std::uint64_t messages_dead = 0;
    std::uint64_t messages_redriven = 0;
    std::uint64_t messages_expired =
        0;  ///< removed because their time was over and nobody was done with them
    std::uint64_t messages_removed = 0;  ///< purged, and dead letters that were dropped or over a limit
    std::uint64_t messages_dropped = 0;  ///< the oldest, to make room in their stream
    std::uint64_t messages_aged = 0;     ///< older than their stream keeps them
    std::uint64_t messages_skipped = 0;  ///< not wanted by a group with a filter: acked for it unseen
    std::uint64_t messages_damaged = 0;  ///< found unreadable and set aside
    std::uint64_t leases_expired = 0;
    std::uint64_t acks_stale = 0;             ///< refused: their lease was over
    std::uint64_t frames_bad = 0;             ///< what peers sent that is not the protocol
    std::uint64_t frames_over_window = 0;     ///< of producers that sent more than they may
    std::uint64_t sessions_silent = 0;        ///< taken for gone
    std::uint64_t sessions_lossy = 0;         ///< begun anew because frames of theirs did not arrive
    std::uint64_t dedup_ids = 0;              ///< message ids known now,
    std::chrono::milliseconds dedup_span{0};  ///< and how old the oldest of them is
    std::uint64_t log_bytes = 0;      ///< of the segments, spares and snapshots aside, when last looked at
    std::uint64_t live_bytes = 0;     ///< of the messages in them that are needed
    std::uint64_t segments = 0;       ///< with the open one and the cold ones
    std::uint64_t cold_segments = 0;  ///< hold messages that were moved
    std::uint64_t messages_moved = 0;
    std::uint64_t segments_emptied = 0;
    std::uint64_t syncs = 0;              ///< of the log: each makes all that gathered durable at once
    std::uint64_t bytes_written = 0;      ///< to the log, without snapshots and what the cleaner copies
    std::vector<raw_port_stats> ports{};  ///< in the order given
    std::string read_only_reason{};       ///< empty while it writes
};

class spool {
  public:
    spool(ferry::context& context, spool_options options);
    ~spool();
    spool(spool&&) noexcept;
    spool& operator=(spool&&) noexcept;

    /// Blocks until the context stops, `stop` is called or the wait is over.
    outcome wait(std::optional<duration> limit = forever);
    void stop() noexcept;

    /// Where it listens, with real ports, in the order given.
    const std::vector<std::string>& endpoints() const noexcept;
    spool_stats stats() const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace ferry
