#include "devices/spool/intake.hpp"

#include <algorithm>
#include <array>

#include "core/log/checksum.hpp"
#include "devices/spool/request_options.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::uint64_t expiry_every_ns = 3600ULL * 1'000'000'000;
constexpr std::uint64_t producer_kept_ns = 7 * 24 * expiry_every_ns;
constexpr std::uint64_t told_step = 65'536;
constexpr std::uint64_t told_margin = 16'384;
constexpr std::size_t smallest_window_bytes = batch_bytes_max;
constexpr std::size_t head_bytes_max = 512;   // what a messages record holds beside the batch,
constexpr std::size_t wishes_bytes_max = 32;  // and for each of its wishes
constexpr std::uint64_t near_when_many_ms = 120'000;

}  // namespace

void advance_visible(brain_parts& parts, std::uint32_t stream_number) {
    stream_run& run = parts.stream_runs[stream_number];
    while (!run.pending.empty()) {
        const auto& next = run.pending.front();
        if (!next.durable || (next.needs_told && next.end > run.told_durable)) break;
        run.visible = next.end;
        run.pending.pop_front();
        parts.touched.insert(stream_number);
    }
    while (!run.untold.empty() && run.untold.front().first <= run.told_durable) {
        const auto answer = std::move(run.untold.front().second);
        run.untold.pop_front();
        answer();
    }
}

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
    const std::uint32_t fresh = parts_.state.next_stream_number();
    parts_.journal.append(log::record_type::stream_settings,
                          records::stream_change{static_cast<std::uint64_t>(records::settings_change::set),
                                                 fresh,
                                                 request.stream,
                                                 {static_cast<std::uint64_t>(parts_.options.default_grade)}},
                          parts_.now);
    return parts_.state.find(fresh);
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
    const auto asked_grade = number_of(request.options, "grade");
    if (asked_grade && *asked_grade > 2)
        return parts_.send_error(from.number, request.channel, code::bad_option, "grade is 0, 1 or 2");
    stream* into = find_or_create(from, request);
    if (into == nullptr) return;

    put_channel channel;
    channel.stream = into->number;
    channel.grade = static_cast<grade>(asked_grade.value_or(into->settings.grade));
    issue_identity(from, *into, request, channel);
    if (channel.grade != grade::synced) ask_told(*into, into->next);
    from.puts.insert_or_assign(request.channel, std::move(channel));
    // Synced before OPENED: an epoch that was told must not be issued again, nor a stream be forgotten.
    const auto answer = [this, to = from.number, on = request.channel] { answer_open(to, on); };
    parts_.journal.when(grade::synced, answer);
    parts_.journal.sync_now();
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
    next_expiry_ns_ = parts_.now.monotonic_ns + expiry_every_ns;
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
    parts_.send(session_number, encode(opened{channel_number, channel.producer_id, channel.epoch,
                                              producer == nullptr ? 0 : producer->last_sequence,
                                              channel.batches_settled + window_batches,
                                              channel.bytes_settled + window_bytes()}));
}

// The pool is shared by all who put; everybody may have at least one full batch under way.
std::uint64_t intake::window_bytes() const {
    std::size_t channels = 0;
    for (const auto& [session_number, each] : parts_.sessions) channels += each.puts.size();
    return std::max(smallest_window_bytes, parts_.options.pool_bytes / std::max<std::size_t>(channels, 1));
}

void intake::part(session& from, const protocol::part& request, const shared_bytes& body) {
    const auto found = from.puts.find(request.channel);
    if (found == from.puts.end())
        return parts_.send_error(from.number, request.channel, code::no_channel,
                                 "PART on a channel that is not open");
    part_buffer& parts = found->second.parts;
    const bool begins = request.index == 0;
    if (begins) parts = {0, request.count, {}, false};
    if (request.index != parts.expected || request.count != parts.count) {
        ++parts_.counters.frames_bad;
        parts = {};
        return;
    }
    ++parts.expected;
    if (parts.bytes.size() + body.view.size() > parts_.options.message_bytes_max + batch_bytes_max)
        parts.too_large = true;
    if (parts.too_large)
        parts.bytes.clear();
    else
        parts.bytes += body.view;
}

intake::verdict intake::judge_items(const protocol::put& request, std::string_view batch,
                                    item_notes& notes) const {
    if (request.checksum_kind > 1) return {code::bad_frame, "unknown kind of checksum", 0};
    if (request.checksum_kind == 1 && log::crc32c(batch) != request.checksum)
        return {code::bad_frame, "the batch does not match its checksum", 0};
    std::uint64_t items = 0;
    batch_cursor cursor{batch};
    while (const auto item = cursor.next()) {
        ++items;
        if (item->payload.size() > parts_.options.message_bytes_max)
            return {code::too_large,
                    "a message of " + std::to_string(item->payload.size()) + " bytes, the limit is " +
                        std::to_string(parts_.options.message_bytes_max),
                    0};
        if (item->headers.empty()) continue;
        notes.headers = true;
        std::string problem;
        auto asked = read_wishes(item->headers, parts_.steady_wall_ms(), problem);
        if (!asked) return {code::unsupported, std::move(problem), 0};
        if (!asked->any()) continue;
        asked->index = items - 1;
        wishes* const last = notes.wishes.empty() ? nullptr : &notes.wishes.back();
        if (last != nullptr && last->index + last->count == asked->index && last->same_as(*asked))
            ++last->count;
        else
            notes.wishes.push_back(*asked);
    }
    if (!cursor.good() || items != request.count || items == 0 || items > (1U << 24))
        return {code::bad_frame, "the batch does not hold the messages it claims", 0};
    return {};
}

intake::verdict intake::judge(const session& from, const put_channel& channel, const protocol::put& request,
                              std::string_view batch, item_notes& notes) const {
    if (!parts_.read_only_reason.empty()) return {code::read_only, parts_.read_only_reason, 0};
    stream* into = parts_.state.find(channel.stream);
    if (into == nullptr) return {code::no_such_stream, "the stream was removed", 0};
    if (!parts_.allowed(from, verb::publish, into->name)) return {code::denied, "not permitted", 0};
    const producer_state* producer = into->find_producer(from.user, channel.producer_id);
    const std::uint64_t last = producer == nullptr ? 0 : producer->last_sequence;
    if (producer != nullptr && producer->epoch > channel.epoch)
        return {code::fenced, "a newer run of this producer has taken over", last + 1};
    if (request.previous != last || request.first <= last || request.first + request.count < request.first)
        return {code::out_of_order, "the batch does not follow the last one stored", last + 1};
    if (parts_.disk_full) return {code::full, "the disk is full but for the reserve", last + 1};
    const verdict items = judge_items(request, batch, notes);
    if (!items.code.empty()) return items;
    const std::size_t bytes = batch.size() + head_bytes_max + notes.wishes.size() * wishes_bytes_max;
    if (bytes > parts_.options.record_bytes_max)
        return {code::too_large,
                "a batch of " + std::to_string(bytes) + " bytes, the limit is " +
                    std::to_string(parts_.options.record_bytes_max),
                last + 1};
    if (!notes.wishes.empty() && parts_.kept.bytes > parts_.options.time_bytes_max)
        return {code::full, "the spool keeps too many messages with a delay, an expiry or a priority",
                last + 1};
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
    shared_bytes batch = body;
    const bool too_large = channel.parts.too_large;
    if (channel.parts.expected > 0) {
        const bool complete = channel.parts.expected == channel.parts.count;
        batch = shared_bytes::of(complete ? channel.parts.bytes + std::string{body.view} : std::string{});
        channel.parts = {};
    }
    ++channel.batches_received;
    channel.bytes_received += batch.view.size();
    const std::uint64_t under_way = channel.bytes_received - channel.bytes_settled;
    const bool over =
        channel.batches_received - channel.batches_settled > window_batches + 1 ||
        (under_way > batch.view.size() && under_way > parts_.options.pool_bytes + batch_bytes_max);
    const auto refuse = [&](std::string_view why, const std::string& reason, std::uint64_t expected) {
        ++channel.batches_settled;
        channel.bytes_settled += batch.view.size();
        parts_.counters.messages_refused += request.count;
        parts_.to_confirm.emplace(from.number, request.channel);  // the window moves on
        parts_.send(from.number, encode(refused{request.channel, request.first, request.count,
                                                std::string{why}, reason, expected}));
    };
    if (too_large)
        return refuse(code::too_large,
                      "a message may have " + std::to_string(parts_.options.message_bytes_max) + " bytes", 0);
    if (over) {
        ++parts_.counters.frames_over_window;
        return refuse(code::out_of_order, "beyond the window", 0);
    }
    const bool writing = parts_.read_only_reason.empty();
    if (const stored_batch* known = !writing ? nullptr : find_duplicate(channel, from.user, request)) {
        parts_.counters.messages_duplicate += request.count;
        parts_.journal.sync_now();
        return confirm_when_durable(from, request.channel, channel,
                                    {request.first, request.count, known->offset, true}, batch.view.size());
    }
    item_notes notes;
    const verdict found_wrong = judge(from, channel, request, batch.view, notes);
    if (!found_wrong.code.empty()) return refuse(found_wrong.code, found_wrong.reason, found_wrong.expected);
    store(from, request.channel, channel, request, std::move(batch), std::move(notes));
}

void intake::store(session& from, std::uint64_t channel_number, put_channel& channel,
                   const protocol::put& request, shared_bytes batch, item_notes notes) {
    stream& into = *parts_.state.find(channel.stream);
    const std::uint64_t offset = into.next;
    const std::uint64_t end = offset + request.count;
    const std::uint64_t near_ms = notes.wishes.empty() ? 0 : near_until();
    const records::messages_head head{from.user,        channel.producer_id, channel.epoch,
                                      request.first,    request.time_ns,     request.checksum_kind,
                                      request.checksum, std::nullopt,        std::move(notes.wishes),
                                      near_ms,          std::nullopt};
    if (!into.find_producer(from.user, channel.producer_id)) expire_producers(into, from.user);
    const auto flags = static_cast<std::uint8_t>(static_cast<unsigned>(channel.grade) |
                                                 (notes.headers ? records::has_headers : 0U));
    parts_.journal.append({.type = log::record_type::messages,
                           .flags = flags,
                           .stream = into.number,
                           .first_offset = offset,
                           .count = static_cast<std::uint32_t>(request.count),
                           .head = pack_struct(head),
                           .body = batch},
                          parts_.now);
    parts_.counters.messages_stored += request.count;
    stream_run& run = parts_.stream_runs[into.number];
    run.pending.push_back({end, false, channel.grade != grade::synced});
    if (channel.grade == grade::synced)
        parts_.journal.sync_now();
    else {
        ask_told(into, end);
        parts_.journal.sync_soon(parts_.now, 1'000'000'000);
    }
    // It may be shown once its record is as durable as was asked for, and readable from the log.
    const grade shown_at = channel.grade == grade::synced ? grade::synced : grade::written;
    parts_.journal.when(shown_at, [this, number = into.number, end] {
        for (auto& each : parts_.stream_runs[number].pending)
            if (each.end == end) each.durable = true;
        advance_visible(parts_, number);
    });
    confirm_when_durable(from, channel_number, channel, {request.first, request.count, offset, false},
                         batch.view.size());
    parts_.cache.add(into.number, {offset,
                                   request.count,
                                   parts_.now.wall_ns,
                                   static_cast<checksum_kind>(request.checksum_kind),
                                   static_cast<std::uint32_t>(request.checksum),
                                   std::move(batch),
                                   {}});
}

// Many appointments wait in buckets of a minute each, for as long as they can.
std::uint64_t intake::near_until() const {
    const bool few = parts_.kept.appointments <= parts_.options.appointments_near;
    return parts_.steady_wall_ms() +
           (few ? parts_.options.near_ms : std::min(parts_.options.near_ms, near_when_many_ms));
}

void intake::ask_told(stream& into, std::uint64_t end) {
    stream_run& run = parts_.stream_runs[into.number];
    if (end + told_margin <= std::max(run.told_asked, into.told_mark)) return;
    run.told_asked = end + told_step;
    parts_.journal.append(
        log::record_type::mark,
        records::mark{static_cast<std::uint64_t>(records::mark_kind::told), into.number, 0, run.told_asked},
        parts_.now);
    parts_.journal.sync_now();
    parts_.journal.when(grade::synced, [this, number = into.number, mark = run.told_asked] {
        stream_run& told = parts_.stream_runs[number];
        told.told_durable = std::max(told.told_durable, mark);
        advance_visible(parts_, number);
    });
}

void intake::confirm_when_durable(const session& from, std::uint64_t channel_number,
                                  const put_channel& channel, protocol::stored_run what,
                                  std::uint64_t bytes) {
    const auto confirm = [this, to = from.number, channel_number, what, bytes] {
        session* waiting = parts_.find_session(to);
        if (waiting == nullptr) return;
        const auto open = waiting->puts.find(channel_number);
        if (open == waiting->puts.end()) return;
        ++open->second.batches_settled;
        open->second.bytes_settled += bytes;
        open->second.up_to = std::max(open->second.up_to, what.first + what.count - 1);
        open->second.confirmed.push_back(what);
        parts_.to_confirm.emplace(to, channel_number);
    };
    if (channel.grade == grade::synced) return parts_.journal.when(grade::synced, confirm);
    parts_.journal.when(channel.grade,
                        [this, number = channel.stream, end = what.offset + what.count, confirm] {
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
