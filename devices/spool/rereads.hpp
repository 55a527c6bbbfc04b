// Reads that failed and are tried again: an I/O error is no proof that the bytes are gone.
//
// A disk behind a network, or a process that is out of descriptors, is often well again a second later, and
// what is given up as damaged is removed for good. So a read that fails is asked for again after 0.1,
// 0.4, 1.6 and 6.4 s; whoever asked waits meanwhile, and is told of the failure only then.
//
//     rereads.asked(actions.reads);              // every read that leaves
//     if (rereads.again(cookie, now)) return;    // it failed: not yet
//     rereads.done(cookie);                      // it did not, or for good
//     rereads.tick(now, actions.reads);          // those whose time has come
//
// Threads: none of its own.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "devices/spool/actions.hpp"
#include "devices/spool/agenda.hpp"

namespace ferry {

class rereads {
  public:
    void asked(const std::vector<read_action>& reads);
    /// False when it was tried often enough.
    bool again(std::uint64_t cookie, std::uint64_t now_ns);
    void done(std::uint64_t cookie) { under_way_.erase(cookie); }
    void tick(std::uint64_t now_ns, std::vector<read_action>& into);
    std::uint64_t next_due_ns() const { return due_.next(); }

  private:
    struct attempt {
        read_action what;
        unsigned failures = 0;
    };
    std::map<std::uint64_t, attempt> under_way_;
    agenda<std::uint64_t> due_;
};

}  // namespace ferry
