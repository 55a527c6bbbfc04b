#include "core/loop.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <span>
#include <system_error>
#include <utility>

#include "core/thread_name.hpp"

namespace ferry {
namespace {

constexpr std::size_t events_at_once = 64;
constexpr std::uint32_t readable = EPOLLIN;
constexpr std::uint32_t nothing = 0;

// Batches leave after 200 us, and epoll_wait counts in milliseconds: so the epoll descriptor is polled.
void poll_until(std::span<pollfd> watched, steady_time due) {
    timespec wait{};
    if (due != steady_time::max()) {
        const duration left = due - std::min(due, std::chrono::steady_clock::now());
        wait.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(left).count();
        wait.tv_nsec = (left % std::chrono::seconds{1}).count();
    }
    ::ppoll(watched.data(), watched.size(), due == steady_time::max() ? nullptr : &wait, nullptr);
}

int made_epoll() {
    const int made = ::epoll_create1(EPOLL_CLOEXEC);
    if (made < 0) throw std::system_error{errno, std::generic_category(), "epoll"};
    return made;
}

}  // namespace

struct loop::member::slot {
    explicit slot(loop::step function) : call{std::move(function)} {}
    const loop::step call;
    std::atomic<bool> woken{true};  // a new member is called at once
    std::atomic<bool> stood_in_for{false};
    // All below is guarded by loop::running_.
    loop::next next{};
    int watched_fd = -1;
    int watched_second_fd = -1;
    bool ready = false;
    bool removed = false;
};

loop::member::~member() {
    {
        const std::lock_guard lock{owner_.running_};
        slot_->removed = true;
        owner_.watch(-1, slot_->watched_fd, nothing, nullptr);
        owner_.watch(-1, slot_->watched_second_fd, nothing, nullptr);
    }
    const std::lock_guard lock{owner_.mutex_};
    std::erase(owner_.slots_, slot_);
}

void loop::wake(member::slot& which) noexcept {
    if (!which.woken.exchange(true)) changed_.set();
}

void loop::member::wake() noexcept {
    owner_.wake(*slot_);
}

void loop::member::run() {
    if (owner_.in_step()) return wake();
    const std::unique_lock lock{owner_.running_, std::try_to_lock};
    if (!lock.owns_lock()) return wake();
    owner_.call(*slot_);
}

loop::stand_in::stand_in(loop& of, std::shared_ptr<member::slot> where) : of_{of}, where_{std::move(where)} {
    const std::unique_lock lock{of_.running_, std::try_to_lock};
    if (!lock.owns_lock() || where_->removed || where_->next.fd < 0) return;
    fd_ = where_->next.fd;
    where_->stood_in_for = true;
    of_.watch(fd_, where_->watched_fd, nothing, where_.get());
}

loop::stand_in::~stand_in() {
    if (fd_ < 0) return;
    where_->stood_in_for = false;
    const std::unique_lock lock{of_.running_, std::try_to_lock};
    if (!lock.owns_lock())
        of_.wake(*where_);  // with its next call the loop watches again
    else if (!where_->removed)
        of_.watch(where_->next.fd, where_->watched_fd, readable, where_.get());
}

void loop::stand_in::wait(const event_fd& bell, steady_time until) {
    std::array<pollfd, 2> watched{{{fd_, POLLIN, 0}, {bell.fd(), POLLIN, 0}}};
    poll_until(watched, until);
    if (watched[0].revents == 0) return;
    const std::unique_lock lock{of_.running_, std::try_to_lock};
    if (!lock.owns_lock()) return of_.wake(*where_);
    of_.call(*where_);
}

void loop::sleep(const event_fd& bell, steady_time until) {
    std::array<pollfd, 1> watched{{{bell.fd(), POLLIN, 0}}};
    poll_until(watched, until);
}

std::unique_ptr<event_fd> loop::lend_bell() {
    const std::lock_guard lock{mutex_};
    if (!bells_.empty()) {
        std::unique_ptr<event_fd> lent = std::move(bells_.back());
        bells_.pop_back();
        return lent;
    }
    try {
        return std::make_unique<event_fd>();
    } catch (const std::system_error&) {
        return nullptr;
    }
}

void loop::take_back(std::unique_ptr<event_fd> bell) {
    bell->clear();
    const std::lock_guard lock{mutex_};
    bells_.push_back(std::move(bell));
}

loop::loop(int stop_fd) : watched_{made_epoll()} {
    int changed_fd = -1;
    watch(changed_.fd(), changed_fd, readable, nullptr);
    watch(stop_fd, stop_fd_, readable, &stop_fd_);
    thread_ = std::thread{[this] { run(); }};
    name_thread(thread_, "ferry loop");
}

loop::~loop() {
    {
        const std::lock_guard lock{mutex_};
        ending_ = true;
    }
    changed_.set();
    thread_.join();
    ::close(watched_);
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

// A descriptor that was closed is out of the set already, and one of its number now may be another.
void loop::watch(int fd, int& watched, std::uint32_t events, void* of) const {
    epoll_event wanted{.events = events, .data = {.ptr = of}};
    if (watched >= 0 && watched != fd) ::epoll_ctl(watched_, EPOLL_CTL_DEL, watched, nullptr);
    watched = fd;
    if (fd >= 0 && ::epoll_ctl(watched_, EPOLL_CTL_MOD, fd, &wanted) != 0)
        ::epoll_ctl(watched_, EPOLL_CTL_ADD, fd, &wanted);
}

void loop::call(member::slot& which) {
    if (which.removed) return;
    which.woken = false;
    {
        struct stepping {
            std::atomic<std::thread::id>& whose;
            ~stepping() { whose = std::thread::id{}; }
        } const until_end{stepping_};
        stepping_ = std::this_thread::get_id();
        which.next = which.call();
    }
    watch(which.next.fd, which.watched_fd, which.stood_in_for ? nothing : readable, &which);
    watch(which.next.second_fd, which.watched_second_fd, readable, &which);
    if (which.next.due < due_) changed_.set();
}

bool loop::ending() {
    const std::lock_guard lock{mutex_};
    return ending_;
}

// When the next is due.
steady_time loop::call_those_ready() {
    const std::lock_guard lock{running_};
    due_ = steady_time::min();
    std::array<epoll_event, events_at_once> events{};
    const int count = ::epoll_wait(watched_, events.data(), events.size(), 0);
    bool stopping = false;
    for (int i = 0; i < count; ++i) {
        void* const of = events.at(static_cast<std::size_t>(i)).data.ptr;
        if (of == &stop_fd_)
            stopping = true;
        else if (of != nullptr)
            static_cast<member::slot*>(of)->ready = true;
    }
    changed_.clear();
    if (stopping) watch(-1, stop_fd_, nothing, nullptr);

    std::vector<std::shared_ptr<member::slot>> slots;
    {
        const std::lock_guard list{mutex_};
        slots = slots_;
    }
    const auto now = std::chrono::steady_clock::now();
    steady_time due = steady_time::max();
    for (const auto& slot : slots) {
        if (std::exchange(slot->ready, false) || slot->woken || stopping || slot->next.due <= now)
            call(*slot);
        due = std::min(due, slot->next.due);
    }
    return due_ = due;
}

void loop::run() {
    steady_time due = steady_time::max();
    while (!ending()) {
        std::array<pollfd, 1> watched{{{watched_, POLLIN, 0}}};
        poll_until(watched, due);
        due = call_those_ready();
    }
}

}  // namespace ferry
