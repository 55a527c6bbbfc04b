#include "core/unsent.hpp"

#include <poll.h>
#include <zmq.h>

#include <atomic>
#include <memory>
#include <new>

#include "core/event_fd.hpp"

namespace ferry {

struct unsent::state {
    std::atomic<std::uint64_t> pending{0};  // messages in libzmq's hands
    std::atomic<std::uint64_t> holders{1};  // these, and the counter itself
    std::atomic<bool> awaited{false};
    event_fd none_left;
};

namespace {

void let_go(unsent::state* state) {
    if (state->holders.fetch_sub(1) == 1) delete state;
}

struct tracked {
    unsent::state* state;
    frame bytes;
    std::uint64_t messages;
};

void give_back(void*, void* hint) {
    const std::unique_ptr<tracked> note{static_cast<tracked*>(hint)};
    unsent::state* state = note->state;
    if (state->pending.fetch_sub(note->messages) == note->messages && state->awaited.load())
        state->none_left.set();
    let_go(state);
}

}  // namespace

unsent::unsent() : state_{new state} {}

unsent::~unsent() {
    let_go(state_);
}

frame unsent::track(frame body, std::uint64_t messages) {
    auto note = std::make_unique<tracked>(tracked{state_, std::move(body), messages});
    frame result;
    if (zmq_msg_init_data(static_cast<zmq_msg_t*>(result.native()), note->bytes.data(), note->bytes.size(),
                          give_back, note.get()) != 0)
        throw std::bad_alloc{};
    note.release();
    state_->holders.fetch_add(1);
    state_->pending.fetch_add(messages);
    return result;
}

std::uint64_t unsent::count() const noexcept {
    return state_->pending.load();
}

std::uint64_t unsent::wait_for_none(duration wait) {
    state_->awaited.store(true);
    const auto deadline = std::chrono::steady_clock::now() + wait;
    while (count() > 0) {
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= duration{0}) break;
        const timespec limit{std::chrono::duration_cast<std::chrono::seconds>(left).count(),
                             (left % std::chrono::seconds{1}).count()};
        pollfd watched{state_->none_left.fd(), POLLIN, 0};
        ::ppoll(&watched, 1, &limit, nullptr);
        state_->none_left.clear();
    }
    state_->awaited.store(false);
    return count();
}

}  // namespace ferry
