#include "ferry/replier.hpp"

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "core/deadline.hpp"
#include "core/envelope.hpp"
#include "core/random_id.hpp"
#include "core/request_id.hpp"
#include "core/socket.hpp"
#include "patterns/outgoing.hpp"
#include "patterns/porter.hpp"
#include "patterns/remembered_replies.hpp"

namespace ferry {
namespace {

using namespace std::chrono_literals;
constexpr duration room_wait = 1s;

// Where the content starts: behind the empty delimiter. A DEALER may leave that out: then it starts behind
// the routing id. An empty frame at the very end is a body, for a request has one.
std::size_t content_begin(const std::vector<frame>& frames) {
    for (std::size_t i = 1; i + 1 < frames.size(); ++i)
        if (frames[i].empty()) return i + 1;
    return 1;
}

}  // namespace

struct request::parts {
    message content;
    std::vector<frame> route;  // all frames ahead of the content
    std::string id;            // empty: not from a ferry requester
};

request::request(std::unique_ptr<parts> made) : parts_{std::move(made)} {}
request::request(request&&) noexcept = default;
request& request::operator=(request&&) noexcept = default;
request::~request() = default;
const message& request::content() const noexcept {
    return parts_->content;
}

struct replier::parts {
    parts(ferry::context& context, const ferry::endpoints& where, replier_options chosen)
        : options{std::move(chosen)},
          recent{options.remembered, options.remembered_bytes},
          socket{context, zmq::socket_type::router, where, options.socket,
                 [](zmq::socket_t& made) { made.set(zmq::sockopt::router_mandatory, true); }} {}

    std::unique_ptr<request::parts> take(std::vector<frame> frames);
    outcome send(std::vector<frame> route, std::vector<frame> content);
    outcome answer(request::parts& asked, message reply);
    outcome refuse(request::parts& asked, std::string_view code, std::string_view reason);
    void work(replier& self, const handler& handle);

    replier_options options;
    const std::string id = random_id();
    std::atomic<std::uint64_t> requests{0}, replies{0}, failures{0}, repeats{0}, bad{0}, dropped{0};
    std::mutex mutex;  // guards recent
    remembered_replies recent;
    ferry::socket socket;
    porter door{socket, id, [this](std::string_view asked) {
                    const std::lock_guard lock{mutex};
                    return recent.knows(asked);
                }};
};

std::unique_ptr<request::parts> replier::parts::take(std::vector<frame> frames) {
    if (frames.size() < 2) {
        ++bad;
        if (options.on_event) options.on_event({event_kind::bad_frame, {}, 0, 0, "a request without a body"});
        return nullptr;
    }
    const auto begin = frames.begin() + static_cast<std::ptrdiff_t>(content_begin(frames));
    auto asked = std::make_unique<request::parts>();
    asked->route.assign(std::make_move_iterator(frames.begin()), std::make_move_iterator(begin));
    frames.erase(frames.begin(), begin);
    decoded_message decoded = from_frames(frames);
    if (!decoded.good) {
        ++bad;
        if (options.on_event) options.on_event({event_kind::bad_frame, {}, 0, 0, decoded.reason});
        return nullptr;
    }
    asked->content = std::move(decoded.content);
    if (asked->route.size() < 3) return asked;
    const std::string_view named = asked->route[asked->route.size() - 2].view();
    if (!is_request_id(named)) return asked;
    asked->id = named;
    std::unique_lock lock{mutex};
    remembered_replies::verdict seen = recent.begin(asked->id);
    lock.unlock();
    if (!seen.again) return asked;
    ++repeats;
    if (seen.reply) send(std::move(asked->route), std::move(*seen.reply));
    return nullptr;
}

outcome replier::parts::send(std::vector<frame> route, std::vector<frame> content) {
    route.insert(route.end(), std::make_move_iterator(content.begin()),
                 std::make_move_iterator(content.end()));
    outcome how = outcome::timed_out;
    try {
        how = socket.send(route, room_wait);
    } catch (const error& gone) {
        if (gone.kind() != errc::no_peer) throw;
    }
    ++(how == outcome::done ? replies : dropped);
    if (how != outcome::done && options.on_event)
        options.on_event({event_kind::dropped, {}, 0, 0, "a reply whose requester is gone or takes nothing"});
    return how;
}

outcome replier::parts::answer(request::parts& asked, message reply) {
    const bool enveloped = goes_enveloped(reply, options.envelope);
    if (enveloped) reply.set_sent_by({id, 1, 0, read_clocks().wall_ns});
    std::vector<frame> content =
        to_frames(std::move(reply), enveloped ? envelope_mode::full : envelope_mode::none);
    if (!asked.id.empty()) {
        const std::lock_guard lock{mutex};
        recent.finish(asked.id, content);
    }
    return send(std::move(asked.route), std::move(content));
}

outcome replier::parts::refuse(request::parts& asked, std::string_view code, std::string_view reason) {
    message reply{""};
    // A peer that has shown it knows ferry understands the header; another would take it for content.
    if (!asked.id.empty() || asked.content.sent_by()) {
        reply.set_header(std::string{error_header}, std::string{code});
        reply.set_header(std::string{reason_header}, std::string{reason});
        reply.set_sent_by({id, 1, 0, read_clocks().wall_ns});
    }
    const envelope_mode mode = reply.sent_by() ? envelope_mode::full : envelope_mode::none;
    std::vector<frame> content = to_frames(std::move(reply), mode);
    if (!asked.id.empty()) {
        const std::lock_guard lock{mutex};
        recent.finish(asked.id, content);
    }
    return send(std::move(asked.route), std::move(content));
}

void replier::parts::work(replier& self, const handler& handle) {
    while (auto asked = self.receive()) {
        std::string failure;
        try {
            message reply = handle(asked->content());
            goes_enveloped(reply, options.envelope);
            answer(*asked->parts_, std::move(reply));
            continue;
        } catch (const std::exception& thrown) {
            failure = thrown.what();
        } catch (...) {
            failure = "the handler threw what is no exception";
        }
        ++failures;
        if (options.on_event) options.on_event({event_kind::failed, {}, 0, 0, failure});
        refuse(*asked->parts_, "failed", failure);
    }
}

replier::replier(ferry::context& context, const ferry::endpoints& where, replier_options options) {
    check_option("workers", options.workers, 1u, 1000u, "1 to 1000");
    parts_ = std::make_unique<parts>(context, where, std::move(options));
}
replier::~replier() = default;
replier::replier(replier&&) noexcept = default;
replier& replier::operator=(replier&&) noexcept = default;

void replier::serve(const handler& handle) {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < parts_->options.workers; ++i)
        others.emplace_back([&] { parts_->work(*this, handle); });
    parts_->work(*this, handle);
}

std::optional<request> replier::receive(std::optional<duration> wait) {
    const deadline end{wait};
    std::vector<frame> frames;
    while (parts_->door.receive(frames, end.left()) == outcome::done)
        if (auto asked = parts_->take(std::exchange(frames, {}))) {
            ++parts_->requests;
            return request{std::move(asked)};
        }
    return std::nullopt;
}

outcome replier::reply(request request, message answer) {
    return parts_->answer(*request.parts_, std::move(answer));
}

outcome replier::refuse(request request, std::string_view code, std::string_view reason) {
    return parts_->refuse(*request.parts_, code, reason);
}

void replier::stop() noexcept {
    parts_->socket.stop();
}

bool replier::connected() {
    return parts_->socket.peers() > 0;
}

outcome replier::wait_for_peer(std::optional<duration> wait) {
    return parts_->socket.wait_for_peer(wait);
}

const std::vector<std::string>& replier::endpoints() const noexcept {
    return parts_->socket.bound();
}

replier_stats replier::stats() const {
    return {parts_->requests, parts_->replies, parts_->failures,         parts_->repeats,
            parts_->bad,      parts_->dropped, parts_->door.given_back()};
}

}  // namespace ferry
