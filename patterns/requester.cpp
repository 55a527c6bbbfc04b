#include "ferry/requester.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/random_id.hpp"
#include "core/request_id.hpp"
#include "core/socket.hpp"
#include "ferry/error.hpp"
#include "patterns/outgoing.hpp"

namespace ferry {
namespace {

using namespace std::chrono_literals;
constexpr duration backoff_max = 5s;

}  // namespace

// Each endpoint has a socket of its own, so that an attempt goes to one that is connected. Of the threads
// that wait for replies one leads: it reads for all and hands each reply to its request; the others follow.
struct requester::parts {
    // One request, with whoever waits for it.
    struct asking {
        asking() : end{duration{0}} {}
        asking(message what, duration timeout) : question{std::move(what)}, end{timeout} {}
        message question;
        const deadline end;
        std::string id;
        std::condition_variable changed;
        bool under_way = false;  // an attempt was made that nobody has waited for yet
        std::size_t line = 0;    // where
        bool done = false;
        answer result;
        steady_time sent_at;
    };

    parts(ferry::context& context, const ferry::endpoints& where, requester_options chosen);

    bool usable(std::size_t line);
    outcome find_line(const deadline& end, std::size_t& line);
    bool send(asking& self);
    void read_all();
    bool answered_now(const asking& self);
    void read_until_answered(const asking& self, const deadline& end);
    void take(std::vector<frame> frames);
    void complain(event_kind kind, const char* why, std::atomic<std::uint64_t>& count);
    outcome wait_for_reply(asking& self, std::optional<duration> wait);
    void lead(asking& self, const deadline& end, std::unique_lock<std::mutex>& lock);
    void pass_lead(const asking& self);
    void begin(asking& self);
    bool give_room();
    void offer_room(std::unique_lock<std::mutex> lock);
    void wake_leader();
    void send_ahead(asking& self);
    outcome attempt(asking& self);
    answer_kind run(asking& self);
    answer finish(asking& self);
    void close(asking& self, answer_kind how);

    requester_options options;
    const std::string id = random_id();
    std::atomic<std::uint64_t> asked{0}, answered{0}, refused{0}, unanswered{0}, retries{0}, late{0}, bad{0};
    std::atomic<std::size_t> preferred{0};  // the line that answered last, or the next after one that did not

    std::vector<std::unique_ptr<ferry::socket>> lines;
    std::vector<ferry::socket*> all;
    std::vector<bool> tells_peers;  // false: bound or inproc, where only room to write shows a peer
    std::vector<std::string> bound;

    std::mutex mutex;  // guards what follows, and every asking
    std::unordered_map<std::string, asking*> open;
    std::vector<asking*> followers;
    bool led = false;
    std::size_t unanswered_now = 0;
    std::deque<asking*> room_wanted;  // of no request: who waits until fewer are unanswered
};

requester::parts::parts(ferry::context& context, const ferry::endpoints& where, requester_options chosen)
    : options{std::move(chosen)} {
    if (where.size() == 0) throw error{errc::bad_argument, "no endpoint given"};
    options.socket.linger = 0ms;  // nobody waits for the answer to a request that was not sent
    for (const endpoint& each : where) {
        lines.push_back(
            std::make_unique<ferry::socket>(context, zmq::socket_type::dealer, each, options.socket));
        all.push_back(lines.back().get());
        tells_peers.push_back(each.at == side::connect && !each.address.starts_with("inproc://"));
        bound.insert(bound.end(), lines.back()->bound().begin(), lines.back()->bound().end());
    }
}

bool requester::parts::usable(std::size_t line) {
    if (tells_peers[line]) return all[line]->peers() > 0;
    bool writable = false;
    all[line]->with([&](zmq::socket_t&) { writable = all[line]->writable(); });
    return writable;
}

outcome requester::parts::find_line(const deadline& end, std::size_t& line) {
    const auto look = [&] {
        for (std::size_t i = 0; i < all.size(); ++i) {
            line = (preferred + i) % all.size();
            if (usable(line)) return true;
        }
        return false;
    };
    return ferry::socket::wait_any(all, end.left(), look);
}

bool requester::parts::send(asking& self) {
    std::vector<frame> frames;
    frames.reserve(5);
    frames.emplace_back(self.id);
    frames.emplace_back();
    const bool enveloped = self.question.sent_by().has_value();
    for (frame& each : to_frames(self.question, enveloped ? envelope_mode::full : envelope_mode::none))
        frames.push_back(std::move(each));
    {
        const std::lock_guard lock{mutex};  // a late reply to the attempt before may be read right now
        self.sent_at = std::chrono::steady_clock::now();
    }
    return all[self.line]->send(frames, duration{0}) == outcome::done;
}

void requester::parts::complain(event_kind kind, const char* why, std::atomic<std::uint64_t>& count) {
    ++count;
    if (options.on_event) options.on_event({kind, {}, 0, 0, why});
}

void requester::parts::read_all() {
    std::vector<frame> frames;
    for (ferry::socket* each : all)
        while (each->receive(frames, duration{0}) == outcome::done) take(std::exchange(frames, {}));
}

void requester::parts::take(std::vector<frame> frames) {
    if (frames.size() < 3 || !is_request_id(frames[0].view()) || !frames[1].empty())
        return complain(event_kind::bad_frame, "no request id and empty delimiter ahead of the reply", bad);
    const std::string of = frames[0].str();
    frames.erase(frames.begin(), frames.begin() + 2);
    decoded_message decoded = from_frames(frames);
    if (!decoded.good) return complain(event_kind::bad_frame, decoded.reason, bad);
    std::unique_lock lock{mutex};
    const auto found = open.find(of);
    if (found == open.end() || found->second->done) {
        lock.unlock();
        return complain(event_kind::late_reply, "a reply to a request that was given up or answered", late);
    }
    asking& self = *found->second;
    self.done = true;
    self.result.took = std::chrono::steady_clock::now() - self.sent_at;
    self.result.kind = answer_kind::answered;
    if (const auto code = decoded.content.header(error_header)) {
        self.result.kind = *code == no_worker_code ? answer_kind::no_peer : answer_kind::refused;
        self.result.reason = decoded.content.header(reason_header).value_or(*code);
    }
    self.result.content = std::move(decoded.content);
    self.changed.notify_one();
    --unanswered_now;
    offer_room(std::move(lock));
}

// Replies that nobody reads wait in queues, and repliers drop those that find these full. libzmq tells a
// sender of room in steps of half a queue. Who waits for room has not sent yet, and does not count.
bool requester::parts::give_room() {
    const int mark = options.socket.high_water_mark;
    const auto most = static_cast<std::size_t>(std::max(mark / 2, 1));
    bool given = false;
    while (!room_wanted.empty() && (mark == 0 || unanswered_now - room_wanted.size() < most)) {
        room_wanted.front()->done = true;
        room_wanted.front()->changed.notify_one();
        room_wanted.pop_front();
        given = true;
    }
    return given;
}

void requester::parts::offer_room(std::unique_lock<std::mutex> lock) {
    if (!give_room()) return;
    lock.unlock();
    wake_leader();
}

// Who reads for all sleeps at the socket: what he waits for came otherwise.
void requester::parts::wake_leader() {
    all.front()->with([&](zmq::socket_t&) { all.front()->offer(); });
}

void requester::parts::pass_lead(const asking& self) {
    for (asking* each : followers)
        if (each != &self) return each->changed.notify_one();
}

void requester::parts::lead(asking& self, const deadline& end, std::unique_lock<std::mutex>& lock) {
    led = true;
    lock.unlock();
    struct leaving {
        parts& owner;
        std::unique_lock<std::mutex>& lock;
        ~leaving() {
            lock.lock();
            owner.led = false;
        }
    } const at_end{*this, lock};
    read_until_answered(self, end);
}

bool requester::parts::answered_now(const asking& self) {
    const std::lock_guard lock{mutex};
    return self.done;
}

// One line is waited for by receiving from it, which costs a third of the system calls.
void requester::parts::read_until_answered(const asking& self, const deadline& end) {
    if (all.size() > 1) {
        static_cast<void>(ferry::socket::wait_any(all, end.left(), [&] {
            read_all();
            return answered_now(self);
        }));
        return;
    }
    std::vector<frame> frames;
    const auto over = [&] { return answered_now(self) || end.passed(); };
    while (all.front()->receive(frames, end.left(), over) == outcome::done && !frames.empty())
        take(std::exchange(frames, {}));
}

outcome requester::parts::wait_for_reply(asking& self, std::optional<duration> wait) {
    const deadline end{wait};
    std::unique_lock lock{mutex};
    struct leaving {
        parts& owner;
        const asking& self;
        // The wake-up that asked this thread to lead may have come with the end of its wait.
        ~leaving() {
            if (!owner.led) owner.pass_lead(self);
        }
    } const at_end{*this, self};
    outcome how = outcome::done;
    while (!self.done && how == outcome::done) {
        if (all.front()->stopped())
            how = outcome::stopped;
        else if (end.passed())
            how = outcome::timed_out;
        else if (led) {
            followers.push_back(&self);
            const auto left = end.left();
            if (left)
                self.changed.wait_for(lock, *left);
            else
                self.changed.wait(lock);
            std::erase(followers, &self);
        } else {
            lead(self, end, lock);
        }
    }
    return how;
}

outcome requester::parts::attempt(asking& self) {
    const outcome found = find_line(self.end, self.line);
    if (found != outcome::done) return found;
    ++self.result.attempts;
    static_cast<void>(send(self));  // no room is as good as no answer
    return outcome::done;
}

answer_kind requester::parts::run(asking& self) {
    duration pause = options.backoff;
    if (self.under_way && self.end.passed()) {
        read_all();  // what came in time and nobody read
        wake_leader();
    }
    while (true) {
        const outcome made = self.under_way ? outcome::done : attempt(self);
        if (made == outcome::stopped) return answer_kind::stopped;
        if (made == outcome::timed_out)
            return self.result.attempts == 0 ? answer_kind::no_peer : answer_kind::timed_out;
        self.under_way = false;
        const bool last = self.result.attempts >= options.attempts;
        const unsigned shares = last ? 1 : options.attempts - self.result.attempts + 1;
        outcome how = wait_for_reply(self, *self.end.left() / shares);
        if (how == outcome::stopped) return answer_kind::stopped;
        if (how == outcome::timed_out) preferred = (self.line + 1) % all.size();
        if (how == outcome::done && (self.result.kind != answer_kind::no_peer || last))
            return self.result.kind;
        if (last || self.end.passed())
            return how == outcome::done ? answer_kind::no_peer : answer_kind::timed_out;
        if (const std::lock_guard lock{mutex}; self.done) {
            if (self.result.kind != answer_kind::no_peer) return self.result.kind;  // it came just now
            self.done = false;  // a queue without workers may have one by the next attempt
            ++unanswered_now;
        }
        how = wait_for_reply(self, std::min(pause, *self.end.left()));
        if (how == outcome::stopped) return answer_kind::stopped;
        if (how == outcome::done && self.result.kind != answer_kind::no_peer) return self.result.kind;
        pause = std::min(pause * 2, backoff_max);
        ++retries;
    }
}

void requester::parts::begin(asking& self) {
    message& question = self.question;
    if (goes_enveloped(question, options.envelope)) question.set_sent_by({id, 1, 0, read_clocks().wall_ns});
    self.id = make_request_id(id, ++asked);
    const std::lock_guard lock{mutex};
    open.emplace(self.id, &self);
    ++unanswered_now;
}

void requester::parts::send_ahead(asking& self) {
    asking room;
    struct leaving {
        parts& owner;
        asking& room;
        ~leaving() {
            const std::lock_guard lock{owner.mutex};
            std::erase(owner.room_wanted, &room);
        }
    } const at_end{*this, room};
    {
        const std::lock_guard lock{mutex};
        room_wanted.push_back(&room);
        give_room();
    }
    const outcome how = wait_for_reply(room, self.end.left());
    const bool ready = how == outcome::done && find_line(deadline{duration{0}}, self.line) == outcome::done;
    if (!ready || !send(self)) return;
    ++self.result.attempts;
    self.under_way = true;
}

void requester::parts::close(asking& self, answer_kind how) {
    std::unique_lock lock{mutex};
    open.erase(self.id);
    if (!self.done) --unanswered_now;
    self.result.kind = how;
    if (how == answer_kind::answered)
        ++answered;
    else if (how == answer_kind::refused)
        ++refused;
    else
        ++unanswered;
    offer_room(std::move(lock));
}

answer requester::parts::finish(asking& self) {
    {
        struct closing {
            parts& owner;
            asking& self;
            answer_kind how = answer_kind::timed_out;
            ~closing() { owner.close(self, how); }
        } at_end{*this, self};
        at_end.how = run(self);
    }
    return std::move(self.result);  // a reply that comes now is late
}

requester::requester(ferry::context& context, const ferry::endpoints& where, requester_options options) {
    check_option("timeout", options.timeout, std::chrono::milliseconds{1}, std::chrono::milliseconds{24h},
                 "1 ms to 24 h");
    check_option("attempts", options.attempts, 1u, 100u, "1 to 100");
    check_option("backoff", options.backoff, 0ms, std::chrono::milliseconds{1h}, "0 to 1 h");
    parts_ = std::make_unique<parts>(context, where, std::move(options));
}
requester::~requester() = default;
requester::requester(requester&&) noexcept = default;
requester& requester::operator=(requester&&) noexcept = default;

std::optional<message> requester::request(message question) {
    answer result = ask(std::move(question));
    if (result.kind != answer_kind::answered) return std::nullopt;
    return std::move(result.content);
}

answer requester::ask(message question, std::optional<std::chrono::milliseconds> timeout) {
    parts::asking self{std::move(question), timeout.value_or(parts_->options.timeout)};
    parts_->begin(self);
    return parts_->finish(self);
}

struct pending_answer::parts {
    requester::parts& of;
    requester::parts::asking self;
    bool open = true;
};

pending_answer requester::send(message question, std::optional<std::chrono::milliseconds> timeout) {
    std::unique_ptr<pending_answer::parts> made{
        new pending_answer::parts{*parts_, {std::move(question), timeout.value_or(parts_->options.timeout)}}};
    parts_->begin(made->self);
    pending_answer pending{std::move(made)};
    parts_->send_ahead(pending.parts_->self);
    return pending;
}

pending_answer::pending_answer(std::unique_ptr<parts> of) : parts_{std::move(of)} {}
pending_answer::pending_answer(pending_answer&&) noexcept = default;
pending_answer& pending_answer::operator=(pending_answer&& other) noexcept {
    const pending_answer gone{std::move(*this)};
    parts_ = std::move(other.parts_);
    return *this;
}
pending_answer::~pending_answer() {
    if (parts_ && parts_->open) parts_->of.close(parts_->self, answer_kind::timed_out);
}

answer pending_answer::wait() {
    if (!parts_ || !parts_->open) throw error{errc::bad_argument, "an answer is waited for once"};
    parts_->open = false;
    return parts_->of.finish(parts_->self);
}

bool requester::connected() {
    for (std::size_t i = 0; i < parts_->all.size(); ++i)
        if (parts_->usable(i)) return true;
    return false;
}

outcome requester::wait_for_peer(std::optional<duration> wait) {
    return ferry::socket::wait_any(parts_->all, wait, [this] { return connected(); });
}

const std::vector<std::string>& requester::endpoints() const noexcept {
    return parts_->bound;
}

requester_stats requester::stats() const {
    return {parts_->asked,   parts_->answered, parts_->refused, parts_->unanswered,
            parts_->retries, parts_->late,     parts_->bad};
}

}  // namespace ferry
