#include "devices/proxy.hpp"

#include <algorithm>
#include <utility>

#include "core/context_parts.hpp"
#include "core/envelope.hpp"
#include "core/request_id.hpp"
#include "core/socket.hpp"
#include "core/ticket.hpp"
#include "core/uninterrupted.hpp"
#include "ferry/error.hpp"

namespace ferry {
namespace {

// Long enough that the poll between bursts costs little, short enough that the other side is not kept
// waiting.
constexpr unsigned burst_messages = 256;

// A worker answers an offer within a millisecond. One without an answer for so long went with its worker:
// libzmq may put it into a pipe whose other end is gone, after the monitor has told of that.
constexpr std::chrono::milliseconds offer_lost_after{100};

zmq::socket_t make(context& context, zmq::socket_type type, const socket_options& options) {
    zmq::socket_t made{context.internals().zmq, type};
    apply(made, options);
    // A reply to a requester that is gone is told, so that it can be counted.
    if (type == zmq::socket_type::router) made.set(zmq::sockopt::router_mandatory, true);
    return made;
}

std::size_t delimiter(const std::vector<frame>& frames) {
    const auto found =
        std::find_if(frames.begin(), frames.end(), [](const frame& each) { return each.empty(); });
    return static_cast<std::size_t>(found - frames.begin());
}

}  // namespace

proxy::proxy(ferry::context& context, kinds chosen, const ferry::endpoints& front,
             const ferry::endpoints& back, device_options options)
    : context_{context},
      kinds_{chosen},
      options_{std::move(options)},
      front_{make(context, chosen.front, options_.socket)},
      back_{make(context, chosen.back, options_.socket)} {
    if (front.size() == 0 || back.size() == 0) throw error{errc::bad_argument, "no endpoint given"};
    workers_.emplace(context.internals().zmq, back_);
    back_tells_peers_ = std::any_of(back.begin(), back.end(), [](const endpoint& each) {
        return each.at == side::connect && !each.address.starts_with("inproc://");
    });
    const auto keep = [this](const std::vector<std::string>& more) {
        bound_.insert(bound_.end(), more.begin(), more.end());
    };
    keep(attach(front_, front));
    keep(attach(back_, back));
    if (options_.capture.empty()) return;
    capture_.emplace(make(context, zmq::socket_type::pub, options_.socket));
    capture_->set(zmq::sockopt::xpub_nodrop, true);  // or nobody could count what its subscribers miss
    keep(attach(*capture_, options_.capture));
}

void proxy::stop() noexcept {
    {
        const std::lock_guard lock{mutex_};
        stop_ = true;
    }
    orders_.set();
}

void proxy::pause() {
    std::unique_lock lock{mutex_};
    pause_ = true;
    orders_.set();
    heard_.wait(lock, [this] { return paused_ || !running_ || !pause_; });
}

void proxy::resume() {
    const std::lock_guard lock{mutex_};
    pause_ = false;
    orders_.set();
}

device_stats proxy::stats() const {
    return {messages_down_, bytes_down_, messages_up_, bytes_up_, dropped_, refused_, captured_, uncaptured_};
}

// False when told to stop.
bool proxy::obey_orders() {
    orders_.clear();
    const std::lock_guard lock{mutex_};
    paused_ = pause_;
    heard_.notify_all();
    return !stop_ && !context_.stopped();
}

void proxy::run() {
    {
        const std::lock_guard lock{mutex_};
        running_ = true;
    }
    struct leaving {
        proxy& self;
        ~leaving() {
            const std::lock_guard lock{self.mutex_};
            self.running_ = self.paused_ = false;
            self.heard_.notify_all();
        }
    } const at_end{*this};
    // The first round looks at everything; each wait tells what the next one need look at.
    for (readiness ready{true, true, true}; !ready.orders || obey_orders(); ready = wait()) {
        if (paused_) continue;
        if (!kinds_.one_way && (ready.back || !up_.held.empty())) pass(up_);
        if (ready.front || !down_.held.empty()) pass(down_);
    }
    dropped_ += down_.held.size() + up_.held.size();
}

proxy::readiness proxy::wait() {
    const auto wanted = [this](const way& in, const way& out) {
        if (paused_) return short{0};
        const bool blocked =
            !in.held.empty() && (!kinds_.to_workers || &in != &down_ || in.held.size() >= options_.held_max);
        const bool never = kinds_.one_way && &in == &up_;
        return static_cast<short>((blocked || never ? 0 : ZMQ_POLLIN) | (out.held.empty() ? 0 : ZMQ_POLLOUT));
    };
    // A DEALER has room for requests that wait for a worker: its word or the monitor's ends their wait. Only
    // over inproc, where the monitor tells nothing, room is the sign that somebody came.
    const bool awaits_worker = kinds_.to_workers && !down_.held.empty() && !can_hand_out();
    const bool room_tells = !back_tells_peers_ && !worker_there();
    std::array<zmq_pollitem_t, 5> items{{{front_.handle(), 0, wanted(down_, up_), 0},
                                         {back_.handle(), 0, wanted(up_, down_), 0},
                                         {nullptr, workers_->descriptor(), ZMQ_POLLIN, 0},
                                         {nullptr, orders_.fd(), ZMQ_POLLIN, 0},
                                         {nullptr, context_.internals().stop.fd(), ZMQ_POLLIN, 0}}};
    if (awaits_worker && !room_tells) items[1].events &= static_cast<short>(~ZMQ_POLLOUT);
    const bool awaits_answer = awaits_worker && ledger_.offers() > 0;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(offered_at_ + offer_lost_after -
                                                                   std::chrono::steady_clock::now());
    zmq_poll(items.data(), static_cast<int>(items.size()),
             awaits_answer ? std::max<long>(left.count(), 0) : -1);
    if (items[2].revents != 0) workers_changed();
    if (awaits_answer && std::chrono::steady_clock::now() >= offered_at_ + offer_lost_after) ledger_.forget();
    return {.front = items[0].revents != 0,
            .back = items[1].revents != 0,
            .orders = items[3].revents != 0 || items[4].revents != 0};
}

bool proxy::receive(zmq::socket_t& from, std::vector<frame>& frames) {
    std::size_t used = 0;
    for (bool more = true; more; ++used) {
        if (used == frames.size()) frames.emplace_back();
        auto* m = static_cast<zmq_msg_t*>(frames[used].native());
        int received = -1;
        do received = zmq_msg_recv(m, from.handle(), ZMQ_DONTWAIT);
        while (received < 0 && zmq_errno() == EINTR);
        if (received < 0) {
            if (zmq_errno() == EAGAIN) {
                // A libzmq XPUB keeps the parts of a message for us, but for those that are subscriptions it
                // knows already: the last part may be missing. What a peer sends is no failure of ours.
                if (used > 0) ++dropped_;
                return false;
            }
            throw error{errc::failed, std::string{"a device cannot receive: "} + zmq_strerror(zmq_errno())};
        }
        more = zmq_msg_more(m) != 0;
    }
    frames.resize(used);
    return true;
}

proxy::sent proxy::send(zmq::socket_t& to, std::vector<frame>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const int flags = ZMQ_DONTWAIT | (i + 1 == frames.size() ? 0 : ZMQ_SNDMORE);
        int gone = -1;
        do gone = zmq_msg_send(static_cast<zmq_msg_t*>(frames[i].native()), to.handle(), flags);
        while (gone < 0 && zmq_errno() == EINTR);
        if (gone >= 0) continue;
        if (i == 0 && zmq_errno() == EAGAIN) return sent::no_room;
        if (zmq_errno() == EHOSTUNREACH || zmq_errno() == EINVAL) return sent::nobody;
        throw error{errc::failed, std::string{"a device cannot send: "} + zmq_strerror(zmq_errno())};
    }
    return sent::yes;
}

void proxy::capture(std::vector<frame>& frames) {
    std::vector<frame> copy{frames};
    ++(send(*capture_, copy) == sent::yes ? captured_ : uncaptured_);
}

bool proxy::worker_there() {
    if (back_tells_peers_) return workers_->peers() > 0;
    return workers_->peers() > 0 || (events_of(back_) & ZMQ_POLLOUT) != 0;
}

bool proxy::can_hand_out() {
    return worker_there() && ledger_.may_hand_out(workers_->peers());
}

// A connection to BACK came or went.
void proxy::workers_changed() {
    if (!workers_->read() || !kinds_.to_workers) return;
    if (!workers_->take_ended().empty()) ledger_.forget();
    if (!worker_there()) std::erase_if(down_.held, [this](const auto& request) { return refuse(request); });
}

// A ticket holds the ledger's era and the requester's routing id: by it a reply is told from what workers say
// of themselves.
proxy::sent proxy::hand_out(std::vector<frame>& request) {
    const ticket_kind kind = ledger_.hand_out(workers_->peers());
    std::string holder{ledger_.era()};
    holder += request.front().view();
    frame requester = std::exchange(request.front(), frame{make_ticket(kind, holder)});
    const sent how = send(back_, request);
    if (how != sent::yes) {
        ledger_.not_sent(kind);
        request.front() = std::move(requester);
    } else if (kind == ticket_kind::offer) {
        offered_at_ = std::chrono::steady_clock::now();
    }
    return how;
}

// True when it is a reply, ready to go to its requester.
bool proxy::hear_worker(std::vector<frame>& frames) {
    const auto said = read_ticket(frames.front().view());
    const auto inner = frames.size() < 3 ? std::nullopt : read_ticket(frames[1].view());
    const auto requests = [](const std::optional<ticket>& each) {
        return each && (each->kind == ticket_kind::request || each->kind == ticket_kind::offer) &&
               !each->requester.empty();
    };
    if (requests(said) && frames.size() > 1) {
        ledger_.answered(said->kind, said->requester.front());
        frames.front() = frame{said->requester.substr(1)};
        return true;
    }
    if (said && said->kind == ticket_kind::given_back && requests(inner)) {
        ledger_.given_back(said->worker, inner->kind, inner->requester.front());
        frame requester{inner->requester.substr(1)};
        frames.erase(frames.begin());
        frames.front() = std::move(requester);
        down_.held.push_front(std::exchange(frames, {}));
    } else if (said && said->kind == ticket_kind::taken && frames.size() == 1) {
        ledger_.taken(said->worker, said->free);
        if (down_.held.empty()) ledger_.at_ease(said->worker);
    } else if (said && said->kind == ticket_kind::free && frames.size() == 1) {
        ledger_.is_free(said->worker, said->free, workers_->peers());
        if (down_.held.empty()) ledger_.at_ease(said->worker);
    } else {
        ++dropped_;
        if (options_.on_event)
            options_.on_event({event_kind::bad_frame, {}, 0, 0, "a reply without its ticket"});
    }
    return false;
}

// True when the request was in an envelope, whose sender understands an error reply.
bool proxy::refuse(const std::vector<frame>& request) {
    const std::size_t at = delimiter(request);
    if (at + 2 >= request.size() || !request[at + 2].view().starts_with(envelope_magic)) return false;
    message reply{""};
    reply.set_header(std::string{error_header}, std::string{no_worker_code});
    reply.set_header(std::string{reason_header}, std::string{"no worker is connected to the queue"});
    std::vector<frame> frames(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    for (frame& each : to_frames(std::move(reply), envelope_mode::full)) frames.push_back(std::move(each));
    ++refused_;
    if (send(front_, frames) != sent::yes) ++dropped_;
    return true;
}

// The message in hand goes on, is refused, held or dropped.
void proxy::forward(way& along) {
    std::uint64_t bytes = 0;
    for (const frame& each : frames_) bytes += each.size();
    if (capture_) capture(frames_);
    const bool request = kinds_.to_workers && &along == &down_;
    if (request && !worker_there() && refuse(frames_)) return;
    const bool waits = !along.held.empty() || (request && !can_hand_out());
    const sent how = waits ? sent::no_room : request ? hand_out(frames_) : send(along.to, frames_);
    // A requester that takes no replies must not hold up the others.
    const bool hopeless = how == sent::nobody || (how == sent::no_room &&
                                                  kinds_.front == zmq::socket_type::router && &along == &up_);
    if (hopeless) {
        ++dropped_;
        if (options_.on_event)
            options_.on_event({event_kind::dropped, {}, 0, 0, "the peer is gone or takes nothing"});
        return;
    }
    if (how == sent::no_room) along.held.push_back(std::exchange(frames_, {}));
    along.messages.fetch_add(1, std::memory_order_relaxed);
    along.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void proxy::flush(way& along) {
    const bool requests = kinds_.to_workers && &along == &down_;
    while (!along.held.empty()) {
        if (requests && !can_hand_out()) return;
        const sent how = requests ? hand_out(along.held.front()) : send(along.to, along.held.front());
        if (how == sent::no_room) return;
        if (how == sent::nobody) ++dropped_;
        along.held.pop_front();
    }
}

void proxy::pass(way& along) {
    // A queue without workers reads on, to refuse whom it can.
    const std::size_t held_max = kinds_.to_workers && &along == &down_ ? options_.held_max : 1;
    const bool from_workers = kinds_.to_workers && &along == &up_;
    flush(along);
    for (unsigned i = 0; i < burst_messages && along.held.size() < held_max && receive(along.from, frames_);
         ++i)
        if (!from_workers || hear_worker(frames_)) forward(along);
}

}  // namespace ferry
