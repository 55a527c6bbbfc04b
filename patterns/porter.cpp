#include "patterns/porter.hpp"

#include <algorithm>
#include <utility>

#include "core/deadline.hpp"
#include "core/request_id.hpp"
#include "core/thread_name.hpp"
#include "core/ticket.hpp"
#include "ferry/error.hpp"

namespace ferry {
namespace {

using std::chrono::steady_clock;

// What a full pipe to a queue did not take is told again after this long.
constexpr duration tell_again = std::chrono::milliseconds{10};

constexpr duration pace_max = std::chrono::seconds{1};

// Behind a queue a request is [the queue's routing id] [ticket] [...].
std::optional<ticket> ticket_of(const std::vector<frame>& frames) {
    if (frames.size() < 3) return std::nullopt;
    const auto found = read_ticket(frames[1].view());
    const bool asks = found && (found->kind == ticket_kind::request || found->kind == ticket_kind::offer);
    return asks ? found : std::nullopt;
}

std::string_view request_id_of(const std::vector<frame>& frames) {
    for (const frame& each : frames) {
        if (is_request_id(each.view())) return each.view();
        if (each.empty()) break;
    }
    return {};
}

}  // namespace

porter::porter(ferry::socket& door, std::string worker, std::function<bool(std::string_view)> stays)
    : door_{door}, worker_{std::move(worker)}, stays_{std::move(stays)} {}

porter::~porter() {
    watcher_.request_stop();
    door_.stop();
}

outcome porter::receive(std::vector<frame>& frames, std::optional<duration> wait) {
    if (door_.stopped()) return outcome::stopped;
    const deadline end{wait};
    visit one{frames};
    const std::function<bool()> attempt = [this, &one] { return let_in(one); };
    outcome how = door_.attempt(ZMQ_POLLIN, wait, attempt);
    while (how == outcome::done && !one.has) {
        const auto left = end.left();
        how = door_.attempt(ZMQ_POLLIN, left ? std::min(*left, tell_again) : tell_again, attempt);
        if (how == outcome::timed_out && !end.passed()) how = outcome::done;
    }
    if (one.waits) one_less_idle();
    return how;
}

// True when this visit is over, or must be repeated soon to tell what could not be told.
bool porter::let_in(visit& one) {
    if (!std::exchange(one.waits, true)) ++idle_;
    if (!kept_.empty()) {
        one.frames = std::move(kept_.front());
        kept_.pop_front();
    } else if (!door_.try_receive(one.frames)) {
        return !tell_free();
    }
    one.has = true;
    one.waits = false;
    if (watching_)
        pace_ += (std::min<duration>(steady_clock::now() - taken_at_.load(), pace_max) - pace_) / 8;
    begin(one.frames);
    one_less_idle();
    promised_ = std::min(promised_, idle_.load());
    return true;
}

void porter::one_less_idle() {
    if (watching_) taken_at_ = steady_clock::now();
    if (--idle_ > 0 || !asleep_) return;
    const std::lock_guard lock{mutex_};
    all_busy_.notify_one();
}

void porter::begin(std::vector<frame>& frames) {
    const auto asked = ticket_of(frames);
    if (!asked) return;
    if (!watching_.exchange(true)) {
        watcher_ = std::jthread{[this](const std::stop_token& stop) { watch(stop); }};
        name_thread(watcher_, "ferry porter");
    }
    if (frames[0].view() != last_queue_) {
        last_queue_ = frames[0].str();
        tell(last_queue_, make_notice(ticket_kind::free, worker_, 0));
        owed_.insert(last_queue_);
    }
    if (asked->kind == ticket_kind::offer) accept_offer(frames);
}

// What would be let in before patience ends: the idle threads' share, and what quick handlers get through.
unsigned porter::room() const {
    constexpr duration at_least = std::chrono::microseconds{1};
    return idle_ + static_cast<unsigned>(duration{patience} / std::max(pace_, at_least));
}

// The reply needs to tell nothing more: its ticket becomes a plain one.
void porter::accept_offer(std::vector<frame>& frames) {
    const std::string queue = frames[0].str();
    if (offered_ > 0) --offered_;
    tell(queue, make_notice(ticket_kind::taken, worker_, offered_));
    owed_.insert(queue);
    frames[1] = frame{make_ticket(ticket_kind::request, read_ticket(frames[1].view())->requester)};
}

// False when somebody could not be told for want of room. A queue that is gone needs no word.
bool porter::tell(const std::string& queue, std::string notice) {
    std::vector<frame> frames;
    frames.emplace_back(queue);
    frames.emplace_back(std::move(notice));
    try {
        return door_.try_send(frames);
    } catch (const error& gone) {
        if (gone.kind() != errc::no_peer) throw;
        return true;
    }
}

bool porter::tell_free() {
    if (owed_.empty()) return true;
    promised_ = idle_;
    offered_ = room();
    std::erase_if(owed_, [this](const std::string& queue) {
        return tell(queue, make_notice(ticket_kind::free, worker_, offered_));
    });
    return owed_.empty();
}

// True when it did something, or is not needed because a thread waits.
bool porter::turn_away_next() {
    if (idle_ > 0) return true;
    std::vector<frame> frames;
    if (kept_.size() >= kept_max || !door_.try_receive(frames)) return false;
    const auto asked = ticket_of(frames);
    // A program that looks in only now and then is asleep between: what it was promised waits for it.
    const bool promised = asked && asked->kind == ticket_kind::offer && promised_ > 0;
    if (promised) {
        --promised_;
        accept_offer(frames);
    }
    const std::string_view id = request_id_of(frames);
    if (!asked || promised || (!id.empty() && stays_(id)))
        kept_.push_back(std::move(frames));
    else
        turn_away(std::move(frames));
    return true;
}

void porter::turn_away(std::vector<frame> frames) {
    const std::string queue = frames[0].str();
    frames.insert(frames.begin() + 1, frame{make_ticket(ticket_kind::given_back, worker_)});
    try {
        if (!door_.try_send(frames)) {
            frames.erase(frames.begin() + 1);
            kept_.push_back(std::move(frames));
            return;
        }
    } catch (const error& gone) {
        if (gone.kind() != errc::no_peer) throw;
        return;  // and so is the way of its reply
    }
    ++given_back_;
    offered_ = 0;
    owed_.insert(queue);
}

void porter::watch(const std::stop_token& stop) try {
    std::unique_lock lock{mutex_};
    while (!stop.stop_requested() && !door_.stopped()) {
        if (idle_ > 0) {
            asleep_ = true;
            all_busy_.wait(lock, stop, [this] { return idle_ == 0; });
            asleep_ = false;
            continue;
        }
        const steady_time due = taken_at_.load() + patience;
        if (steady_clock::now() < due) {
            all_busy_.wait_until(lock, stop, due, [] { return false; });
            continue;
        }
        lock.unlock();
        door_.attempt(ZMQ_POLLIN, forever, [this] { return turn_away_next(); });
        lock.lock();
    }
} catch (const error&) {
    // A socket that fails here fails in `receive` too, where somebody is told.
}

}  // namespace ferry
