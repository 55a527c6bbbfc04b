#include "core/spool_link.hpp"

#include <algorithm>

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t hello_every_ns = 200'000'000;
constexpr std::uint64_t silent_ns = 3 * ping_interval_ns;
// While somebody waits for an answer a restarted spool is noticed by its ERROR(no-session) to a PING.
constexpr std::uint64_t ping_while_waiting_ns = 200'000'000;

}  // namespace

void spool_link::drop() noexcept {
    up_ = false;
    greeted_ns_ = 0;
    ping_every_ns_ = 0;
}

spool_link::change spool_link::frame(std::string_view head, instant now) {
    heard_ns_ = now.monotonic_ns;
    const auto what = kind_of(head);
    ++received_;
    if (!what) return change::none;
    if (*what == kind::welcome) {
        received_ = 0;
        welcome message;
        if (up_ || !decode(head, message)) return change::none;
        incarnation_ = message.incarnation;
        if (const auto found = message.limits.find("message_bytes_max"); found != message.limits.end())
            if (const auto* limit = std::get_if<std::int64_t>(&found->second))
                message_bytes_max_ = static_cast<std::uint64_t>(*limit);
        up_ = true;
        pinged_ns_ = now.monotonic_ns;
        return change::up;
    }
    if (*what == kind::pong) {
        pong message;
        if (!decode(head, message) || !up_) return change::none;
        last_pong_ = message.token;
        if (message.incarnation == incarnation_ && message.frames < received_) return change::none;
        drop();
        return change::lost;
    }
    if (*what == kind::error) {
        protocol::error message;
        if (!decode(head, message) || message.code != code::no_session) return change::not_mine;
        if (!up_) return change::none;
        drop();
        return change::lost;
    }
    return up_ ? change::not_mine : change::none;
}

spool_link::change spool_link::tick(instant now, bool waiting, std::vector<outgoing_message>& out) {
    change result = change::none;
    if (up_ && now.monotonic_ns >= heard_ns_ + silent_ns) {
        drop();
        result = change::lost;
    }
    if (!up_) {
        if (greeted_ns_ != 0 && now.monotonic_ns < greeted_ns_ + hello_every_ns) return result;
        greeted_ns_ = now.monotonic_ns;
        out.push_back({encode(hello{version, client_, opened_in_}), std::nullopt});
        return result;
    }
    if (now.monotonic_ns >= ping_due_ns(waiting)) {
        pinged_ns_ = now.monotonic_ns;
        out.push_back({encode(ping{now.monotonic_ns}), std::nullopt});
    }
    return result;
}

std::vector<outgoing_message> spool_link::counted(std::vector<outgoing_message>&& out) {
    for (outgoing_message& each : out) {
        const auto what = kind_of(each.head);
        ping told;
        if (what == kind::ping && decode(each.head, told)) each.head = encode(ping{told.token, sent_});
        sent_ = what == kind::hello ? 0 : sent_ + 1;
    }
    return std::move(out);
}

std::uint64_t spool_link::next_due_ns(bool waiting) const {
    if (!up_) return greeted_ns_ == 0 ? 0 : greeted_ns_ + hello_every_ns;
    return std::min(ping_due_ns(waiting), heard_ns_ + silent_ns);
}

std::uint64_t spool_link::ping_due_ns(bool waiting) const {
    const std::uint64_t due = pinged_ns_ + (ping_every_ns_ == 0 ? ping_interval_ns : ping_every_ns_);
    return waiting ? std::min(due, std::max(heard_ns_, pinged_ns_) + ping_while_waiting_ns) : due;
}

}  // namespace ferry
