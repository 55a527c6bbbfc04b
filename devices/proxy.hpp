// The loop all plain devices run: what arrives at one socket goes out at the other, both ways.
//
// It reads in bursts, because asking libzmq what is ready costs as much as passing a message; between bursts
// it looks at the other side, its orders and the stop signal. A message that finds no room is held and
// nothing more is read from that side until there is room: its peers feel it. Frames are moved, never looked
// into or copied (the capture shares their bytes).
//
// Threads: `run` in one thread, all else from any. Failure: the constructor throws for endpoints.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "core/clock.hpp"
#include "core/event_fd.hpp"
#include "core/monitor.hpp"
#include "devices/worker_ledger.hpp"
#include "ferry/device.hpp"
#include "ferry/message.hpp"

namespace ferry {

class proxy {
  public:
    struct kinds {
        zmq::socket_type front;
        zmq::socket_type back;
        bool one_way = false;  ///< the streamer's: nothing goes up
        bool to_workers =
            false;  ///< the queue's: requests under tickets, to workers that may be busy or absent
    };

    proxy(ferry::context& context, kinds chosen, const ferry::endpoints& front, const ferry::endpoints& back,
          device_options options);

    void run();
    void stop() noexcept;
    void pause();
    void resume();
    const std::vector<std::string>& endpoints() const noexcept { return bound_; }
    device_stats stats() const;

  private:
    // One direction: what was read from `from` and could not be sent to `to` yet.
    struct way {
        zmq::socket_t& from;
        zmq::socket_t& to;
        std::atomic<std::uint64_t>& messages;
        std::atomic<std::uint64_t>& bytes;
        std::deque<std::vector<frame>> held{};
    };
    enum class sent : std::uint8_t { yes, no_room, nobody };

    struct readiness {
        bool front, back, orders;
    };

    bool obey_orders();
    readiness wait();
    void pass(way& along);
    void flush(way& along);
    void forward(way& along);
    bool receive(zmq::socket_t& from, std::vector<frame>& frames);
    sent send(zmq::socket_t& to, std::vector<frame>& frames);
    void capture(std::vector<frame>& frames);
    bool worker_there();
    bool can_hand_out();
    sent hand_out(std::vector<frame>& request);
    bool hear_worker(std::vector<frame>& frames);
    bool refuse(const std::vector<frame>& request);
    void workers_changed();

    context& context_;
    const kinds kinds_;
    const device_options options_;
    bool back_tells_peers_ = false;
    std::atomic<std::uint64_t> messages_down_{0}, bytes_down_{0}, messages_up_{0}, bytes_up_{0};
    std::atomic<std::uint64_t> dropped_{0}, refused_{0}, captured_{0}, uncaptured_{0};

    zmq::socket_t front_;
    zmq::socket_t back_;
    std::optional<zmq::socket_t> capture_;
    std::optional<monitor> workers_;  // goes before the sockets
    std::vector<std::string> bound_;
    worker_ledger ledger_;    // of a queue
    steady_time offered_at_;  // the last offer went out
    way down_{front_, back_, messages_down_, bytes_down_};
    way up_{back_, front_, messages_up_, bytes_up_};
    std::vector<frame> frames_;  // of the message in hand; kept, so that a message costs no allocation

    event_fd orders_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable heard_;
    bool running_ = false;
    bool stop_ = false;
    bool pause_ = false;
    bool paused_ = false;
};

}  // namespace ferry
