#include "core/loop.hpp"

#include <poll.h>

#include <algorithm>
#include <atomic>

#include "core/thread_name.hpp"

namespace ferry {

struct loop::member::slot {
    explicit slot(loop::step function) : call{std::move(function)} {}
    loop::step call;
    loop::next next{steady_time::min()};  // a new member is called at once
    std::atomic<bool> woken{false};
    bool removed = false;  // guarded by loop::running_
};

loop::member::~member() {
    {
        const std::lock_guard lock{owner_.mutex_};
        std::erase(owner_.slots_, slot_);
    }
    const std::lock_guard lock{owner_.running_};
    slot_->removed = true;
}

void loop::member::wake() noexcept {
    if (!slot_->woken.exchange(true)) owner_.changed_.set();
}

loop::loop(int stop_fd) : stop_fd_{stop_fd}, thread_{[this] { run(); }} {
    name_thread(thread_, "ferry loop");
}

loop::~loop() {
    {
        const std::lock_guard lock{mutex_};
        ending_ = true;
    }
    changed_.set();
    thread_.join();
}

std::unique_ptr<loop::member> loop::add(step call) {
    auto slot = std::make_shared<member::slot>(std::move(call));
    {
        const std::lock_guard lock{mutex_};
        slots_.push_back(slot);
    }
    changed_.set();
    return std::unique_ptr<member>{new member{*this, std::move(slot)}};
}

void loop::run() {
    std::vector<std::shared_ptr<member::slot>> slots;
    std::vector<pollfd> watched;
    while (true) {
        {
            const std::lock_guard lock{mutex_};
            if (ending_) return;
            slots = slots_;
        }
        watched.assign({{changed_.fd(), POLLIN, 0}, {stop_fd_, POLLIN, 0}});
        steady_time due = steady_time::max();
        for (const auto& slot : slots) {
            watched.push_back({slot->next.fd, POLLIN, 0});
            watched.push_back({slot->next.second_fd, POLLIN, 0});
            due = slot->woken ? steady_time::min() : std::min(due, slot->next.due);
        }
        timespec wait{};
        const auto left =
            due == steady_time::max() ? duration{0} : due - std::min(due, std::chrono::steady_clock::now());
        wait.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(left).count();
        wait.tv_nsec = (left % std::chrono::seconds{1}).count();
        ::ppoll(watched.data(), watched.size(), due == steady_time::max() ? nullptr : &wait, nullptr);
        changed_.clear();
        const bool stopping = watched[1].revents != 0;
        if (stopping) stop_fd_ = -1;

        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard lock{running_};
        for (std::size_t i = 0; i < slots.size(); ++i) {
            const auto& slot = slots[i];
            // A descriptor of -1 is left out by poll and has no events.
            const bool ready = watched[2 * i + 2].revents != 0 || watched[2 * i + 3].revents != 0;
            const bool woken = slot->woken.exchange(false);
            if (!slot->removed && (ready || woken || stopping || slot->next.due <= now))
                slot->next = slot->call();
        }
    }
}

}  // namespace ferry
