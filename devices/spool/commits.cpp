#include "devices/spool/commits.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "devices/spool/runs.hpp"

namespace ferry {

using namespace protocol;

verdict commits::prepare(const session& from, const protocol::output& each, shared_bytes batch,
                         stream& unmade, std::vector<prepared>& into) const {
    if (!good_name(each.stream))
        return {code::bad_name, "bad stream name '" + each.stream.substr(0, 128) + "'"};
    if (!parts_.allowed(from, verb::publish, each.stream))
        return {code::denied, "user '" + from.user + "' may not publish to '" + each.stream + "'"};
    const stream* found = parts_.state.find(each.stream);
    // One that is made for this will have the next number.
    if (found == nullptr) ++unmade.number;
    const stream& target = found == nullptr ? unmade : *found;
    const offer what{each.count, each.checksum_kind, each.checksum, batch.view};
    item_notes notes;
    verdict wrong = admission_.judge(target, target.next, what, notes);
    if (wrong.taken()) wrong = admission_.room(target, what, notes.fresh);
    if (wrong.waits) wrong = {code::full, "stream '" + each.stream + "' has no room"};
    if (!wrong.taken()) return wrong;
    const bool whole_known = notes.fresh == 0;
    const records::messages_head head{from.user,
                                      {},
                                      0,
                                      0,
                                      each.time_ns,
                                      whole_known ? 0 : each.checksum_kind,
                                      whole_known ? 0 : each.checksum,
                                      std::move(notes.known),
                                      std::move(notes.wishes),
                                      notes.near_ms,
                                      std::nullopt,
                                      std::move(notes.ids)};
    const unsigned flags = records::of_commit | (notes.headers ? records::has_headers : 0U);
    depot::record record{pack_struct(head), each.count,         static_cast<std::uint8_t>(flags),
                         grade::synced,     head.checksum_kind, head.checksum};
    if (record.head.size() + batch.view.size() > parts_.options.record_bytes_max)
        return {code::too_large, "an output of " + std::to_string(batch.view.size()) +
                                     " bytes, the limit is " +
                                     std::to_string(parts_.options.record_bytes_max)};
    into.push_back(
        {each.stream, std::move(record), whole_known ? shared_bytes{} : std::move(batch), notes.fresh});
    return {};
}

verdict commits::prepare(const session& from, const protocol::commit& request, const shared_bytes& batches,
                         std::vector<prepared>& into) const {
    std::set<std::string_view> names;
    std::string_view left = batches.view;
    stream unmade;
    unmade.number = parts_.state.next_stream_number() - 1;
    for (const protocol::output& each : request.outputs) {
        if (each.bytes > left.size() || !names.insert(each.stream).second)
            return {code::bad_frame, "a commit names each stream once, with bytes that are there"};
        const verdict wrong = prepare(from, each, {batches.owner, left.substr(0, each.bytes)}, unmade, into);
        if (!wrong.taken()) return wrong;
        left.remove_prefix(each.bytes);
    }
    if (!left.empty() || request.runs.empty())
        return {code::bad_frame, "a commit settles messages, and its outputs are all of its payload"};
    return {};
}

void commits::store(session& from, const protocol::commit& request, const settlement::target& to,
                    std::vector<prepared> outputs) {
    records::commit record{.lease = request.lease};
    record.settled.push_back({to.in->number, to.whose->number, request.runs});
    for (const prepared& each : outputs) depot_.find_or_create(each.stream);
    for (const prepared& each : outputs) {
        const stream& into = *parts_.state.find(each.stream);
        retention_.make_room(into, each.fresh, each.batch.view.size());
    }
    for (prepared& each : outputs) {
        stream& into = *parts_.state.find(each.stream);
        record.outputs.push_back({into.number, into.next, each.what.count});
        depot_.store(into, each.what, std::move(each.batch));
        parts_.counters.messages_stored += each.fresh;
        parts_.counters.messages_duplicate += each.what.count - each.fresh;
    }
    for (const run& each : request.runs) parts_.counters.messages_acked += each.count;
    ++parts_.counters.commits;
    parts_.journal.append(log::record_type::commit, record, parts_.now);
    parts_.touched.insert(to.in->number);
    answer(from, {request.channel, parts_.options.incarnation, request.lease, request.runs, {}, {}, {}});
}

// It may have been carried out in this very turn, or before: it is on disk when it is answered.
void commits::answer(const session& to, done reply) {
    parts_.journal.sync_now();
    parts_.journal.when(grade::synced, [this, number = to.number, reply = std::move(reply)] {
        parts_.send(number, encode(reply));
    });
}

void commits::commit(session& from, const protocol::commit& asked, const shared_bytes& body) {
    const settlement::target to = settlement_.find(from, asked.channel);
    if (to.channel == nullptr) return;
    const bool too_large = to.channel->parts.too_large;
    const shared_bytes batches = to.channel->parts.complete(body);
    if (!parts_.read_only_reason.empty())
        return parts_.send_error(from.number, asked.channel, code::read_only, parts_.read_only_reason);
    parts_.journal.flush_acks(parts_.now);
    protocol::commit request = asked;
    request.runs = each_once(asked.runs);
    if (!request.runs.empty() && parts_.state.committed(request.lease, request.runs)) {
        return answer(from,
                      {request.channel, parts_.options.incarnation, request.lease, {}, request.runs, {}, {}});
    }
    ack_outcome outcome = settlement_.judge(from, to, request.lease, request.runs);
    const bool ours = outcome.already.empty() && outcome.stale.empty() && outcome.gone.empty();
    if (!ours) {
        outcome.leased.clear();  // all or nothing
        // Settled, but not by this commit: its outputs are nowhere.
        for (const run& each : std::exchange(outcome.already, {})) add_run(outcome.stale, each);
        const stream nowhere;
        return settlement_.answer(from, request.channel, request.lease, to.in == nullptr ? nowhere : *to.in,
                                  std::move(outcome), false);
    }
    std::vector<prepared> outputs;
    const verdict wrong =
        too_large ? verdict{code::too_large, "outputs of more than " +
                                                 std::to_string(parts_.options.message_bytes_max) + " bytes"}
                  : prepare(from, request, batches, outputs);
    if (wrong.taken()) return store(from, request, to, std::move(outputs));
    parts_.send(from.number, encode(refused{request.channel, request.number, 0, std::string{wrong.code},
                                            wrong.reason, 0, 0}));
}

}  // namespace ferry
