// Who has subscribed to a publisher, and to what.
//
// libzmq passes each subscription and each cancellation to the publisher's socket (ZMQ_XPUB_VERBOSER), with
// the connection's descriptor; when a connection ends it passes cancellations without one. So topics are
// counted by these messages, and subscribers by connections: those the monitor has not reported as ended.
// What no connection accounts for came over inproc, where each subscription counts as a subscriber.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ferry {

class subscriptions {
  public:
    void add(std::string_view topic, int connection);
    void remove(std::string_view topic, int connection);
    void connection_ended(int connection) { connections_.erase(connection); }

    /// True when a message that starts with `topic` goes to somebody.
    bool wanted(std::string_view topic);

    std::size_t subscribers() const;

  private:
    bool wanted_by_some(std::string_view topic) const;

    struct name_hash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    std::unordered_map<std::string, std::size_t, name_hash, std::equal_to<>> topics_;
    std::map<std::size_t, std::size_t> lengths_;        // of these topics: how many are that long
    std::unordered_map<int, std::size_t> connections_;  // live subscriptions of each
    std::size_t all_ = 0;
    std::string asked_;  // last, and what it was told since anything changed: topics come in runs
    std::optional<bool> told_;
};

}  // namespace ferry
