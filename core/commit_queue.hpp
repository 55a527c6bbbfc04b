// The commits of a consumer that are not answered yet.
//
// A commit is sent once on each channel, under the lease its message was delivered with, until the spool says
// what became of it. One that was carried out and whose answer was lost is answered as done when it is sent
// again, for its message is: so outputs are stored once. While an output's stream is full it is tried again.
//
// Threads: none of its own. Nothing fails.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/protocol.hpp"
#include "core/run_set.hpp"
#include "core/spool_link.hpp"

namespace ferry {

/// What became of a commit.
struct commit_fate {
    enum class state : std::uint8_t { pending, committed, lost, refused };
    state is = state::pending;
    std::string code;  ///< why it was refused, as a code of the protocol and in words
    std::string reason;
};

/// What is to be stored with the ack: a batch for one stream.
struct commit_output {
    std::string stream;
    std::uint64_t count = 0;
    std::string batch;
};

class commit_queue {
  public:
    /// A refused commit's message: it goes back to the group.
    struct given_back {
        std::uint64_t lease = 0;
        std::uint64_t offset = 0;
        std::string reason;
    };

    std::shared_ptr<commit_fate> add(std::uint64_t lease, std::uint64_t offset,
                                     std::vector<commit_output> outputs, std::uint64_t time_ns);

    /// What is to be sent on this channel now.
    void send(std::uint64_t channel, instant now, std::vector<outgoing_message>& out);
    /// The channel is gone: everything is sent again on the next one.
    void unsend();

    /// Takes out what the answer settles of the lease: committed, or lost.
    std::vector<protocol::run> done(std::uint64_t lease, const std::vector<protocol::run>& runs,
                                    commit_fate::state as);
    /// The spool refused one; what is given back is not in the queue any more.
    /// Where a stream is full it is tried again, if `again` says so.
    std::vector<given_back> refused(const protocol::refused& answer, instant now, bool again);
    /// Those that wait to be tried again are not.
    void drop_delayed();
    /// Nothing will be answered any more.
    void fail(const std::string& code, const std::string& reason);

    /// The offsets of commits under this lease.
    run_set under(std::uint64_t lease) const;
    bool holds(std::uint64_t lease) const;
    bool empty() const noexcept { return waiting_.empty(); }
    std::size_t size() const noexcept { return waiting_.size(); }
    std::size_t bytes() const noexcept { return bytes_; }
    std::uint64_t next_due_ns() const;

  private:
    struct waiting {
        std::uint64_t number = 0;
        std::uint64_t lease = 0;
        std::uint64_t offset = 0;
        std::vector<protocol::output> outputs;
        std::shared_ptr<std::string> body;
        std::shared_ptr<commit_fate> fate;
        bool sent = false;
        std::uint64_t sent_ns = 0;
        std::uint64_t not_before_ns = 0;
    };
    std::deque<waiting>::iterator settle(std::deque<waiting>::iterator which, commit_fate::state as);

    std::deque<waiting> waiting_;
    std::uint64_t next_number_ = 1;
    std::size_t bytes_ = 0;
};

}  // namespace ferry
