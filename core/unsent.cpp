#include "core/unsent.hpp"

#include <poll.h>
#include <zmq.h>

#include <atomic>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "core/event_fd.hpp"

namespace ferry {
namespace {

constexpr unsigned blank_notes_max = 4096;

}  // namespace

struct unsent::note {
    unsent::state* of;
    frame bytes;
    std::uint64_t messages = 0;
    note* next = nullptr;
};

struct unsent::state {
    // What was released, counted down from zero, in messages and in notes: so those who release share no word
    // with the one who tracks. When the counter ends it adds the notes it gave out, and who makes that zero
    // is the last.
    std::atomic<std::int64_t> balance{0};
    std::atomic<std::int64_t> notes{0};
    std::atomic<std::int64_t> awaited{
        std::numeric_limits<std::int64_t>::min()};  // the balance that is waited for
    std::atomic<note*> released{nullptr};
    event_fd none_left;
};

namespace {

void free_all(unsent::note* first) {
    while (first != nullptr) delete std::exchange(first, first->next);
}

void end(unsent::state* state) {
    free_all(state->released.load());
    delete state;
}

void keep(unsent::note* note) {
    std::atomic<unsent::note*>& list = note->of->released;
    note->next = list.load(std::memory_order_relaxed);
    while (!list.compare_exchange_weak(note->next, note, std::memory_order_release,
                                       std::memory_order_relaxed)) {}
}

// What a burst left behind is given back.
void cut(unsent::note* list) {
    for (unsigned kept = 1; list != nullptr; list = list->next)
        if (++kept > blank_notes_max) return free_all(std::exchange(list->next, nullptr));
}

void give_back(void*, void* hint) {
    auto* const note = static_cast<unsent::note*>(hint);
    unsent::state* const state = note->of;
    const auto messages = static_cast<std::int64_t>(note->messages);
    note->bytes = frame{};
    keep(note);
    const std::int64_t left = state->balance.fetch_sub(messages) - messages;
    if (left == state->awaited.load()) state->none_left.set();
    if (state->notes.fetch_sub(1) == 1) end(state);
}

}  // namespace

unsent::unsent() : state_{new state} {}

unsent::~unsent() {
    free_all(blank_);
    if (state_->notes.fetch_add(notes_) + notes_ == 0) end(state_);
}

unsent::note* unsent::blank_note() {
    if (blank_ == nullptr) {
        blank_ = state_->released.exchange(nullptr, std::memory_order_acquire);
        cut(blank_);
    }
    if (blank_ == nullptr) return new note{.of = state_, .bytes = {}};
    return std::exchange(blank_, blank_->next);
}

frame unsent::track(frame body, std::uint64_t messages) {
    note* const made = blank_note();
    made->bytes = std::move(body);
    made->messages = messages;
    frame result;
    if (zmq_msg_init_data(static_cast<zmq_msg_t*>(result.native()), made->bytes.data(), made->bytes.size(),
                          give_back, made) != 0) {
        delete made;
        throw std::bad_alloc{};
    }
    tracked_ += messages;
    ++notes_;
    return result;
}

std::uint64_t unsent::count() const noexcept {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(tracked_) + state_->balance.load());
}

std::uint64_t unsent::wait_for_none(duration wait) {
    state_->awaited.store(-static_cast<std::int64_t>(tracked_));
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
    state_->awaited.store(std::numeric_limits<std::int64_t>::min());
    return count();
}

}  // namespace ferry
