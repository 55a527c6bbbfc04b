#include "devices/spool/brain.hpp"

#include <algorithm>

#include "devices/spool/request_options.hpp"
#include "devices/spool/start_place.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t silent_ns = 3 * ping_interval_ns;
constexpr std::uint64_t retry_after_ns = 10'000'000;
constexpr std::size_t unsent_max = 4096;
constexpr std::size_t sessions_max = 65'536;
constexpr std::uint64_t item_bytes_min = 2;  // of a batch
constexpr std::uint64_t never = ~std::uint64_t{0};

}  // namespace

brain::brain(const brain_options& options, spool_state recovered, instant now)
    : parts_{options, std::move(recovered)},
      times_{parts_},
      depot_{parts_},
      retention_{parts_, times_},
      intake_{parts_, depot_, retention_},
      dispatcher_{parts_},
      settlement_{parts_},
      commits_{parts_, depot_, retention_, settlement_},
      claims_{parts_, settlement_},
      succession_{parts_, settlement_},
      timetable_{parts_},
      dead_letters_{parts_},
      administration_{parts_, settlement_, dead_letters_},
      cleaner_{parts_} {
    parts_.now = parts_.opened = now;
    settle_restart();
}

// Offsets that damage took are not used again: somebody was told them, or has seen what they held. Where it
// is not known whose they were, there were as many at most as fit into the bad bytes.
void brain::use_up_lost(stream& of, const std::vector<log::damage>& damages) {
    std::uint64_t nameless = 0;
    for (const log::damage& each : damages) {
        if (each.torn_tail) continue;
        if (each.stream == of.number)
            of.use_up(each.first_offset + each.count);
        else if (each.stream == 0 && each.to > each.from)
            nameless += (each.to - each.from) / item_bytes_min;
    }
    if (nameless > 0) of.use_up(of.next + nameless);
}

// After an unclean stop somebody may have seen what lies below the delivered marks, and offsets below the
// told marks: the first comes back flagged, the second are not used again.
void brain::settle_restart() {
    parts_.state.replayed();
    const bool clean = parts_.state.stopped_before(parts_.options.incarnation);
    for (const log::damage& each : parts_.options.damages)
        if (!each.torn_tail) parts_.state.use_up_number(each.stream);
    for (auto& [number, each] : parts_.state.streams()) {
        use_up_lost(each, parts_.options.damages);
        const std::uint64_t stored_end = each.next;
        if (!clean) each.use_up(each.told_mark);
        stream_run& run = parts_.stream_runs[number];
        run.visible = each.next;
        run.told_durable = run.told_asked = each.told_mark;
        run.released = 0;
        run.due_durable_ms = each.lanes.due_mark_ms();
        each.lanes.come_due(parts_.steady_wall_ms());
        parts_.touched.insert(number);
        for (auto& [group_number, whose] : each.groups)
            parts_.group_runs[{number, group_number}].mark_durable = whose.delivered_mark();
        claims_.open(each, stored_end, clean);
        for (auto& [group_number, whose] : each.groups) parts_.file(each, whose);
    }
}

void brain::bad_frame(session& from) {
    ++parts_.counters.frames_bad;
    parts_.send_error(from.number, 0, code::bad_frame, "a frame that is not ferry-spool/1");
}

template <typename Message, typename Handler>
void brain::decoded(session& from, std::string_view head, Handler handler) {
    Message message;
    if (decode(head, message))
        handler(message);
    else
        bad_frame(from);
}

// A request that names a place by its time waits until the place is found. Its session may be gone by then,
// or have said HELLO again: then nobody waits for it any more.
template <typename Request, typename Handler>
void brain::with_place(session& from, const std::string& stream_name, header_map Request::*options,
                       Request request, Handler handler) {
    (request.*options).erase(std::string{found_option});
    const auto wall_ns = start_wall_ns(request.*options, parts_.now);
    const stream* in = wall_ns ? parts_.state.find(stream_name) : nullptr;
    if (in == nullptr) return handler(from, request);
    const auto found = [this, options, number = from.number, greetings = from.greetings,
                        request = std::move(request), handler](std::uint64_t offset, std::uint64_t) mutable {
        session* asked = parts_.find_session(number);
        if (asked == nullptr || asked->greetings != greetings) return;
        (request.*options).insert_or_assign(std::string{found_option}, static_cast<std::int64_t>(offset));
        handler(*asked, request);
    };
    times_.find(*in, *wall_ns, found);
}

void brain::hello(session& from, const protocol::hello& request) {
    if (request.version < version)
        return parts_.send_error(from.number, 0, code::unsupported, "this spool speaks ferry-spool/1");
    // Channels belong to one greeting: a client that says HELLO again has lost what it had.
    close_channels(from);
    from.client = request.client.substr(0, 256);
    from.last_incarnation = request.last_incarnation;
    ++from.greetings;
    from.greeted = true;
    from.frames_heard = 0;
    parts_.send(
        from.number,
        encode(welcome{version,
                       parts_.options.incarnation,
                       {{"message_bytes_max", static_cast<std::int64_t>(parts_.options.message_bytes_max)},
                        {"frame_bytes_max", static_cast<std::int64_t>(batch_bytes_max)},
                        {"ping_ms", static_cast<std::int64_t>(ping_interval_ns / 1'000'000)}}}));
}

void brain::handle(session& from, kind what, std::string_view head, const shared_bytes& body) {
    switch (what) {
        case kind::open:
            return decoded<protocol::open>(from, head, [&](auto& m) { intake_.open(from, m); });
        case kind::put:
            return decoded<protocol::put>(from, head, [&](auto& m) { intake_.put(from, m, body); });
        case kind::part:
            return decoded<protocol::part>(from, head, [&](auto& m) { intake_.part(from, m, body); });
        case kind::join:
            return decoded<protocol::join>(from, head, [&](auto& m) {
                with_place(
                    from, m.stream, &protocol::join::options, m,
                    [this](session& s, const auto& request) { settlement_.join(s, request, claims_); });
            });
        case kind::leave:
            return decoded<protocol::leave>(from, head, [&](auto& m) { settlement_.leave(from, m); });
        case kind::credit:
            return decoded<protocol::credit>(from, head, [&](auto& m) { settlement_.credit(from, m); });
        case kind::ack:
            return decoded<protocol::ack>(from, head, [&](auto& m) { settlement_.ack(from, m); });
        case kind::nack:
            return decoded<protocol::nack>(from, head, [&](auto& m) { settlement_.nack(from, m); });
        case kind::release:
            return decoded<protocol::release>(from, head, [&](auto& m) { settlement_.release(from, m); });
        case kind::dead:
            return decoded<protocol::dead>(from, head, [&](auto& m) { settlement_.dead(from, m); });
        case kind::commit:
            return decoded<protocol::commit>(from, head, [&](auto& m) { commits_.commit(from, m, body); });
        case kind::extend:
            return decoded<protocol::extend>(from, head, [&](auto& m) { settlement_.extend(from, m); });
        case kind::admin:
            return decoded<protocol::admin>(from, head, [&](auto& m) {
                with_place(from, text_of(m.arguments, "stream").value_or(""), &protocol::admin::arguments, m,
                           [this](session& s, const auto& request) { administration_.handle(s, request); });
            });
        default:
            ++parts_.counters.frames_bad;
            return parts_.send_error(from.number, 0, code::unsupported,
                                     "kind " + std::to_string(static_cast<int>(what)) + " is not supported");
    }
}

void brain::frame(std::uint64_t session_number, std::string_view user, std::string_view head,
                  std::optional<shared_bytes> body, instant now) {
    parts_.now = now;
    forget_unreachable();
    if (!parts_.sessions.contains(session_number) && parts_.sessions.size() >= sessions_max) return;
    session& from = parts_.sessions[session_number];
    from.number = session_number;
    from.user = user;
    from.heard_ns = now.monotonic_ns;
    if (std::exchange(from.mute, false))
        for (auto& [channel_number, channel] : from.takes)
            if (std::exchange(channel.mute, false)) parts_.touched.insert(channel.stream);
    silence_due_ns_ = std::min(silence_due_ns_, now.monotonic_ns + silent_ns);
    if (!from.unsent.empty()) retried_.push_back(session_number);
    const auto what = kind_of(head);
    if (from.greeted && what != kind::hello) ++from.frames_heard;
    if (!what) return bad_frame(from);
    if (*what == kind::hello) return decoded<protocol::hello>(from, head, [&](auto& m) { hello(from, m); });
    if (!from.greeted) return parts_.send_error(session_number, 0, code::no_session, "say HELLO first");
    if (*what == kind::ping)
        return decoded<protocol::ping>(from, head, [&](auto& m) { heard_ping(from, m); });
    handle(from, *what, head, body.value_or(shared_bytes{}));
}

// What did not arrive would be waited for without end; a new session begins with what both sides know.
void brain::heard_ping(session& from, const protocol::ping& message) {
    if (message.frames < from.frames_heard)
        return parts_.send(from.number, encode(pong{message.token, parts_.options.incarnation}));
    ++parts_.counters.sessions_lossy;
    from.greeted = false;
    close_channels(from);  // what was given out now would reach nobody
    parts_.send_error(from.number, 0, code::no_session, "frames of this session did not arrive");
}

void brain::forget(std::uint64_t session_number) {
    session* const gone = parts_.find_session(session_number);
    if (gone == nullptr) return;
    close_channels(*gone);
    parts_.sessions.erase(session_number);
    parts_.out.closed.push_back(session_number);
}

void brain::detached(std::uint64_t session_number, instant now) {
    parts_.now = now;
    forget(session_number);
}

// A DELIVER that reached nobody uses no attempt.
void brain::give_back(session& from, const send_action& unseen) {
    protocol::deliver undelivered;
    if (!decode(unseen.head, undelivered) || undelivered.lease == 0) return;
    protocol::release back{undelivered.channel, undelivered.lease, {}};
    for (const delivered_run& each : undelivered.runs) back.runs.push_back({each.offset, each.count});
    settlement_.release(from, back);
}

void brain::close_channels(session& of) {
    for (const send_action& each : of.unsent) give_back(of, each);
    of.unsent.clear();
    of.takes.clear();
    of.puts.clear();
}

// What else was to go there in this turn comes here, too.
void brain::unreachable(const send_action& action, instant now) {
    parts_.now = now;
    session* to = parts_.find_session(action.session);
    if (to == nullptr) return;
    give_back(*to, action);
    unreachable_.push_back(action.session);
}

void brain::forget_unreachable() {
    for (const std::uint64_t number : std::exchange(unreachable_, {})) forget(number);
}

void brain::appended(std::uint64_t ticket, instant now) {
    parts_.now = now;
    parts_.journal.appended(ticket);
}

void brain::durable(std::uint64_t ticket, instant now) {
    parts_.now = now;
    parts_.journal.durable(ticket);
}

void brain::failed(const std::string& reason, instant now) {
    parts_.now = now;
    if (read_only()) return;
    parts_.read_only_reason = reason;
    parts_.journal.fail();
    intake_.refuse_all(code::read_only, reason);
    for (auto& [number, each] : parts_.sessions)
        for (auto& [channel, take] : each.takes)
            if (take.group) parts_.send_error(number, channel, code::read_only, reason);
    for (const auto& [number, each] : parts_.state.streams()) parts_.touched.insert(number);  // readers end
}

bool brain::read_done(std::uint64_t cookie, log::read_result&& result, instant now) {
    parts_.now = now;
    if (std::ranges::any_of(result.damages, &log::damage::unreadable) &&
        rereads_.again(cookie, now.monotonic_ns))
        return false;
    rereads_.done(cookie);
    if (!times_.read_done(cookie, result) && !timetable_.read_done(cookie, result) &&
        !cleaner_.read_done(cookie, result))
        dispatcher_.read_done(cookie, std::move(result));
    return true;
}

bool brain::read_failed(std::uint64_t cookie, const std::string& reason, instant now) {
    if (rereads_.again(cookie, now.monotonic_ns)) return false;
    failed(reason, now);
    return read_done(cookie, {}, now);  // whoever asked waits no longer
}

void brain::space(std::uint64_t bytes_left) {
    // Once full, it is until there is room for the largest batch: small ones must not slip past it.
    const std::uint64_t enough = parts_.disk_full ? parts_.options.segment_bytes / 4 : 1;
    parts_.disk_full = bytes_left < enough;
    parts_.disk_bytes_left = bytes_left;
    parts_.journal.hurry_snapshots(parts_.disk_full);
}

void brain::held(log::holdings&& what, instant now) {
    parts_.now = now;
    cleaner_.held(std::move(what));
}

void brain::moved(const std::string& problem, instant now) {
    parts_.now = now;
    cleaner_.moved(problem);
}

void brain::snapshot_refused(instant now) {
    parts_.now = now;
    cleaner_.snapshot_refused();
}

void brain::unsent(send_action action) {
    session* to = parts_.find_session(action.session);
    if (to == nullptr) return;
    to->unsent.push_back(std::move(action));
    if (to->unsent.size() > unsent_max)
        return forget(to->number);  // it has not read for thousands of replies
    retry_due_ns_ = std::min(retry_due_ns_, parts_.now.monotonic_ns + retry_after_ns);
}

// A session's sends in the order they were made, behind what the socket did not take. They are counted by
// the way, and a PONG says the count.
std::vector<send_action> brain::in_order(std::vector<send_action>&& sends) {
    bool some_wait = !retried_.empty();
    for (send_action& each : sends) {
        session* to = parts_.find_session(each.session);
        if (to == nullptr) continue;
        some_wait = some_wait || !to->unsent.empty();
        const auto what = kind_of(each.head);
        pong told;
        if (what == kind::pong && decode(each.head, told))
            each.head = encode(pong{told.token, told.incarnation, to->frames_told});
        to->frames_told = what == kind::welcome ? 0 : to->frames_told + 1;
    }
    if (!some_wait) return std::move(sends);
    std::vector<send_action> ordered;
    const auto offer_again = [&](std::uint64_t number) {
        session* to = parts_.find_session(number);
        if (to == nullptr || to->unsent.empty()) return;
        for (send_action& each : std::exchange(to->unsent, {})) ordered.push_back(std::move(each));
    };
    for (const std::uint64_t number : std::exchange(retried_, {})) offer_again(number);
    for (send_action& each : sends) {
        offer_again(each.session);
        ordered.push_back(std::move(each));
    }
    return ordered;
}

void brain::tick(instant now) {
    parts_.now = now;
    parts_.journal.tick(now);
    claims_.tick();
    timetable_.tick();
    retention_.tick();
    settlement_.tick();
    intake_.tick();
    cleaner_.tick();
    rereads_.tick(now.monotonic_ns, parts_.out.reads);
    if (now.monotonic_ns >= retry_due_ns_) {
        retry_due_ns_ = never;
        for (const auto& [number, each] : parts_.sessions)
            if (!each.unsent.empty()) retried_.push_back(number);
    }
    if (now.monotonic_ns >= silence_due_ns_) forget_silent();
}

// Sessions are only ever heard later than they were: none is silent before the one heard first was.
void brain::forget_silent() {
    std::vector<std::uint64_t> silent;
    silence_due_ns_ = never;
    for (const auto& [number, each] : parts_.sessions) {
        const std::uint64_t due = each.heard_ns + silent_ns;
        if (parts_.now.monotonic_ns >= due)
            silent.push_back(number);
        else
            silence_due_ns_ = std::min(silence_due_ns_, due);
    }
    parts_.counters.sessions_silent += silent.size();
    for (const std::uint64_t number : silent) forget(number);
}

actions brain::take_actions(instant now) {
    parts_.now = now;
    forget_unreachable();
    succession_.run();  // what its leases' end makes dead letters counts among them
    dead_letters_.keep_limits();
    retention_.look_at_touched();
    intake_.take_waiting();
    timetable_.file_touched();
    dispatcher_.run();
    intake_.send_confirms();
    actions out;
    if (auto turn = parts_.journal.close_turn(now)) {
        // Below grade synced a continuation may have run at once and have something to say.
        intake_.send_confirms();
        out = std::exchange(parts_.out, {});
        out.appends.push_back(std::move(*turn));
    } else {
        out = std::exchange(parts_.out, {});
    }
    rereads_.asked(out.reads);
    out.sends = in_order(std::move(out.sends));
    return out;
}

actions brain::take_farewell() {
    intake_.send_confirms();
    return {.sends = in_order(std::exchange(parts_.out.sends, {}))};
}

std::optional<append_action> brain::stop(instant now) {
    parts_.now = now;
    return parts_.journal.last_turn(parts_.options.incarnation, now);
}

std::size_t brain::part_bytes(std::uint64_t session) const {
    const auto found = parts_.sessions.find(session);
    return found == parts_.sessions.end() ? 0 : found->second.part_bytes();
}

std::uint64_t brain::next_due_ns() const {
    const std::uint64_t due =
        std::min({succession_.next_due_ns(), parts_.journal.next_due_ns(), settlement_.next_due_ns(),
                  claims_.next_due_ns(), timetable_.next_due_ns(), dead_letters_.next_due_ns(),
                  cleaner_.next_due_ns(), retention_.next_due_ns(), rereads_.next_due_ns(),
                  intake_.next_due_ns(), retry_due_ns_, silence_due_ns_});
    // What one turn did not get through with is done in the next, at once.
    return parts_.touched.empty() && unreachable_.empty() ? due : parts_.now.monotonic_ns;
}

}  // namespace ferry
