#include "devices/spool/dispatcher.hpp"

#include <algorithm>

#include "core/log/checksum.hpp"
#include "devices/spool/damage.hpp"

namespace ferry {
namespace {

using namespace protocol;

constexpr std::size_t parcel_bytes = batch_bytes_start;  // cut pieces are joined up to here
constexpr std::size_t smallest_share_bytes = 16 << 10;   // of the pool
constexpr std::size_t read_bytes = 512 << 10;
constexpr std::uint64_t ready_enough = 4096;  // messages of an ordered group that stand ready

}  // namespace

// How many more the group lets out at a time.
std::uint64_t dispatcher::room_in_flight(const group& whose) {
    const std::uint64_t most = whose.settings.max_in_flight;
    if (most == 0) return ~std::uint64_t{0};
    return most - std::min(most, whose.leased_count());
}

// The pool is shared by all who take; everybody may have one frame under way, which for many is a small one.
std::size_t dispatcher::unread_bytes_max() const {
    const std::size_t consumers = parts_.channels.takes(parts_.sessions, parts_.now);
    return std::max(smallest_share_bytes, parts_.options.pool_bytes / std::max<std::size_t>(consumers, 1));
}

// Half of what the client lets be under way: who lets little be so may stand behind a slow line, where a
// frame that is long under way is taken for silence.
std::size_t dispatcher::frame_bytes_max(const take_channel& to) {
    const std::uint64_t read = to.bytes - std::min(to.bytes, to.unread_bytes);
    const std::uint64_t window = to.bytes_max - std::min(to.bytes_max, read);
    return std::clamp<std::size_t>(window / 2, smallest_share_bytes, batch_bytes_max);
}

dispatcher::parcel dispatcher::empty_parcel(const take_channel& to) const {
    parcel made;
    made.batch_bytes_most = std::min(frame_bytes_max(to), unread_bytes_max());
    made.bytes_most = std::min(parcel_bytes, made.batch_bytes_most);
    return made;
}

void dispatcher::run() {
    // Nothing may be leased that no mark can cover.
    const bool writing = parts_.read_only_reason.empty();
    const auto touched = std::exchange(parts_.touched, {});
    sieve_.begin_turn();
    usher_.begin_turn();
    for (const std::uint32_t number : touched) {
        stream* from = parts_.state.find(number);
        if (from == nullptr) continue;
        if (writing)
            for (auto& [group_number, each] : from->groups) serve_group(*from, each);
        parts_.journal.flush_acks(parts_.now);  // what was skipped may let the stream's first messages go
        serve_readers(*from);
        stream_run& run = parts_.stream_runs[number];
        if (from->first > run.released) {
            run.released = from->first;
            // Removal waits until the acks that allow it are durable.
            parts_.journal.when(grade::synced, [this, number, offset = from->first] {
                parts_.out.releases.push_back({number, offset});
            });
        }
    }
}

void dispatcher::serve_group(stream& from, group& whose) {
    group_run& run = parts_.group_runs[{from.number, whose.number}];
    if (run.reading || whose.settings.paused) return;
    const bool ordered = whose.settings.ordered;
    // What is held may be anywhere in the order.
    if ((whose.settings.single_active || ordered) && run.awaits_claims) return;
    // Acks of this turn make room, and let keys go.
    if (whose.settings.max_in_flight > 0 || ordered) parts_.journal.flush_acks(parts_.now);
    const auto unread =
        ordered ? usher_.lead(from, whose, visible_to(from, whose), run.consumers.empty() ? 1 : ready_enough)
                : std::nullopt;
    const bool gave = serve_consumers(from, whose, run);
    if (ordered && !run.reading) {
        if (unread) {
            run.reading = true;
            ask_read({from.number, whose.number, {}, *unread});
        } else if (gave || usher_.exhausted()) {
            parts_.touched.insert(from.number);  // there is more to look at
        }
    } else if (!whose.settings.wants.everything() && !run.reading) {
        skip_unwanted(from, whose);
    }
    if (!whose.settings.wants.everything())
        parts_.journal.flush_acks(parts_.now);  // what was skipped may let the stream's first messages go
}

// Gives to consumers in turn until none takes more; true when any was given something.
bool dispatcher::serve_consumers(stream& from, group& whose, group_run& run) {
    bool gave = false;
    std::size_t without = 0;  // consumers in a row that could take nothing
    while (!run.consumers.empty() && without < run.consumers.size()) {
        const auto next = run.consumers.front();
        run.consumers.pop_front();
        session* to = parts_.find_session(next.first);
        if (to == nullptr || !to->takes.contains(next.second)) continue;
        const bool single = whose.settings.single_active;
        if (single)
            run.consumers.push_front(next);
        else
            run.consumers.push_back(next);
        if (single && to->takes.at(next.second).holder != run.active) break;
        const bool took = deliver_to(from, whose, next.first, next.second);
        gave = gave || took;
        if (run.reading || (single && !took)) break;
        without = took ? 0 : without + 1;
    }
    return gave;
}

// Up to where a group may look. When as much is open as memory is granted for, it only redelivers.
std::uint64_t dispatcher::visible_to(const stream& from, const group& whose) const {
    std::size_t kept = 0;
    for (const auto& [number, each] : from.groups) kept += each.runs_kept();
    return kept < parts_.options.runs_max ? parts_.stream_runs.at(from.number).visible : whose.cursor();
}

// What nobody wants is done with also when there is nobody to take what comes behind it.
void dispatcher::skip_unwanted(stream& from, group& whose) {
    group_run& run = parts_.group_runs[{from.number, whose.number}];
    const std::uint64_t visible = visible_to(from, whose);
    while (auto next = whose.pick(visible, from.lanes, ~std::uint64_t{0})) {
        if (next->offset == run.known_wanted) return;
        switch (sieve_.judge(from, whose, *next)) {
            case sieve::verdict::skipped:
                continue;
            case sieve::verdict::wanted:
                run.known_wanted = next->offset;
                return;
            case sieve::verdict::unread:
                run.reading = true;
                return ask_read({from.number, whose.number, {}, next->offset});
            case sieve::verdict::later:
                parts_.touched.insert(from.number);
                return;
        }
    }
}

// Cuts what was picked to what lies below the durable delivered mark, and raises the mark in time.
bool dispatcher::below_mark(stream& from, group& whose, tried_run& picked) {
    group_run& run = parts_.group_runs[{from.number, whose.number}];
    if (picked.offset + run.mark_pace.margin() > whose.delivered_mark()) {
        const std::uint64_t mark = std::max(picked.offset, whose.delivered_mark()) + run.mark_pace.step();
        parts_.journal.append(log::record_type::mark,
                              records::mark{static_cast<std::uint64_t>(records::mark_kind::delivered),
                                            from.number, whose.number, mark},
                              parts_.now);
        parts_.journal.sync_now();
        parts_.journal.when(grade::synced,
                            [this, key = brain_parts::group_key{from.number, whose.number}, mark] {
                                group_run& waiting = parts_.group_runs[key];
                                waiting.mark_durable = std::max(waiting.mark_durable, mark);
                                waiting.mark_pace.raised(parts_.now.monotonic_ns);
                                parts_.touched.insert(key.first);
                            });
    }
    if (picked.offset >= run.mark_durable) {
        run.mark_pace.waited();
        return false;
    }
    picked.count = std::min(picked.count, run.mark_durable - picked.offset);
    return true;
}

// Adds as much of `picked` as the cache holds in one piece. False: it must be read first.
bool dispatcher::fill(parcel& into, std::uint32_t stream_number, const tried_run& picked,
                      std::uint64_t& taken) {
    const cached_batch* at = parts_.cache.find(stream_number, picked.offset);
    if (at == nullptr) return false;
    taken = std::min(picked.count, at->end() - picked.offset);
    std::string_view bytes = at->slice(picked.offset, taken);
    if (bytes.size() > into.batch_bytes_most &&
        taken > 1) {  // a large slice of one batch leaves in frames of its own
        taken = std::max<std::uint64_t>(1, taken * into.batch_bytes_most / 2 / bytes.size());
        bytes = at->slice(picked.offset, taken);
    }
    if (into.messages > 0 && into.bytes + bytes.size() > into.bytes_most) {
        taken = 0;
        return true;
    }
    if (into.whole != nullptr) into.joined = into.whole->batch.view;
    into.whole = into.messages == 0 && taken == at->count ? at : nullptr;
    if (into.whole == nullptr) into.joined += bytes;
    into.bytes += bytes.size();
    into.messages += taken;
    into.runs.push_back({picked.offset, taken, picked.attempt, at->wall_ns});
    into.picked.push_back({picked.offset, taken, picked.attempt, picked.failures, 0});
    return true;
}

bool dispatcher::deliver_to(stream& from, group& whose, std::uint64_t session_number,
                            std::uint64_t channel_number) {
    session& to = *parts_.find_session(session_number);
    take_channel& channel = to.takes.at(channel_number);
    if (channel.mute || !channel.has_credit() || channel.unread_bytes >= unread_bytes_max()) return false;
    const std::uint64_t visible = visible_to(from, whose);
    lease held{.id = parts_.random_id(),
               .holder = channel.holder,
               .frame = channel.frames + 1,
               .user = to.user,
               .deadline_ns = parts_.now.monotonic_ns + channel.lease_ns,
               .given_ns = parts_.now.monotonic_ns,
               .runs = {},
               .outstanding = 0};
    parcel what = empty_parcel(channel);
    lease* under = nullptr;
    while (what.bytes < what.bytes_most) {
        const std::uint64_t room =
            std::min(channel.messages_max - channel.messages - what.messages, room_in_flight(whose));
        auto picked = whose.settings.ordered ? usher_.pick(from, whose, visible, room)
                                             : whose.pick(visible, from.lanes, room);
        if (!picked) break;
        const sieve::verdict judged = sieve_.judge(from, whose, *picked);
        if (judged == sieve::verdict::skipped) continue;
        if (judged == sieve::verdict::later || !below_mark(from, whose, *picked)) break;
        std::uint64_t taken = 0;
        if (!fill(what, from.number, *picked, taken)) {
            if (what.messages == 0) {
                parts_.group_runs[{from.number, whose.number}].reading = true;
                ask_read({from.number, whose.number, {}, picked->offset});
            }
            break;
        }
        if (taken == 0) break;
        if (under == nullptr) under = &whose.new_lease(held);
        whose.take({picked->offset, taken, picked->attempt, picked->failures, 0}, from.lanes, *under);
        if (whose.settings.ordered) usher_.given(from, whose, {picked->offset, taken});
    }
    if (what.messages == 0) return false;
    parts_.file(from, whose);
    for (const delivered_run& each : what.runs)
        if (each.attempt > 1) parts_.counters.messages_redelivered += each.count;
    parts_.counters.messages_delivered += what.messages;
    send(what, to, channel_number, held.id);
    return true;
}

void dispatcher::send(parcel& what, session& to, std::uint64_t channel_number, std::uint64_t lease_id) {
    take_channel& channel = to.takes.at(channel_number);
    const std::size_t piece_bytes = frame_bytes_max(channel);
    channel.messages += what.messages;
    channel.bytes += what.bytes;
    ++channel.frames;
    channel.unread.push_back(what.bytes);
    channel.unread_bytes += what.bytes;
    deliver head{channel_number, lease_id, channel.lease_ns / 1'000'000, std::move(what.runs), 0, 0};
    shared_bytes body;
    if (what.whole != nullptr) {
        // A whole batch travels on with the checksum its producer gave it.
        head.checksum_kind = static_cast<std::uint64_t>(what.whole->checksum_is);
        head.checksum = what.whole->checksum;
        body = what.whole->batch;
    } else {
        head.checksum_kind = static_cast<std::uint64_t>(checksum_kind::crc32c);
        head.checksum = log::crc32c(what.joined);
        body = shared_bytes::of(std::move(what.joined));
    }
    const std::uint64_t pieces = (body.view.size() + piece_bytes - 1) / piece_bytes;
    for (std::uint64_t piece = 0; piece + 1 < pieces; ++piece) {
        parts_.send(to.number, encode(part{channel_number, piece, pieces - 1}),
                    shared_bytes{body.owner, body.view.substr(0, piece_bytes)});
        body.view.remove_prefix(piece_bytes);
    }
    parts_.send(to.number, encode(head), std::move(body));
}

void dispatcher::serve_readers(stream& from) {
    auto& readers = parts_.stream_runs[from.number].readers;
    std::erase_if(readers, [&](const auto& each) {
        const session* to = parts_.find_session(each.first);
        if (to == nullptr) return true;
        const auto channel = to->takes.find(each.second);
        return channel == to->takes.end() || channel->second.stream != from.number || channel->second.group;
    });
    for (const auto& [number, channel_number] : readers) {
        session& to = parts_.sessions.at(number);
        while (deliver_to_reader(from, to, channel_number)) {}
        take_channel& channel = to.takes.at(channel_number);
        if (channel.end_told || !at_end(from, channel)) continue;
        channel.end_told = true;
        parts_.send_error(number, channel_number, code::end, "nothing more before the offset given");
    }
}

// Messages below the end may be on their way to disk still; dead letters are there or not.
bool dispatcher::at_end(const stream& from, const take_channel& channel) const {
    if (channel.dead_of) return channel.has_end() && !next_for_reader(from, channel);
    if (from.lanes.gaps.first_absent(std::max(channel.read_from, from.first)) >= channel.read_until)
        return true;
    // What was not on disk when writing ended never will be.
    return !parts_.read_only_reason.empty() && channel.has_end() && !next_for_reader(from, channel);
}

// What a reader sees next: whatever is stored, or the dead letters of one group.
std::optional<tried_run> dispatcher::next_for_reader(const stream& from, const take_channel& channel) const {
    if (channel.dead_of) {
        const auto whose = from.groups.find(*channel.dead_of);
        if (whose == from.groups.end()) return std::nullopt;
        const auto died = whose->second.dead().next(channel.read_from);
        if (!died || died->offset >= channel.read_until) return std::nullopt;
        const std::uint64_t count = std::min(died->count, channel.read_until - died->offset);
        return tried_run{died->offset, count, died->attempt, 0, 0};
    }
    // A stream made in this very turn has no entry yet, and nothing to show.
    const std::uint64_t visible = std::min(parts_.stream_runs[from.number].visible, channel.read_until);
    const std::uint64_t first = from.lanes.gaps.first_absent(std::max(channel.read_from, from.first));
    if (first >= visible) return std::nullopt;
    const auto gap = from.lanes.gaps.next_run(first);
    return tried_run{first, (gap ? std::min(visible, gap->first) : visible) - first, 1, 0, 0};
}

bool dispatcher::deliver_to_reader(stream& from, session& to, std::uint64_t channel_number) {
    take_channel& channel = to.takes.at(channel_number);
    if (!channel.has_credit() || channel.unread_bytes >= unread_bytes_max()) return false;
    parcel what = empty_parcel(channel);
    while (what.bytes < what.bytes_most && what.messages < channel.messages_max - channel.messages) {
        auto next = next_for_reader(from, channel);
        if (!next) break;
        channel.read_from = next->offset;
        next->count = std::min(next->count, channel.messages_max - channel.messages - what.messages);
        std::uint64_t taken = 0;
        if (!fill(what, from.number, *next, taken)) {
            if (what.messages == 0)
                ask_read({from.number, std::nullopt, {to.number, channel_number}, channel.read_from});
            break;
        }
        if (taken == 0) break;
        channel.read_from += taken;
    }
    if (what.messages == 0) return false;
    send(what, to, channel_number, 0);
    return true;
}

void dispatcher::ask_read(const reading& what) {
    for (const auto& [cookie, under_way] : reads_)
        if (!what.group && under_way.reader == what.reader) return;
    const std::uint64_t cookie = parts_.next_cookie++;
    reads_.emplace(cookie, what);
    parts_.out.reads.push_back({cookie, what.stream, what.offset, read_bytes});
}

void dispatcher::read_done(std::uint64_t cookie, log::read_result&& result) {
    const auto found = reads_.find(cookie);
    if (found == reads_.end()) return;
    const reading what = found->second;
    reads_.erase(found);
    if (what.group) parts_.group_runs[{what.stream, *what.group}].reading = false;
    stream* from = parts_.state.find(what.stream);
    if (from == nullptr) return;
    parts_.touched.insert(what.stream);

    const auto owner = std::make_shared<const std::string>(std::move(result.bytes));
    std::uint64_t expected = what.offset;
    std::size_t kept = 0;
    for (const log::stored_record& each : result.records) {
        if (each.header.type != log::record_type::messages || each.header.stream != what.stream) continue;
        records::messages_head head;
        std::string_view batch;
        if (!records::split_messages(each.payload, head, batch)) continue;
        if (each.header.first_offset > expected)
            remove_damaged(parts_, *from, expected, each.header.first_offset);
        expected = std::max(expected, each.header.first_offset + each.header.count);
        // More would push out what was asked for.
        if (kept > 0 && kept + batch.size() > parts_.cache.bytes_max() / 2) break;
        kept += parts_.cache.add(what.stream, {each.header.first_offset,
                                               each.header.count,
                                               each.header.wall_ns,
                                               static_cast<checksum_kind>(head.checksum_kind),
                                               static_cast<std::uint32_t>(head.checksum),
                                               {owner, batch},
                                               {}});
    }
    if (result.at_end && result.records.empty()) {
        expected = parts_.stream_runs[what.stream].visible;
        remove_damaged(parts_, *from, what.offset, expected);
    }
    // A reader steps over what nobody can read, also when nothing can be written any more.
    session* to = parts_.find_session(what.reader.first);
    if (what.group || to == nullptr || !to->takes.contains(what.reader.second)) return;
    take_channel& channel = to->takes.at(what.reader.second);
    if (parts_.cache.find(what.stream, channel.read_from) == nullptr)
        channel.read_from = result.records.empty()
                                ? expected
                                : std::max(channel.read_from, result.records.front().header.first_offset);
}

}  // namespace ferry
