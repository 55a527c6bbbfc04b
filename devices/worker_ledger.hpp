// What a queue knows of the workers that announce themselves, and from it: may a request go out now?
//
// A queue's DEALER gives to its peers in turn and cannot choose one. So it is the worker that chooses: one
// where a request would wait gives it back, and the queue hands it to the next. Once all have given back, the
// queue is saturated and requests stay in it. From then on they go out as offers, never more at a time than
// workers said they have room for: each offer goes round until it meets one of these. When none is left to
// wait, a worker that has room is at ease again and gets its turn like any other.
//
// Every offer ends as taken or given back, unless it goes with its worker; and every worker that is full will
// tell when it is free. So a request held here is never forgotten: `forget`, called when a connection ends or
// an offer is lost, makes the queue try them all again. What the worker that is gone said last may be heard
// after that; so a worker counts as full only when it gave back a request of the time since, which its ticket
// tells.
//
// Threads: one. Failure: none; what a worker says about itself is believed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/ticket.hpp"

namespace ferry {

class worker_ledger {
  public:
    /// `peers` are those that the monitor sees; over inproc it sees none, and only who spoke is known.
    bool saturated(std::size_t peers) const noexcept {
        return !room_.empty() && room_.size() >= std::max(peers, met_.size());
    }
    bool may_hand_out(std::size_t peers) const noexcept { return !saturated(peers) || offers_ < room_total_; }

    /// How many offers are under way.
    std::size_t offers() const noexcept { return offers_; }

    /// A request goes out: under which kind of ticket.
    ticket_kind hand_out(std::size_t peers) noexcept {
        if (!saturated(peers)) return ticket_kind::request;
        ++offers_;
        return ticket_kind::offer;
    }
    /// It found no room after all.
    void not_sent(ticket_kind kind) noexcept { end_offer(kind); }

    /// Of the time since the last `forget`: stands in the tickets of that time.
    char era() const noexcept { return era_; }

    void given_back(std::string_view worker, ticket_kind was, char era) {
        if (era != era_) return;
        end_offer(was);
        set_room(worker, 0);
    }
    void taken(std::string_view worker, unsigned room) {
        end_offer(ticket_kind::offer);
        set_room(worker, room);
    }
    /// Room 0 from one that is not known to be full is a greeting: where nobody else tells of peers, it does.
    void is_free(std::string_view worker, unsigned room, std::size_t peers) {
        if (room > 0 || room_.contains(std::string{worker}))
            set_room(worker, room);
        else if (peers == 0 && met_.size() < workers_max)
            met_.insert(std::string{worker});
    }

    /// Nothing waits here any more that this worker was to be asked for.
    void at_ease(std::string_view worker) {
        const auto found = room_.find(std::string{worker});
        if (found == room_.end()) return;
        room_total_ -= found->second;
        room_.erase(found);
    }

    /// A reply came to an offer nobody told of: its worker does not announce itself.
    void answered(ticket_kind kind, char era) noexcept {
        if (era == era_) end_offer(kind);
    }

    /// A connection ended, and nobody says whose: all of them show again what they are.
    void forget() noexcept {
        room_.clear();
        met_.clear();
        room_total_ = offers_ = 0;
        ++era_;
    }

  private:
    void end_offer(ticket_kind kind) noexcept {
        if (kind == ticket_kind::offer && offers_ > 0) --offers_;
    }
    void set_room(std::string_view worker, unsigned room) {
        if (met_.size() >= workers_max) forget();
        met_.insert(std::string{worker});
        unsigned& known = room_[std::string{worker}];
        room_total_ += room;
        room_total_ -= known;
        known = room;
    }

    static constexpr std::size_t workers_max = 10'000;  // a peer that makes up names must not fill the memory
    std::unordered_set<std::string> met_;               // workers that announced themselves
    std::unordered_map<std::string, unsigned> room_;    // those of them that are not at ease
    std::size_t room_total_ = 0;
    std::size_t offers_ = 0;  // under way
    char era_ = 0;            // runs round: what is older than 256 ends of connections is not under way
};

}  // namespace ferry
