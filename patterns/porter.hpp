// Stands at the door of a replier: lets requests in to the threads that wait for one, and gives back to a
// queue what would wait here.
//
// Guarantee: a request under a queue's ticket (core/ticket.hpp) that has waited for `patience` while no
// thread became free goes back to the queue unopened, which hands it to another worker; handlers that are
// quicker than that keep libzmq's own queue full and give nothing back. All other requests wait here as they
// would in the socket. To a queue it gave something back to, it tells when a thread waits again.
//
// Threads: `receive` from any; a thread of its own watches the door from the first ticket on.
// Failure: as ferry::socket.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/socket.hpp"

namespace ferry {

class porter {
  public:
    /// `stays` says of a request id: that one is known here, and should not run elsewhere.
    porter(ferry::socket& door, std::string worker, std::function<bool(std::string_view id)> stays);
    ~porter();
    porter(const porter&) = delete;
    porter& operator=(const porter&) = delete;

    /// One message, as ferry::socket::receive.
    outcome receive(std::vector<frame>& frames, std::optional<duration> wait);

    std::uint64_t given_back() const noexcept { return given_back_; }

  private:
    // One call of `receive`: whether it is counted among the idle.
    struct visit {
        std::vector<frame>& frames;
        bool waits = false;
        bool has = false;
    };

    bool let_in(visit& one);
    void begin(std::vector<frame>& frames);
    void accept_offer(std::vector<frame>& frames);
    unsigned room() const;
    bool tell_free();
    bool turn_away_next();
    void turn_away(std::vector<frame> frames);
    bool tell(const std::string& queue, std::string notice);
    void one_less_idle();
    void watch(const std::stop_token& stop);

    static constexpr std::chrono::milliseconds patience{1};
    static constexpr std::size_t kept_max = 1000;  // the default high-water mark of a socket

    ferry::socket& door_;
    const std::string worker_;
    const std::function<bool(std::string_view)> stays_;
    std::atomic<std::uint64_t> given_back_{0};

    // Guarded by the socket's lock, under which every attempt runs; `idle_` falls without it.
    std::atomic<unsigned> idle_{0};  // threads that wait for a request
    std::deque<std::vector<frame>> kept_;
    std::set<std::string> owed_;  // the queues that want to be told of a free thread
    unsigned offered_ = 0;        // how many more offers those were told to send
    unsigned promised_ = 0;       // threads they were told of, of which none came for a request yet
    duration pace_{std::chrono::seconds{1}};  // from one request let in to the next, averaged
    std::string last_queue_;                  // by its routing id

    std::atomic<bool> watching_{false};
    std::atomic<steady_time> taken_at_{};
    std::mutex mutex_;
    std::condition_variable_any all_busy_;
    std::atomic<bool> asleep_{false};
    std::jthread watcher_;  // last: it uses all the others
};

}  // namespace ferry
