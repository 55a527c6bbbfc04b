#include "patterns/batch_outlet.hpp"

#include <algorithm>

#include "core/clock.hpp"
#include "core/context_parts.hpp"
#include "core/deadline.hpp"
#include "ferry/error.hpp"

namespace ferry {
namespace {

// The socket tells when there is room; but who sends on another thread may hear it instead.
constexpr std::chrono::milliseconds until_next_try{50};
// With fewer messages in libzmq's hands its thread is merely waking up, and nothing is gained by waiting for
// it.
constexpr std::uint64_t few = 16;

}  // namespace

batch_outlet::batch_outlet(socket& through, unsent& in_flight, sender send)
    : socket_{through},
      in_flight_{in_flight},
      send_{std::move(send)},
      linger_{through.owner().internals().shared_loop().add([this] { return leave_when_due(); })} {}

// What waits for a peer that stands still does not hold up the others: what had not moved within the linger
// time is left out of account until it does.
bool batch_outlet::wire_free() {
    const std::uint64_t under_way = in_flight_.count();
    stuck_ = std::min(stuck_, under_way);
    return under_way - stuck_ < few;
}

bool batch_outlet::leave(gathering::batch& which, gathering::cause why) {
    if (why == gathering::cause::full && wire_free()) why = gathering::cause::full_while_free;
    if (why == gathering::cause::time_over) stuck_ = in_flight_.count();
    if (!send_(which)) return false;
    gathered_.left(which, why);
    return true;
}

bool batch_outlet::leave(std::string_view topic) {
    gathering::batch* const own = gathered_.find(topic);
    return own == nullptr || leave(*own, gathering::cause::full);
}

bool batch_outlet::leave_all() {
    while (!gathered_.empty())
        if (!leave(gathered_.oldest(), gathering::cause::full)) return false;
    return true;
}

std::uint64_t batch_outlet::drop() {
    std::uint64_t messages = 0;
    while (!gathered_.empty()) {
        messages += gathered_.oldest().messages;
        gathered_.left(gathered_.oldest(), gathering::cause::time_over);
    }
    return messages;
}

batch_outlet::fate batch_outlet::offer(const message& content, std::string_view topic, bool with_topic) {
    gathering::batch* own = gathered_.find(topic);
    if (own != nullptr && !gathered_.has_room(*own, content)) {
        if (!leave(*own, gathering::cause::full)) return fate::full;
        own = nullptr;
    }
    if (own == nullptr) {
        if (gathered_.empty() && wire_free()) return fate::alone;
        while (gathered_.crowded())
            if (!leave(gathered_.oldest(), gathering::cause::full)) return fate::full;
        own = &gathered_.begin(topic, read_clocks().monotonic_ns);
        if (!std::exchange(watched_, true)) wake_.store(true, std::memory_order_relaxed);
    }
    gathered_.add(*own, content, with_topic);
    // The wire is free again.
    if (gathered_.enough(*own) && wire_free()) leave(*own, gathering::cause::wire_free);
    return fate::gathered;
}

void batch_outlet::settle() {
    if (wake_.load(std::memory_order_relaxed) && wake_.exchange(false)) linger_->wake();
}

// What is wrong with a socket its next user is told, not the loop.
loop::next batch_outlet::leave_when_due() try {
    loop::next next;
    socket_.with([&](zmq::socket_t&) {
        const std::uint64_t now_ns = read_clocks().monotonic_ns;
        bool room = true;
        while (room && gathered_.due_ns() <= now_ns)
            room = leave(gathered_.oldest(), gathering::cause::time_over);
        watched_ = !gathered_.empty();
        if (!watched_) return;
        next.due = steady_time{duration{static_cast<std::int64_t>(gathered_.due_ns())}};
        if (room) return;
        next.due = std::chrono::steady_clock::now() + until_next_try;
        next.fd = socket_.descriptor();
    });
    return next;
} catch (const error&) {
    return {};
}

socket_options with_queue_of_at_most(int batches, socket_options given) {
    if (given.high_water_mark == 0 || given.high_water_mark > batches) given.high_water_mark = batches;
    return given;
}

std::uint64_t close_outlet(std::optional<batch_outlet>& outlet, socket& through,
                           std::chrono::milliseconds& linger) noexcept {
    if (!outlet) return 0;
    outlet->stop();
    const bool bounded = linger >= std::chrono::milliseconds{0};
    const deadline end{bounded ? std::optional<duration>{linger} : forever};
    std::uint64_t left = 0;
    try {
        through.attempt(ZMQ_POLLOUT, end.left(), [&] { return outlet->leave_all(); });
    } catch (const error&) {
        // What cannot be sent is left, and is told as that.
    }
    through.with([&](zmq::socket_t&) { left = outlet->drop(); });
    outlet.reset();
    if (bounded) linger = std::chrono::duration_cast<std::chrono::milliseconds>(*end.left());
    return left;
}

}  // namespace ferry
