// What really happened to every message, read from the logs of those who saw it, and what is wrong with it.
//
// Producers log what they are about to put and what was confirmed; consumers log what they are shown before
// they ack it, what they ack, and when all acks so far were answered. The checker reads those lines and
// nothing else: it knows neither spool nor protocol. A last line without its end (its writer was killed) is
// passed over.
//
//     put P FIRST COUNT                     producer P is about to put so many, numbered from FIRST
//     confirm P NUMBER OFFSET               that message is safe, at that offset
//     show OFFSET ATTEMPT WHEN P NUMBER B   a consumer has it; B: 1 when its body is the one that was put
//     ack OFFSET                            it is done with it
//     stale FIRST LAST                      these acks were refused: the lease was over
//     answered WHEN                         all acks so far were answered; WHEN: nanoseconds, one clock for
//     all
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ferry::test {

struct message_name {
    unsigned producer = 0;
    std::uint64_t number = 0;
    auto operator<=>(const message_name&) const = default;
};

struct put_run {
    message_name first;
    std::uint64_t count = 0;
};

struct confirmed {
    message_name name;
    std::uint64_t offset = 0;
};

struct shown {
    message_name name;
    std::uint64_t offset = 0;
    std::uint64_t attempt = 0;
    std::uint64_t when = 0;
    bool intact = true;
};

/// An ack whose answer came, and when that was known.
struct answered_ack {
    std::uint64_t offset = 0;
    std::uint64_t when = 0;
};

struct history {
    std::vector<put_run> puts;
    std::vector<confirmed> confirms;
    std::vector<std::vector<shown>> shows;  ///< one list a consumer, in the order it was shown them
    std::vector<answered_ack> acks;

    void read_producer(const std::string& file);
    void read_consumer(const std::string& file);
};

/// Counts of messages. All but `confirmed`, `seen` and `flagged` must be 0.
struct verdict {
    std::uint64_t confirmed = 0;
    std::uint64_t seen = 0;          ///< different messages shown
    std::uint64_t flagged = 0;       ///< shows with an attempt above 1
    std::uint64_t lost = 0;          ///< confirmed and never shown
    std::uint64_t phantom = 0;       ///< shown and never put, or confirmed as another offset than it has
    std::uint64_t corrupted = 0;     ///< shown with another body
    std::uint64_t unflagged = 0;     ///< shown again as if for the first time, or stored twice
    std::uint64_t misplaced = 0;     ///< a producer's messages that are stored in another order than put
    std::uint64_t out_of_order = 0;  ///< first attempts shown to a consumer in another order than stored
    std::uint64_t returned = 0;      ///< shown again after the answer to its ack

    bool faultless() const {
        return lost + phantom + corrupted + unflagged + misplaced + out_of_order + returned == 0;
    }
    std::string text() const;
};

verdict judge(const history& all);

}  // namespace ferry::test
