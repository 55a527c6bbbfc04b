#include "devices/spool/intake.hpp"

#include <algorithm>
#include <array>

#include "devices/spool/request_options.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t patience_ns = 100'000'000;  // of a batch of which less than half fits
constexpr std::uint64_t expiry_every_ns = 3600ULL * 1'000'000'000;
constexpr std::uint64_t producer_kept_ns = 7 * 24 * expiry_every_ns;
constexpr std::size_t smallest_window_bytes = 16 << 10;

}  // namespace

stream* intake::find_or_create(session& from, const protocol::open& request) {
    if (!good_name(request.stream)) {
        parts_.send_error(from.number, request.channel, code::bad_name,
                          "bad stream name: letters, digits, '.', '_' and '-', 1 to 128 of them");
        return nullptr;
    }
    if (stream* found = parts_.state.find(request.stream)) return found;
    if (!flag_of(request.options, "create", true)) {
        parts_.send_error(from.number, request.channel, code::no_such_stream,
                          "no stream '" + request.stream + "'");
        return nullptr;
    }
    if (!parts_.read_only_reason.empty()) {
        parts_.send_error(from.number, request.channel, code::read_only, parts_.read_only_reason);
        return nullptr;
    }
    return &depot_.find_or_create(request.stream);
}

// A client that opens again has given up what it had open for the same producer: what waits there comes
// again, and only confirms are still due.
void intake::close_others(session& from, const put_channel& opened) {
    for (auto at = from.puts.begin(); at != from.puts.end();) {
        put_channel& other = at->second;
        const bool same = other.stream == opened.stream && other.producer_id == opened.producer_id &&
                          other.epoch == opened.epoch;
        if (same) other.batches_settled += other.waiting.size();
        if (same) other.waiting.clear();
        if (same) other.parts = {};
        at = same && other.batches_settled == other.batches_received ? from.puts.erase(at) : std::next(at);
    }
}

void intake::open(session& from, const protocol::open& request) {
    if (!parts_.allowed(from, verb::publish, request.stream))
        return parts_.send_error(from.number, request.channel, code::denied,
                                 "user '" + from.user + "' may not publish to '" + request.stream + "'");
    if (!from.has_room_for(request.channel))
        return parts_.send_error(from.number, request.channel, code::full, "too many channels");
    if (request.producer_name && request.producer_name->size() > name_bytes_max)
        return parts_.send_error(from.number, request.channel, code::bad_name,
                                 "a producer's name has at most 128 bytes");
    if (request.channel == 0)
        return parts_.send_error(from.number, 0, code::bad_frame, "a channel has a number above 0");
    const auto unknown =
        unknown_option(request.options, std::array<std::string_view, 3>{"create", "grade", "dedup"});
    if (!unknown.empty())
        return parts_.send_error(from.number, request.channel, code::bad_option, unknown_text(unknown));
    if (std::string wrong = wrong_value(request.options); !wrong.empty())
        return parts_.send_error(from.number, request.channel, code::bad_option, std::move(wrong));
    const auto asked_grade = number_of(request.options, "grade");
    stream* into = find_or_create(from, request);
    if (into == nullptr) return;
    if (is_replaced(from, *into, request))
        return parts_.send_error(from.number, request.channel, code::fenced,
                                 "a newer run of this producer has taken over");
    // No answer could wait for the disk any more.
    if (!parts_.read_only_reason.empty())
        return parts_.send_error(from.number, request.channel, code::read_only, parts_.read_only_reason);

    put_channel channel;
    channel.stream = into->number;
    channel.grade = static_cast<grade>(asked_grade.value_or(into->settings.grade));
    channel.dedup = flag_of(request.options, "dedup", true);
    issue_identity(from, *into, request, channel);
    if (channel.grade != grade::synced) depot_.ask_told(*into, into->next);
    close_others(from, channel);
    from.puts.insert_or_assign(request.channel, std::move(channel));
    parts_.channels.changed();
    // Synced before OPENED: an epoch that was told must not be issued again, nor a stream be forgotten.
    const auto answer = [this, to = from.number, on = request.channel] { answer_open(to, on); };
    parts_.journal.when(grade::synced, answer);
    parts_.journal.sync_now();
}

// Who holds what was issued for its name before somebody else asked for it.
bool intake::is_replaced(const session& from, stream& into, const protocol::open& request) {
    const bool held = request.producer_id && request.producer_id->size() == 8;
    if (!request.producer_name || !held) return false;
    const producer_state* known = into.find_named_producer(from.user, *request.producer_name);
    return known != nullptr && (known->id != *request.producer_id || known->epoch > request.epoch);
}

void intake::issue_identity(session& from, stream& into, const protocol::open& request,
                            put_channel& channel) {
    producer_state* known = request.producer_name
                                ? into.find_named_producer(from.user, *request.producer_name)
                            : request.producer_id ? into.find_producer(from.user, *request.producer_id)
                                                  : nullptr;
    const bool held = request.producer_id && request.producer_id->size() == 8;
    if (known != nullptr && held && known->id == *request.producer_id && known->epoch == request.epoch) {
        channel.producer_id = known->id;  // it lost only its connection
        channel.epoch = known->epoch;
        return;
    }
    if (!request.producer_name) {
        channel.producer_id = held ? *request.producer_id : [this] {
            const std::uint64_t id = parts_.random_id();
            return std::string{reinterpret_cast<const char*>(&id), sizeof id};
        }();
        channel.epoch = held ? request.epoch : 1;
        return;
    }
    expire_producers(into, from.user);
    const std::uint64_t fresh = parts_.random_id();
    channel.producer_id =
        known != nullptr ? known->id : std::string{reinterpret_cast<const char*>(&fresh), sizeof fresh};
    channel.epoch = (known != nullptr ? known->epoch : 0) + 1;
    parts_.journal.append(
        log::record_type::producer,
        records::producer_change{static_cast<std::uint64_t>(records::producer_change_kind::epoch_issued),
                                 into.number, from.user, channel.producer_id, request.producer_name,
                                 channel.epoch},
        parts_.now);
}

// The oldest makes room; one that has gone for so long starts anew.
void intake::expire_producers(stream& of, const std::string& user) {
    if (of.producers.size() < parts_.options.producers_max) return;
    const producer_state* oldest = nullptr;
    for (const auto& [key, each] : of.producers)
        if (each.user == user && (oldest == nullptr || each.last_used_wall_ns < oldest->last_used_wall_ns))
            oldest = &each;
    if (oldest != nullptr) forget_producer(of, *oldest);
}

void intake::forget_producer(const stream& of, const producer_state& which) {
    parts_.journal.append(
        log::record_type::producer,
        records::producer_change{static_cast<std::uint64_t>(records::producer_change_kind::expired),
                                 of.number, which.user, which.id, std::nullopt, 0},
        parts_.now);
}

void intake::tick() {
    if (parts_.now.monotonic_ns < next_expiry_ns_ || !parts_.read_only_reason.empty()) return;
    // Whoever was cut off by a restart is not gone, whatever the clock was set to: it gets time to come back.
    const bool opened_now = next_expiry_ns_ == 0;
    next_expiry_ns_ = parts_.now.monotonic_ns + expiry_every_ns;
    if (opened_now) return;
    std::set<std::pair<std::uint32_t, std::string>> in_use;
    for (const auto& [number, each] : parts_.sessions)
        for (const auto& [channel_number, channel] : each.puts)
            in_use.emplace(channel.stream, channel.producer_id);
    for (auto& [number, each] : parts_.state.streams()) {
        std::vector<producer_state> old;
        for (const auto& [key, producer] : each.producers)
            if (producer.last_used_wall_ns + producer_kept_ns < parts_.now.wall_ns &&
                !in_use.contains({number, producer.id}))
                old.push_back(producer);
        for (const producer_state& producer : old) forget_producer(each, producer);
    }
}

void intake::answer_open(std::uint64_t session_number, std::uint64_t channel_number) {
    session* to = parts_.find_session(session_number);
    if (to == nullptr || !to->puts.contains(channel_number)) return;
    const put_channel& channel = to->puts.at(channel_number);
    stream* into = parts_.state.find(channel.stream);
    if (into == nullptr) return;
    const producer_state* producer = into->find_producer(to->user, channel.producer_id);
    // Of a thousand that open one after another each would be told a share of what is there so far, and all
    // of these together are many pools. The first confirm tells it its share of now.
    parts_.send(session_number, encode(opened{channel_number, channel.producer_id, channel.epoch,
                                              producer == nullptr ? 0 : producer->last_sequence,
                                              channel.batches_settled + window_batches,
                                              channel.bytes_settled + smallest_window_bytes}));
}

// The pool is shared by all who put. A batch that is larger than a window may come when nothing else of its
// channel is under way.
std::uint64_t intake::window_bytes() const {
    const std::size_t channels = parts_.channels.puts(parts_.sessions, parts_.now);
    return std::max(smallest_window_bytes, parts_.options.pool_bytes / std::max<std::size_t>(channels, 1));
}

void intake::part(session& from, const protocol::part& request, const shared_bytes& body) {
    const auto put = from.puts.find(request.channel);
    const auto take = from.takes.find(request.channel);
    if (put == from.puts.end() && take == from.takes.end())
        return parts_.send_error(from.number, request.channel, code::no_channel,
                                 "PART on a channel that is not open");
    part_buffer& parts = put != from.puts.end() ? put->second.parts : take->second.parts;
    const bool begins = request.index == 0;
    if (begins) parts = {0, request.count, {}, false, false};
    if (request.index != parts.expected || request.count != parts.count) {
        ++parts_.counters.frames_bad;
        parts = {};
        return;
    }
    ++parts.expected;
    if (parts.bytes.size() + body.view.size() > parts_.options.message_bytes_max + batch_bytes_max)
        parts.too_large = true;
    // All channels of a session together have no more under way than one of them may.
    const std::size_t unfinished = from.part_bytes() + body.view.size();
    if (!parts.too_large && unfinished > parts_.options.message_bytes_max + batch_bytes_max)
        parts.beyond = true;
    if (parts.too_large || parts.beyond)
        std::string{}.swap(parts.bytes);
    else
        parts.bytes += body.view;
}

verdict intake::judge(const session& from, const put_channel& channel, const protocol::put& request) const {
    if (!parts_.read_only_reason.empty()) return {code::read_only, parts_.read_only_reason};
    stream* into = parts_.state.find(channel.stream);
    if (into == nullptr) return {code::no_such_stream, "the stream was removed"};
    if (!parts_.allowed(from, verb::publish, into->name)) return {code::denied, "not permitted"};
    const producer_state* producer = into->find_producer(from.user, channel.producer_id);
    const std::uint64_t last = producer == nullptr ? 0 : producer->last_sequence;
    if (producer != nullptr && producer->epoch > channel.epoch)
        return {code::fenced, "a newer run of this producer has taken over", last + 1};
    if (request.previous != last || request.first <= last || request.first + request.count < request.first)
        return {code::out_of_order, "the batch does not follow the last one stored", last + 1};
    return {};
}

const stored_batch* intake::find_duplicate(const put_channel& channel, const std::string& user,
                                           const protocol::put& request) const {
    stream* into = parts_.state.find(channel.stream);
    const producer_state* producer =
        into == nullptr ? nullptr : into->find_producer(user, channel.producer_id);
    if (producer == nullptr || producer->epoch > channel.epoch) return nullptr;
    for (const stored_batch& each : producer->recent)
        if (each.first == request.first && each.count == request.count) return &each;
    return nullptr;
}

void intake::put(session& from, const protocol::put& request, const shared_bytes& body) {
    const auto found = from.puts.find(request.channel);
    if (found == from.puts.end())
        return parts_.send_error(from.number, request.channel, code::no_channel,
                                 "PUT on a channel that is not open");
    put_channel& channel = found->second;
    const bool too_large = channel.parts.too_large;
    const bool beyond = channel.parts.beyond;
    shared_bytes batch = channel.parts.complete(body);
    ++channel.batches_received;
    channel.bytes_received += batch.view.size();
    const std::uint64_t under_way = channel.bytes_received - channel.bytes_settled;
    const bool over =
        beyond || channel.batches_received - channel.batches_settled > window_batches + 1 ||
        (under_way > batch.view.size() && under_way > parts_.options.pool_bytes + batch_bytes_max);
    if (over) ++parts_.counters.frames_over_window;
    if (too_large)
        refuse(from, channel, request, batch.view.size(),
               {code::too_large,
                "a message may have " + std::to_string(parts_.options.message_bytes_max) + " bytes"});
    else if (over)
        refuse(from, channel, request, batch.view.size(), {code::out_of_order, "beyond the window"});
    else if (waiting_put next{request, std::move(batch), parts_.now.monotonic_ns};
             !channel.waiting.empty() || !take(from, channel, next)) {
        channel.waiting.push_back(std::move(next));
        waiting_.emplace(from.number, request.channel);
    }
}

void intake::refuse(session& from, put_channel& channel, const protocol::put& request, std::uint64_t bytes,
                    const verdict& why) {
    ++channel.batches_settled;
    channel.bytes_settled += bytes;
    if (why.code != code::split) parts_.counters.messages_refused += request.count;
    parts_.to_confirm.emplace(from.number, request.channel);  // the window moves on
    parts_.send(from.number, encode(refused{request.channel, request.first, request.count,
                                            std::string{why.code}, why.reason, why.expected, why.fits}));
}

// Of a batch that is longer than the stream may ever be, or than the room that it waits for, the first
// messages come by themselves. To split one costs its producer a new channel: so half of it must fit, or it
// has waited for long, and one at a time is told so in front of a stream.
verdict intake::room(const stream& into, const offer& what, std::uint64_t fresh, std::uint64_t since_ns) {
    verdict found = admission_.room(into, what, fresh);
    if (found.fits == 0 || found.fits >= what.count || found.code == code::full) return found;
    const std::uint64_t now_ns = parts_.now.monotonic_ns;
    if (found.waits) {
        const bool soon = found.fits >= what.count - found.fits || now_ns >= since_ns + patience_ns;
        if (!soon || !split_now_.insert(into.number).second) {
            look_again_ns_ = std::min(look_again_ns_, (soon ? now_ns : since_ns) + patience_ns);
            return found;
        }
    }
    return {code::split, "the first messages fit, the batch does not", 0, found.fits};
}

// False: it must wait until its stream has room.
bool intake::take(session& from, put_channel& channel, const waiting_put& what_waits) {
    const auto& [request, batch, since_ns] = what_waits;
    const bool writing = parts_.read_only_reason.empty();
    if (const stored_batch* known = !writing ? nullptr : find_duplicate(channel, from.user, request)) {
        parts_.counters.messages_duplicate += request.count;
        parts_.journal.sync_now();
        confirm_when_durable(from, request.channel, channel, known->runs(true), batch.view.size());
        return true;
    }
    verdict found = judge(from, channel, request);
    item_notes notes;
    if (found.taken()) {
        const stream& into = *parts_.state.find(channel.stream);
        const std::uint64_t expected = request.previous + 1;
        const offer what{request.count, request.checksum_kind, request.checksum, batch.view, channel.dedup};
        found = admission_.judge(into, into.next, what, notes);
        if (found.taken()) found = room(into, what, notes.fresh, since_ns);
        if (found.waits) return false;
        found.expected = expected;
    }
    if (found.taken())
        store(from, channel, request, batch, std::move(notes));
    else
        refuse(from, channel, request, batch.view.size(), found);
    return true;
}

void intake::take_waiting() {
    split_now_.clear();
    look_again_ns_ = ~std::uint64_t{0};
    for (auto at = waiting_.begin(); at != waiting_.end();) {
        session* from = parts_.find_session(at->first);
        const auto channel = from == nullptr ? nullptr : &from->puts;
        const auto open = channel == nullptr ? decltype(channel->find(0)){} : channel->find(at->second);
        const bool there = channel != nullptr && open != channel->end();
        while (there && !open->second.waiting.empty()) {
            if (!take(*from, open->second, open->second.waiting.front())) break;
            open->second.waiting.pop_front();
        }
        at = there && !open->second.waiting.empty() ? std::next(at) : waiting_.erase(at);
    }
}

void intake::store(session& from, put_channel& channel, const protocol::put& request,
                   const shared_bytes& batch, item_notes notes) {
    stream& into = *parts_.state.find(channel.stream);
    // Of a batch that is known whole only the fact is stored.
    const bool whole_known = notes.fresh == 0;
    const records::messages_head head{from.user,
                                      channel.producer_id,
                                      channel.epoch,
                                      request.first,
                                      request.time_ns,
                                      whole_known ? 0 : request.checksum_kind,
                                      whole_known ? 0 : request.checksum,
                                      std::move(notes.known),
                                      std::move(notes.wishes),
                                      notes.near_ms,
                                      std::nullopt,
                                      std::move(notes.ids)};
    depot::record what{pack_struct(head), request.count, 0, channel.grade, head.checksum_kind, head.checksum};
    if (what.head.size() + batch.view.size() > parts_.options.record_bytes_max) {
        const std::uint64_t record_bytes = what.head.size() + batch.view.size();
        return refuse(from, channel, request, batch.view.size(),
                      {request.count > 1 ? code::split : code::too_large,
                       "a batch of " + std::to_string(record_bytes) + " bytes, the limit is " +
                           std::to_string(parts_.options.record_bytes_max),
                       request.previous + 1, request.count / 2});
    }
    if (!into.find_producer(from.user, channel.producer_id)) expire_producers(into, from.user);
    retention_.make_room(into, notes.fresh, whole_known ? 0 : batch.view.size());
    what.flags = notes.headers ? records::has_headers : std::uint8_t{0};
    const stored_batch stored{request.first, request.count, into.next, head.known};
    depot_.store(into, what, whole_known ? shared_bytes{} : batch);
    parts_.counters.messages_stored += notes.fresh;
    parts_.counters.messages_duplicate += request.count - notes.fresh;
    confirm_when_durable(from, request.channel, channel, stored.runs(false), batch.view.size());
}

// A duplicate is called one when it is synced, however durable its sender wants its own.
void intake::confirm_when_durable(const session& from, std::uint64_t channel_number,
                                  const put_channel& channel, std::vector<protocol::stored_run> runs,
                                  std::uint64_t bytes) {
    const bool duplicates = std::ranges::any_of(runs, &stored_run::duplicate);
    std::uint64_t end = 0;
    for (const stored_run& each : runs) end = std::max(end, each.offset + each.count);
    const auto confirm = [this, to = from.number, channel_number, runs = std::move(runs), bytes] {
        session* waiting = parts_.find_session(to);
        if (waiting == nullptr) return;
        const auto open = waiting->puts.find(channel_number);
        if (open == waiting->puts.end()) return;
        put_channel& of = open->second;
        ++of.batches_settled;
        of.bytes_settled += bytes;
        of.up_to = std::max(of.up_to, runs.back().first + runs.back().count - 1);
        of.confirmed.insert(of.confirmed.end(), runs.begin(), runs.end());
        parts_.to_confirm.emplace(to, channel_number);
    };
    if (duplicates) parts_.journal.sync_now();
    if (channel.grade == grade::synced || duplicates) return parts_.journal.when(grade::synced, confirm);
    parts_.journal.when(channel.grade, [this, number = channel.stream, end, confirm] {
        stream_run& run = parts_.stream_runs[number];
        if (end <= run.told_durable && run.untold.empty())
            confirm();
        else
            run.untold.emplace_back(end, confirm);
    });
}

void intake::send_confirms() {
    for (const auto& [session_number, channel_number] : parts_.to_confirm) {
        session* to = parts_.find_session(session_number);
        if (to == nullptr || !to->puts.contains(channel_number)) continue;
        put_channel& channel = to->puts.at(channel_number);
        parts_.send(
            session_number,
            encode(stored{channel_number, parts_.options.incarnation, channel.up_to,
                          std::exchange(channel.confirmed, {}), static_cast<std::uint64_t>(channel.grade),
                          channel.batches_settled + window_batches, channel.bytes_settled + window_bytes()}));
    }
    parts_.to_confirm.clear();
}

void intake::refuse_all(std::string_view why, const std::string& reason) {
    for (auto& [number, each] : parts_.sessions)
        for (auto& [channel_number, channel] : each.puts)
            parts_.send_error(number, channel_number, why, reason);
}

}  // namespace ferry
